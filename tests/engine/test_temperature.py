"""Temperature: independent classes drawn with the exact denoiser follow p^(1 / T)."""

import pytest
import torch

from scidiff.engine.estimate import Estimate, Moment
from scidiff.engine.guidance.temperature import Temperature
from scidiff.engine.noise import Noise
from scidiff.engine.plan import Plan
from scidiff.engine.process import Categorical, Gaussian
from scidiff.engine.schedule import Cosine, RectifiedLinear
from scidiff.engine.state import State
from scidiff.engine.walk import Uniform

WEIGHTS = torch.tensor([0.6, 0.3, 0.1])
N = 4096 * 16


def exact(state: State, moment: Moment) -> Estimate:
    """Masked rows know nothing of one another: the estimate is the law itself."""
    return Estimate({"c": torch.log(WEIGHTS).expand(*state["c"].shape, 3)})


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_masked_classes_follow_the_sharpened_law(temperature):
    processes = {"c": Categorical(RectifiedLinear(), 3)}
    sampler = Plan(Uniform, steps=20, temperature=temperature).sampler(processes, "c")
    state = sampler(exact, State({"c": torch.zeros(4096, 16, dtype=torch.int64)}), Noise.of(0, torch.arange(4096)))
    found = torch.bincount(state["c"].flatten(), minlength=3) / N
    law = WEIGHTS ** (1 / temperature)
    assert (found - law / law.sum()).abs().max() < 5 * 0.5 / N**0.5


def test_the_next_step_sees_the_estimate_as_it_was():
    state = State({"c": torch.zeros(1, 1, dtype=torch.int64)})
    cooled = Temperature({"c": 0.5})(exact)(state, Moment(torch.ones(1)))
    plain = exact(state, Moment(torch.ones(1)))
    assert torch.equal(cooled["c"], 2 * plain["c"])
    assert torch.equal(cooled.before_rule["c"], plain["c"])


def test_it_reaches_classes_under_the_multistep_rule_too():
    processes = {"x": Gaussian(Cosine()), "c": Categorical(RectifiedLinear(), 3)}
    seen = []

    def denoiser(state: State, moment: Moment) -> Estimate:
        return Estimate({"x": torch.zeros_like(state["x"]), **exact(state, moment).parts})

    state = State({"x": torch.zeros(2, 1), "c": torch.zeros(2, 1, dtype=torch.int64)})
    plan = Plan(Uniform, steps=4, temperature=0.5, multistep=True)
    plan.sampler(processes, "x")(denoiser, state, Noise.of(0, torch.arange(2)), lambda _, e: seen.append(e["c"]))
    assert len(seen) == 4
    assert all(torch.allclose(logits[0, 0], 2 * torch.log(WEIGHTS)) for logits in seen)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_is_above_zero(temperature):
    with pytest.raises(ValueError, match="above 0"):
        Plan(temperature=temperature)
    with pytest.raises(ValueError, match="above 0"):
        Temperature({"c": temperature})
