"""Steps that keep the data's deviation: exact on a centred normal law whatever their number, DDIM where it is zero."""

from itertools import pairwise

import pytest
import torch
from laws import NUMBERS, Normal, after_steps, noise

from scidiff.engine.estimate import Estimate
from scidiff.engine.plan import Plan
from scidiff.engine.process import Gaussian
from scidiff.engine.schedule import Cosine, LinearBeta, RectifiedLinear, VarianceExploding
from scidiff.engine.walk import LogSNR

SCHEDULES = [LinearBeta(), Cosine(), VarianceExploding(80.0, 5.0), RectifiedLinear()]
LOWEST = 1e-3


def plan(steps: int, **choices) -> Plan:
    return Plan(lambda schedule, steps: LogSNR(schedule, steps, LOWEST, 80.0), steps=steps, **choices)


def draw(law: Normal, how: Plan) -> torch.Tensor:
    return how.sampler(law.processes, "x")(law.denoiser(), law.blank(), noise())["x"].double()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_a_centred_normal_law_keeps_every_quantile_in_five_steps(schedule):
    """Up to the little signal that is in the prior, and to the last step: each at most 1e-3."""
    law = Normal(Gaussian(schedule), mean=0.0, deviation=0.8)
    start = noise().normal(law.blank()["x"]).double()
    found = draw(law, plan(5, deviation=0.8))
    assert (found / 0.8 - start).abs().max() < 2e-3 * start.abs().max()


def test_churn_no_longer_shrinks():
    """Twelve steps, each first to 1.8 times the noise: DDIM loses a fifth of the deviation, this none."""
    law = Normal(Gaussian(VarianceExploding(80.0, 5.0)), mean=0.0, deviation=1.0)
    _, plain = after_steps(law.process, 1.0, 0.0, plan(12, churn=0.8).times(law.process.schedule)())
    assert plain < 0.8
    kept = draw(law, plan(12, churn=0.8, deviation=1.0)).std()
    assert abs(kept - 1) < 4 / (2 * NUMBERS * law.width) ** 0.5


def test_without_deviation_it_is_ddim():
    """The means of another law tell all: both go to the same place as d -> 0, and neither is at it."""
    law = Normal(Gaussian(VarianceExploding(80.0, 5.0)))
    ddim, near, far = (draw(law, plan(6, deviation=d)) for d in (0.0, 1e-6, 0.3))
    assert (ddim - near).abs().max() < 1e-3
    assert (ddim - far).abs().max() > 0.1


def test_the_next_step_sees_the_estimate_as_it_was():
    law, seen, given = Normal(Gaussian(Cosine())), [], []
    exact = law.denoiser()

    def watched(state, moment) -> Estimate:
        seen.append(moment.last and moment.last.before_rule["x"])
        given.append(exact(state, moment))
        return given[-1]

    plan(4, deviation=0.5).sampler(law.processes, "x")(watched, law.blank(), noise())
    assert seen[0] is None
    assert all(torch.equal(last, made["x"]) for last, (made, _) in zip(seen[1:], pairwise(given), strict=True))


@pytest.mark.parametrize("choices", [{"deviation": -1.0}, {"deviation": 1.0, "eta": 0.5}])
def test_what_cannot_be_is_refused(choices):
    with pytest.raises(ValueError, match="deviation"):
        Plan(**choices)
