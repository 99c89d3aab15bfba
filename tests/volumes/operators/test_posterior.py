"""The posterior of a Gaussian law seen through every operator: mean and whole covariance within 5 % of the exact."""

import pytest
import torch
from laws import Observed, errors, responses
from volumes.operators.settings import SMALL, TINY

from scidiff.engine.guidance.posterior import MomentMatching
from scidiff.engine.noise import Noise
from scidiff.engine.operator import Observation
from scidiff.engine.plan import Plan
from scidiff.engine.process import Gaussian
from scidiff.engine.schedule import Cosine
from scidiff.engine.walk import LogSNR
from scidiff.volumes.operators.noise import gaussian

SIGMA = 0.2


def observed(name: str) -> Observed:
    truth = 0.4 + 0.3 * torch.randn(1, 1, *TINY, generator=torch.Generator().manual_seed(1))
    y = gaussian(SMALL[name](truth), SIGMA, Noise.of(0, torch.arange(1)))
    return Observed(Gaussian(Cosine()), Observation(y, SMALL[name], SIGMA), TINY)


def plan(law: Observed, kind: str, steps: int, **changes) -> Plan:
    walks = {"ddpm": {"steps": steps, "eta": 1.0}, "churned": {"steps": steps, "churn": 2.0 / steps}}
    settings = {"deviation": law.deviation, "steps": 30, "tolerance": 1e-5, **changes}
    guide = MomentMatching(law.observation, Cosine(), **settings)
    return Plan(lambda schedule, steps: LogSNR(schedule, steps, 0.01, 5.0), guidance=[guide], **walks[kind])


@pytest.mark.parametrize("kind", ["ddpm", "churned"])
@pytest.mark.parametrize("name", SMALL)
def test_posterior(name, kind):
    """Twelve steps give exactly what so few make of the posterior; that many more come within 5 % of it is algebra."""
    law, few = observed(name), 12
    short = plan(law, kind, few)
    assert max(errors(responses(law, short), law.posterior(short.eta, short.times(Cosine())()))) < 2e-3
    many = plan(law, kind, 200)
    assert max(errors(law.posterior(many.eta, many.times(Cosine())()), law.posterior())) < 0.05


@pytest.mark.parametrize("name", ["mask", "resample"])
def test_posterior_with_many_steps(name):
    """The same without the algebra: what 200 steps sample, against the exact posterior."""
    law = observed(name)
    assert max(errors(responses(law, plan(law, "ddpm", 200)), law.posterior())) < 0.05


@pytest.mark.parametrize("name", SMALL)
def test_a_deviation_wrong_by_a_tenth_is_seen(name):
    law = observed(name)
    wrong = plan(law, "ddpm", 12, deviation=0.33)
    assert max(errors(responses(law, wrong), law.posterior(wrong.eta, wrong.times(Cosine())()))) > 0.02
