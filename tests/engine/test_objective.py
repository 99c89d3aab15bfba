"""The loss of the exact denoiser is its law's own uncertainty; times and self-conditioning are as often as said."""

import math

import pytest
import torch
from laws import NUMBERS, Normal, noise

from scidiff.engine.estimate import Estimate
from scidiff.engine.objective import LogNormalTimes, Objective, UniformTimes
from scidiff.engine.parameterization import Parameterization
from scidiff.engine.process import Categorical, Gaussian
from scidiff.engine.schedule import Cosine, LinearBeta, RectifiedLinear, VarianceExploding, noise_ratio
from scidiff.engine.state import State

SCHEDULES = [Cosine(), LinearBeta(), VarianceExploding(5.0, 3.0), RectifiedLinear()]


def always(t: float):
    return lambda uniform: torch.full_like(uniform, t)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("t", [0.1, 0.5, 0.95])
def test_the_exact_denoiser_leaves_the_posterior_variance(schedule, t):
    """E |D - x_0|^2 = d^2 sigma^2 / (alpha^2 d^2 + sigma^2), times the weight: a chi square of `width` terms."""
    law = Normal(Gaussian(schedule))
    objective = Objective(law.processes, always(t), {"x": 2.5})
    loss = objective(law.denoiser(), law.clean(noise(1)), noise())["x"].double()
    alpha, sigma = (float(c) for c in schedule(torch.tensor(t)))
    variance = law.deviation**2 * sigma**2 / ((alpha * law.deviation) ** 2 + sigma**2)
    assert loss.shape == (NUMBERS,)
    assert abs(loss.mean() / (2.5 * variance) - 1) < 4 * (2 / law.width / NUMBERS) ** 0.5
    assert abs(loss.var() / ((2.5 * variance) ** 2 * 2 / law.width) - 1) < 0.3  # and it is a chi square


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_karras_weight_makes_every_noise_level_count_alike(schedule):
    """With the data's own deviation the weighted loss of the exact denoiser is 1, whatever t."""
    law = Normal(Gaussian(schedule))
    rows = {"x": Parameterization("karras", law.deviation)}
    objective = Objective(law.processes, UniformTimes(0.05), parameterizations=rows)
    loss = objective(law.denoiser(), law.clean(noise(1)), noise())["x"].double()
    assert abs(loss.mean() - 1) < 4 * (2 / law.width / NUMBERS) ** 0.5


def test_masked_classes_cost_their_entropy():
    """Absorbing noise tells a row or nothing: the exact denoiser's cross entropy is (1 - k_t) H(weights)."""
    weights, process, t = torch.tensor([0.5, 0.3, 0.2]), Categorical(RectifiedLinear(), 3), 0.4
    draw = torch.Generator().manual_seed(0)
    clean = State({"c": torch.multinomial(weights, NUMBERS * 8, True, generator=draw).reshape(NUMBERS, 8)})

    def exact(state, moment):
        seen = torch.nn.functional.one_hot(state["c"], 4)[..., :3].float()
        masked = (state["c"] == 3).unsqueeze(-1)
        return Estimate({"c": torch.where(masked, weights, seen).clamp(min=1e-30).log()})

    loss = Objective({"c": process}, always(t))(exact, clean, noise())["c"].double()
    entropy = float(-(weights * weights.log()).sum())
    assert abs(loss.mean() - t * entropy) < 4 * loss.std() / NUMBERS**0.5


@pytest.mark.parametrize("schedule", [VarianceExploding(80.0, 7.0), VarianceExploding(10.0, 3.0), Cosine()], ids=str)
def test_log_normal_times(schedule):
    """The quantiles of ln(sigma / alpha) are those of N(mean, deviation^2)."""
    quantiles = {0.5: 0.0, 0.841345: 1.0, 0.158655: -1.0, 0.977250: 2.0}
    times = LogNormalTimes(schedule, mean=-0.8, deviation=0.9)(torch.tensor(list(quantiles)))
    ratios = noise_ratio(schedule, times.double()).log()
    for found, normal in zip(ratios.tolist(), quantiles.values(), strict=True):
        assert found == pytest.approx(-0.8 + 0.9 * normal, abs=2e-3)


def test_times_stay_within_their_bounds():
    uniform = torch.tensor([1e-7, 0.5, 1 - 1e-7])
    assert UniformTimes(0.01)(uniform).tolist() == pytest.approx([0.01, 0.505, 1.0], abs=1e-6)
    far = LogNormalTimes(VarianceExploding(1.0, 3.0), mean=0.0, deviation=5.0)(uniform)
    assert far.min() >= 1e-4 and far.max() <= 1


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_self_conditioning_asks_as_often_as_said(share):
    """A first guess, without gradient, before a share of the batches; it is what the second question carries."""
    law, asked, batches = Normal(Gaussian(Cosine())), [], 400
    weight = torch.ones((), requires_grad=True)

    def denoiser(state, moment):
        asked.append(moment.last)
        assert moment.last is None or not moment.last["x"].requires_grad
        return Estimate({"x": weight * state["x"]})

    objective = Objective(law.processes, self_conditioning=share)
    clean = State({"x": torch.zeros(2, 3)})
    for step in range(batches):
        assert objective(denoiser, clean, noise(step, count=2))["x"].requires_grad
    second = sum(last is not None for last in asked)
    assert len(asked) == batches + second
    assert abs(second / batches - share) <= 4 * math.sqrt(share * (1 - share) / batches)


def test_samples_have_weights_of_their_own():
    law = Normal(Gaussian(Cosine()))
    clean, weight = law.clean(noise(1)), torch.rand(NUMBERS, generator=torch.Generator().manual_seed(0))
    plain = Objective(law.processes)(law.denoiser(), clean, noise())["x"]
    weighed = Objective(law.processes)(law.denoiser(), State(clean.parts, context={"weight": weight}), noise())["x"]
    assert torch.allclose(weighed, weight * plain)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_blind_asks_at_the_end_with_nothing_to_see(schedule):
    """At t = 1 with x = 0, always; the loss is that of the denoiser's own constant, times the weight at t = 1."""
    law, asked = Normal(Gaussian(schedule)), []

    def denoiser(state, moment):
        asked.append((state["x"], moment.t))
        return Estimate({"x": torch.full_like(state["x"], 0.25)})

    rows = {"x": Parameterization("karras", law.deviation)}
    clean = law.clean(noise(1))
    loss = Objective(law.processes, parameterizations=rows, blind=1.0)(denoiser, clean, noise())["x"]
    (x, t), *more = asked
    _, c_out, _ = rows["x"](*schedule(torch.ones(NUMBERS)))
    assert not more and not x.any() and bool((t == 1).all())
    assert torch.allclose(loss, ((0.25 - clean["x"]) ** 2).mean(1) / c_out**2)


def test_blind_teaches_the_mean_given_the_context():
    """E |c - x_0|^2 is least at c = E[x_0 | context], within 4 deviations of a mean of NUMBERS x width / 2 numbers."""
    law = Normal(Gaussian(VarianceExploding(5.0, 3.0)))
    label = torch.arange(NUMBERS) % 2
    clean = law.clean(noise(1))
    clean = State({"x": clean["x"] + label[:, None]}, context={"label": label})
    constants = torch.zeros(2, requires_grad=True)

    def denoiser(state, moment):
        return Estimate({"x": constants[state.context["label"]][:, None].expand_as(state["x"])})

    objective = Objective(law.processes, blind=1.0)
    for _ in range(2):  # a parabola: Newton's step arrives at once
        (slope,) = torch.autograd.grad(objective(denoiser, clean, noise())["x"].sum(), constants)
        constants = (constants - slope / NUMBERS).detach().requires_grad_()
    error = 4 * law.deviation / (NUMBERS * law.width / 2) ** 0.5
    assert torch.allclose(constants, torch.tensor([law.mean, law.mean + 1]), atol=error)


def test_a_share_is_blind_and_the_rest_is_as_without():
    """The same times and noise for those that see, so that blind only replaces samples; as many as said."""
    law, asked = Normal(Gaussian(VarianceExploding(5.0, 3.0))), []

    def denoiser(state, moment):
        asked.append((state["x"], moment.t))
        return Estimate({"x": state["x"]})

    for share in (0.0, 0.3):
        Objective(law.processes, blind=share)(denoiser, law.clean(noise(1)), noise())
    (x, t), (y, u) = asked
    shut = u == 1
    assert torch.equal(x[~shut], y[~shut]) and torch.equal(t[~shut], u[~shut]) and not y[shut].any()
    assert abs(float(shut.float().mean()) - 0.3) < 4 * (0.21 / NUMBERS) ** 0.5


def test_blindness_is_for_parts_that_have_a_mean():
    with pytest.raises(ValueError, match="only Gaussian parts have a mean"):
        Objective({"x": Gaussian(Cosine()), "c": Categorical(Cosine(), 3)}, blind=0.1)
    with pytest.raises(ValueError, match="a share"):
        Objective({"x": Gaussian(Cosine())}, blind=1.5)
