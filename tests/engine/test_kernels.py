"""Forward and reverse kernels given the true clean value: their laws are exact, whatever the two times."""

import pytest
import torch

from scidiff.engine.noise import Noise
from scidiff.engine.process import Categorical, Gaussian
from scidiff.engine.schedule import Cosine, LinearBeta, Polynomial, RectifiedLinear, VarianceExploding, Warped
from scidiff.engine.state import State
from scidiff.engine.subspace import ZeroMean

N = 400_000
SCHEDULES = [
    LinearBeta(),
    Cosine(),
    Polynomial(),
    VarianceExploding(5.0, 3.0),
    RectifiedLinear(),
    Warped(RectifiedLinear(), 1.5),
]
TIMES = [(0.2, 0.6), (0.55, 0.6), (0.0, 0.9)]


def times(value: float) -> torch.Tensor:
    return torch.full((1,), value)


def column(value: float) -> State:
    return State({"x": torch.full((1, N), value)})


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize(("s", "t"), TIMES)
def test_gaussian_forward_in_two_steps_is_forward_in_one(schedule, s, t):
    process, noise, state = Gaussian(schedule), Noise.of(0, torch.arange(1)), column(0.7)
    middle = state.replace(x=process.forward(state, "x", times(0.0), times(s), noise))
    x_t = process.forward(middle, "x", times(s), times(t), noise).double()
    alpha, sigma = (float(c) for c in schedule(times(t)))
    assert abs(x_t.mean() - 0.7 * alpha) < 5 * sigma / N**0.5
    assert abs(x_t.var() / sigma**2 - 1) < 5 * (2 / N) ** 0.5


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("s", "t"), TIMES)
def test_gaussian_reverse_given_the_truth_has_the_law_at_s(schedule, eta, s, t):
    """x_s ~ N(alpha_s x_0, sigma_s^2), with the regression on x_t that eta asks for."""
    process, noise, state = Gaussian(schedule, eta=eta), Noise.of(0, torch.arange(1)), column(0.7)
    noisy = state.replace(x=process.forward(state, "x", times(0.0), times(t), noise))
    x_s = process.reverse(noisy, "x", state["x"], times(t), times(s), noise).double()
    (alpha_s, sigma_s), (alpha_t, sigma_t) = ([float(c) for c in schedule(times(u))] for u in (s, t))
    assert abs(x_s.mean() - 0.7 * alpha_s) < 5 * sigma_s / N**0.5 + 1e-6
    if s == 0:
        return
    assert abs(x_s.var() / sigma_s**2 - 1) < 5 * (2 / N) ** 0.5
    fresh = eta**2 * (1 - (alpha_t / alpha_s * sigma_s / sigma_t) ** 2)  # share of the variance that is new
    correlation = float(torch.corrcoef(torch.stack([x_s[0], noisy["x"][0].double()]))[0, 1])
    assert abs(correlation - (1 - fresh) ** 0.5) < 5 / N**0.5


@pytest.mark.parametrize("subspace_rows", [2, 5])
def test_zero_mean_keeps_every_kernel_centred_with_the_variance_of_the_subspace(subspace_rows):
    process = Gaussian(Cosine(), ZeroMean(), eta=1.0)
    noise, count = Noise.of(0, torch.arange(20_000)), 20_000
    state = State({"x": torch.zeros(count, subspace_rows, 3)})
    t, s = torch.full((count,), 0.7), torch.full((count,), 0.4)
    noisy = state.replace(x=process.forward(state, "x", 0 * t, t, noise))
    after = process.reverse(noisy, "x", state["x"], t, s, noise)
    for values, time in ((process.prior(state, "x", noise), 1.0), (noisy["x"], 0.7), (after, 0.4)):
        assert values.mean(1).abs().max() < 1e-5
        expected = float(Cosine()(times(time))[1]) ** 2 * (1 - 1 / subspace_rows)
        assert abs(values.double().var() / expected - 1) < 5 * (2 / values.numel()) ** 0.5 * 1.5


NOISES = {
    "uniform": Categorical(RectifiedLinear(), 3, "uniform"),
    "marginal": Categorical(Cosine(), 3, "marginal", (0.6, 0.3, 0.1)),
    "absorbing": Categorical(Warped(RectifiedLinear(), 1.5), 3, "absorbing"),
}


def frequencies(values: torch.Tensor, symbols: int) -> torch.Tensor:
    return torch.bincount(values.flatten(), minlength=symbols).double() / values.numel()


def law_at(process: Categorical, clean: int, t: float) -> torch.Tensor:
    kept = float(process.schedule(times(t))[0])
    law = (1 - kept) * process.pi().double()
    law[clean] += kept
    return law


@pytest.mark.parametrize("process", NOISES.values(), ids=NOISES)
@pytest.mark.parametrize(("s", "t"), TIMES)
def test_categorical_forward_and_reverse_given_the_truth(process, s, t):
    noise, state = Noise.of(0, torch.arange(1)), State({"c": torch.ones(1, N, dtype=torch.int64)})
    middle = state.replace(c=process.forward(state, "c", times(0.0), times(s), noise))
    noisy = state.replace(c=process.forward(middle, "c", times(s), times(t), noise))
    truth = torch.tensor([-40.0, 40.0, -40.0]).expand(1, N, 3)
    x_s = process.reverse(noisy, "c", truth, times(t), times(s), noise)
    bound = 5 * 0.5 / N**0.5
    assert (frequencies(noisy["c"], process.symbols) - law_at(process, 1, t)).abs().max() < bound
    assert (frequencies(x_s, process.symbols) - law_at(process, 1, s)).abs().max() < bound


@pytest.mark.parametrize("process", NOISES.values(), ids=NOISES)
def test_categorical_reverse_is_bayes_rule(process):
    """The joint of (x_s, x_t) from the reverse kernel equals the one from the forward kernel."""
    s, t, weights = 0.3, 0.7, torch.tensor([0.5, 0.3, 0.2])
    noise, count = Noise.of(0, torch.arange(1)), N
    clean = State({"c": torch.multinomial(weights, count, True, generator=torch.Generator().manual_seed(0))[None]})
    x_s = clean.replace(c=process.forward(clean, "c", times(0.0), times(s), noise))
    x_t = x_s.replace(c=process.forward(x_s, "c", times(s), times(t), noise))
    kept = process.schedule(times(t))[0]
    same = torch.nn.functional.one_hot(x_t["c"], process.symbols)[..., :3]
    seen = kept * same + (1 - kept) * process.pi()[x_t["c"]].unsqueeze(-1)
    back = process.reverse(x_t, "c", torch.log(weights * seen), times(t), times(s), noise)
    pair = process.symbols * x_t["c"]
    difference = frequencies(pair + x_s["c"], process.symbols**2) - frequencies(pair + back, process.symbols**2)
    assert difference.abs().max() < 5 * 0.5 * (2 / N) ** 0.5


def test_unmasked_rows_never_change_on_the_way_down():
    process, noise = NOISES["absorbing"], Noise.of(0, torch.arange(1))
    state = State({"c": torch.tensor([[0, 1, 2, 3]])})
    wrong = torch.tensor([0.0, 50.0, 0.0]).expand(1, 4, 3)
    after = process.reverse(state, "c", wrong, times(0.5), times(0.2), noise)
    assert after[0, :3].tolist() == [0, 1, 2]
