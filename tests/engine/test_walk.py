"""The times visited: from 1 to 0, as many as asked, at the papers' noise levels."""

from itertools import pairwise

import pytest
import torch

from scidiff.engine.plan import Plan
from scidiff.engine.schedule import (
    Cosine,
    LinearBeta,
    Polynomial,
    RectifiedLinear,
    VarianceExploding,
    Warped,
    noise_ratio,
    time_of,
)
from scidiff.engine.walk import Churn, Jumps, Karras, LogSNR, Uniform

SCHEDULES = [LinearBeta(), Cosine(), Polynomial(), VarianceExploding(80.0, 7.0), RectifiedLinear()]
SCHEDULES.append(Warped(RectifiedLinear(), 1.5))
VE = VarianceExploding(80.0, 7.0)


def ratios(schedule, times: list[float]) -> list[float]:
    return noise_ratio(schedule, torch.tensor(times, dtype=torch.float64)).tolist()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("steps", [1, 2, 17])
def test_walks_fall_from_one_to_zero_in_the_steps_asked_for(schedule, steps):
    for walk in (Uniform(steps), Karras(schedule, steps), LogSNR(schedule, steps)):
        times = walk()
        assert len(times) == steps + 1 and times[0] == 1 and times[-1] == 0
        assert all(later < earlier for earlier, later in pairwise(times))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_time_of_inverts_noise_ratio(schedule):
    times = torch.tensor([1e-3, 0.1, 0.5, 0.9, 0.999], dtype=torch.float64)
    assert torch.allclose(time_of(schedule, noise_ratio(schedule, times)), times, atol=1e-9)


def test_time_of_is_one_beyond_the_reach():
    assert time_of(VE, torch.tensor([80.1, 1e9], dtype=torch.float64)).tolist() == [1.0, 1.0]


def test_karras_noise_levels_are_the_papers():
    """Equation 5 with n = 18, 0.002 ... 80, rho = 7 (EDM's CIFAR setting): sigma_9 = 1.9233 and sigma_17 = 0.002."""
    found = ratios(VE, Karras(VE, 18)()[:-1])
    wanted = [(80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(18)]
    assert found == pytest.approx(wanted, rel=1e-6)
    assert found[9] == pytest.approx(1.9233, abs=1e-4) and found[-1] == pytest.approx(0.002, rel=1e-6)


@pytest.mark.parametrize("schedule", [Cosine(), RectifiedLinear()], ids=str)
def test_karras_levels_are_sigma_over_alpha_on_other_schedules(schedule):
    found = ratios(schedule, Karras(schedule, 5, lowest=0.01, highest=50.0, rho=3.0)()[1:-1])
    wanted = [(50 ** (1 / 3) + i / 4 * (0.01 ** (1 / 3) - 50 ** (1 / 3))) ** 3 for i in range(1, 5)]
    assert found == pytest.approx(wanted, rel=1e-6)


def test_log_snr_steps_are_equal():
    inner = torch.tensor(ratios(Cosine(), LogSNR(Cosine(), 10, 0.01, 50.0)()[1:-1])).log().diff()
    assert torch.allclose(inner, torch.full_like(inner, float(torch.tensor(0.01 / 50).log() / 9)), atol=1e-4)


def test_the_highest_level_is_cut_to_the_schedules_reach():
    schedule = VarianceExploding(10.0, 3.0)
    levels = ratios(schedule, Karras(schedule, 5, lowest=0.01, highest=80.0)()[:-1])
    assert levels[0] == pytest.approx(10.0)
    assert levels[1] == pytest.approx((10 ** (1 / 7) + 0.25 * (0.01 ** (1 / 7) - 10 ** (1 / 7))) ** 7, rel=1e-6)


def test_churn_raises_the_ratio_before_each_step():
    """Every inner time is followed by one of 1.4 times its ratio; the start, which has no room above, is not."""
    plain, times = Karras(VE, 10)(), Churn(Karras(VE, 10), VE, gamma=0.4)()
    ups = [(a, b) for a, b in pairwise(times) if b > a]
    assert [a for a, _ in ups] == plain[1:-1]
    below, above = ratios(VE, [a for a, _ in ups]), ratios(VE, [b for _, b in ups])
    for low, high in zip(below, above, strict=True):
        assert high == pytest.approx(min(1.4 * low, 80.0), rel=1e-6)


def test_churn_keeps_to_its_bounds():
    times = Churn(Karras(VE, 10), VE, gamma=0.4, lowest=0.05, highest=50.0)()
    raised = [a for a, b in pairwise(times) if b > a]
    assert raised == [t for t in Karras(VE, 10)()[1:-1] if 0.05 <= ratios(VE, [t])[0] <= 50]
    assert Churn(Karras(VE, 10), VE, gamma=0.0)() == Karras(VE, 10)()


def test_jumps_go_back_up_and_end_clean():
    """RePaint with jumps of 2 steps, 3 times over: 1 .8 .6 | 1 .8 .6 | 1 .8 .6, ..., and the last stretch once."""
    times = Jumps(Uniform(5), length=2, repeats=3)()
    first, second = [1, 0.8, 0.6], [0.6, 0.4, 0.2]
    wanted = first * 3 + second[1:] + second * 2 + [0]
    assert times == pytest.approx(wanted)
    assert Jumps(Uniform(5), length=2, repeats=1)() == Uniform(5)()


@pytest.mark.parametrize("walk", [Karras, LogSNR])
def test_no_steps_are_refused(walk):
    with pytest.raises(ValueError, match="at least one step"):
        walk(Cosine(), 0)()


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"churn": -0.1}, {"eta": 1.5}, {"multistep": True, "churn": 0.4}])
def test_plans_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError):
        Plan(Uniform, **wrong)
