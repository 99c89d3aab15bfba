"""One answer and many samples, against Gaussian laws whose posterior is known."""

from functools import partial
from math import sqrt

import pytest
import torch
from torch import Tensor

from scidiff.engine.estimate import Estimate, Moment
from scidiff.engine.operator import Observation
from scidiff.engine.plan import Plan
from scidiff.engine.process import Gaussian
from scidiff.engine.schedule import VarianceExploding
from scidiff.engine.state import State
from scidiff.engine.walk import Karras
from scidiff.volumes.operators.identity import Identity
from scidiff.volumes.operators.kspace import KSpace
from scidiff.volumes.operators.mask import Mask
from scidiff.volumes.operators.resample import Resample
from scidiff.volumes.problem import Problem
from scidiff.volumes.restore.estimate import Restorer, nearest, shifted
from tests.laws import Observed, after_steps, shrink

PROCESS = Gaussian(VarianceExploding(10.0, 3.0))
PLAN = Plan(partial(Karras, lowest=0.02, highest=10.0), steps=60, self_conditioning=False)
SIGMA, UNIT, TRUST = 0.06, 0.1, 0.7
SMALL, LARGE = (8, 8, 7), (16, 16, 16)


def operator(name: str, shape: tuple[int, int, int]):
    draw = torch.Generator().manual_seed(1)
    kept = torch.rand(shape, generator=draw) < 0.6
    if name == "kspace":  # as much at -k as at k, so that A'A is a projection of real volumes
        return KSpace(kept | kept.flip(0, 1).roll((1, 1), (0, 1)), (0, 1))
    if name == "coils":
        return KSpace(kept, (0, 1), torch.polar(torch.tensor(1.0), torch.rand((2, *shape), generator=draw)))
    return {"identity": Identity(), "mask": Mask(kept), "coarse": Resample(shape, (2.0, 2.0, 1.0))}[name]


NAMES = ("identity", "mask", "kspace", "coils", "coarse")


def problem_of(name: str, shape: tuple[int, int, int]) -> tuple[Problem, Observation]:
    """An estimate x^, and what was measured of x^ + UNIT r."""
    draw = torch.Generator().manual_seed(2)
    estimate, r = (torch.randn((1, 1, *shape), generator=draw) for _ in range(2))
    seen = operator(name, shape)
    y = seen(estimate + UNIT * TRUST * r)
    y = y + seen(0 * r + 1).abs().gt(0) * SIGMA * torch.randn(y.shape, dtype=y.dtype, generator=draw)
    observation = Observation(y, seen, SIGMA)
    mask = torch.ones_like(estimate)
    return Problem("denoise", estimate, observation.mismatch(estimate), mask, SIGMA, 1.0), observation


def normal(mean: Tensor | float, deviation: Tensor | float):
    """The exact denoiser of independent numbers N(mean, deviation^2)."""

    def exact(state: State, moment: Moment) -> Estimate:
        alpha, sigma = (state.spread(c, "image") for c in PROCESS.schedule(moment.t))
        return Estimate({"image": mean + shrink(alpha, sigma, deviation) * (state["image"] - alpha * mean)})

    return exact


def restorer(denoiser, plan: Plan = PLAN) -> Restorer:
    return Restorer(denoiser, {"image": PROCESS}, plan)


def close(found: Tensor, wanted: Tensor, tolerance: float) -> bool:
    return bool((found.flatten().double() - wanted.flatten().double()).abs().max() <= tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_of_a_network_that_knows_only_the_prior_is_the_posterior_mean(name):
    """x ~ N(x^, (k s)^2), and the network says x^: the measurements must do the rest, by 10 steps of CG."""
    problem, observation = problem_of(name, SMALL)
    mean, _ = Observed(PROCESS, shifted(observation, problem.estimate, UNIT), SMALL, 0.0, TRUST).posterior()
    found = restorer(normal(0.0, TRUST)).mean(problem, observation, UNIT, TRUST)
    assert close(found - problem.estimate, UNIT * mean, 1e-3 * UNIT)


@pytest.mark.parametrize("name", NAMES)
def test_without_trust_the_networks_word_is_taken(name):
    """A network that knows the exact posterior of r: its word at t = 1 is short of the mean by v / (v + 10^2)."""
    problem, observation = problem_of(name, SMALL)
    law = Observed(PROCESS, shifted(observation, problem.estimate, UNIT), SMALL, 0.0, TRUST)
    mean, covariance = law.posterior()
    mean = mean.float().reshape(1, 1, *SMALL)

    def exact(state: State, moment: Moment) -> Estimate:
        _, sigma = PROCESS.schedule(moment.t)
        gain = covariance @ torch.linalg.inv(covariance + float(sigma[0]) ** 2 * torch.eye(len(covariance)))
        away = (state["image"] - mean).flatten().double()
        return Estimate({"image": mean + (gain @ away).float().reshape(mean.shape)})

    found = (restorer(exact).mean(problem, observation, UNIT, 0.0) - problem.estimate) / UNIT
    assert close(found, mean, TRUST**2 / 100 * float(mean.abs().max()) + 1e-5)
    other = Observation(observation.y + 1, observation.operator, SIGMA)
    assert torch.equal(
        restorer(exact).mean(problem, other, UNIT, 0.0), restorer(exact).mean(problem, observation, UNIT, 0.0)
    )


def seen_and_unseen(name: str, x: Tensor) -> list[tuple[Tensor, int]]:
    """What an operator sees of x and what it does not, each with so many free numbers: A'A is a projection."""
    seen = operator(name, LARGE)
    count = {"identity": x.numel, "mask": lambda: seen.kept.sum(), "kspace": lambda: seen.mask.sum()}[name]()
    return [(seen.normal(x), int(count)), (x - seen.normal(x), x.numel() - int(count))]


@pytest.mark.parametrize("name", ["identity", "mask", "kspace"])
def test_samples_have_the_posteriors_mean_and_deviation(name):
    """Of 4096 numbers: 5 sigma / sqrt(n) and 5 sigma / sqrt(2 n) beside what 60 steps are known to leave."""
    problem, observation = problem_of(name, LARGE)
    x = restorer(normal(0.0, TRUST)).sample(problem, observation, UNIT, TRUST, 3, 0)
    shown = observation.variance / UNIT**2  # of a real number of r, as y shows it
    exact = [sqrt(1 / (1 / TRUST**2 + 1 / shown)), TRUST]
    walks = [after_steps(PROCESS, each, 0.0, PLAN.times(PROCESS.schedule)()) for each in exact]
    pull = exact[0] ** 2 / shown * observation.operator.adjoint(shifted(observation, problem.estimate, UNIT).y)
    away = (x - problem.estimate) / UNIT - (1 + walks[0][0]) * pull
    for (part, count), (_, walked), deviation in zip(seen_and_unseen(name, away), walks, exact, strict=True):
        if count:
            assert abs(float(part.sum())) < 5 * walked * x.numel() ** 0.5
            assert float(part.square().sum() / count) ** 0.5 == pytest.approx(walked, rel=5 / sqrt(2 * count))
            assert walked == pytest.approx(deviation, rel=0.05)


def test_samples_of_the_prior_and_guidance_alone_have_the_posteriors_deviation():
    """r ~ N(0, 1) of unit s, seen with noise: stochastic steps, whose finite walk is known too."""
    plan = Plan(partial(Karras, lowest=0.02, highest=10.0), steps=20, self_conditioning=False)
    _, observation = problem_of("identity", LARGE)
    observation = Observation(observation.y * 0, Identity(), SIGMA)
    like = torch.zeros((1, 1, *LARGE))
    x = restorer(normal(0.0, 1.0), plan).prior(observation, like, UNIT, 0, 0)
    exact = sqrt(1 / (1 + (UNIT / SIGMA) ** 2))
    _, walked = after_steps(PROCESS, exact, 1.0, plan.times(PROCESS.schedule)())
    assert float(x.std()) == pytest.approx(UNIT * walked, rel=5 / sqrt(2 * x.numel()) + 2e-3)
    assert walked == pytest.approx(exact, rel=0.2)


@pytest.mark.parametrize(("guidance", "share"), [("ddnm", 1e-3), ("diffpir", 0.2), ("dps", 0.9)])
def test_every_guidance_comes_nearer_to_what_was_seen(guidance, share):
    """Than a sample that knows nothing of y; ddnm believes every number."""
    observation = Observation(torch.full((1, 1, *SMALL), 2 * UNIT), operator("mask", SMALL), 0.01)
    observation = Observation(observation.operator(observation.y), observation.operator, 0.01)
    like = torch.zeros((1, 1, *SMALL))
    found = restorer(normal(0.0, 1.0)).prior(observation, like, UNIT, 0, 0, guidance)
    blind = Observation(observation.y, observation.operator, 1e6)
    free = restorer(normal(0.0, 1.0)).prior(blind, like, UNIT, 0, 0, "moment")
    assert float(observation.residual(found)) < share * float(observation.residual(free))


def test_an_unknown_guidance_is_refused():
    like = torch.zeros((1, 1, *SMALL))
    with pytest.raises(ValueError, match="moment, diffpir, ddnm, dps"):
        restorer(normal(0.0, 1.0)).prior(Observation(like, Identity(), 1.0), like, UNIT, 0, 0, "luck")


@pytest.mark.parametrize("name", NAMES)
def test_nearest_solves_its_equation(name):
    """(A'A / v + 1 / e^2) x' = A'y / v + x / e^2, v the variance of a real number: to 1e-3 by 10 steps of CG."""
    problem, observation = problem_of(name, SMALL)
    error = 0.08
    found = nearest(problem.estimate, observation, error)
    v = SIGMA**2 / (2 if observation.y.is_complex() else 1)
    left = observation.operator.normal(found) / v + found / error**2
    right = observation.operator.adjoint(observation.y) / v + problem.estimate / error**2
    assert close(left, right, 1e-3 * float(right.abs().max()))
    assert nearest(problem.estimate, observation, 0.0) is problem.estimate


def test_a_sample_is_its_number_and_its_seed_alone():
    problem, observation = problem_of("mask", SMALL)
    draw = partial(restorer(normal(0.0, TRUST)).sample, problem, observation, UNIT, TRUST)
    assert torch.equal(draw(5, 1), draw(5, 1))
    assert not torch.equal(draw(5, 1), draw(5, 2))
    assert not torch.equal(draw(5, 1), draw(6, 1))
