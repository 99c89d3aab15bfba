"""Measurement posteriors against the exact one of a Gaussian law, and against each paper's own step.

The same with every operator of scans, and enough steps for the posterior itself, is in tests/volumes/operators.
"""

from dataclasses import dataclass, replace

import pytest
import torch
from laws import Observed, errors, noise, real_rows, responses

from scidiff.engine.estimate import Estimate, Moment
from scidiff.engine.guidance.gradient import Gradient
from scidiff.engine.guidance.posterior import MomentMatching, Proximal
from scidiff.engine.operator import Composed, Observation, Operator, solve
from scidiff.engine.plan import Plan
from scidiff.engine.process import Gaussian
from scidiff.engine.schedule import Cosine, RectifiedLinear, VarianceExploding
from scidiff.engine.state import State
from scidiff.engine.walk import LogSNR

SHAPE = (3, 2, 2)
VOXELS = 12


@dataclass(frozen=True)
class Dense(Operator):
    """A matrix, real or complex."""

    matrix: torch.Tensor

    def __call__(self, x):
        return x.flatten(1).to(self.matrix.dtype) @ self.matrix.T

    def adjoint(self, y):
        return (y @ self.matrix.conj()).real.reshape(-1, 1, *SHAPE)


@dataclass(frozen=True)
class Shaped(Operator):
    """A square matrix whose measurements are laid out as a volume, so that another may follow."""

    inner: Dense

    def __call__(self, x):
        return self.inner(x).reshape(-1, 1, *SHAPE)

    def adjoint(self, y):
        return self.inner.adjoint(y.flatten(1))


def dense(rows: int = 7, is_complex: bool = False, seed: int = 0) -> Dense:
    generator = torch.Generator().manual_seed(seed)
    kind = torch.complex64 if is_complex else torch.float32
    return Dense(torch.randn(rows, VOXELS, generator=generator, dtype=kind) / 2)


def observed(operator: Operator, sigma: float = 0.2, schedule=None, shape=SHAPE) -> Observed:
    """A law and one observation of it."""
    truth = 0.4 + 0.3 * torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(1))
    y = operator(truth)
    error = torch.randn(y.shape, generator=torch.Generator().manual_seed(2), dtype=y.dtype)
    return Observed(Gaussian(schedule or Cosine()), Observation(y + sigma * error, operator, sigma), shape)


PLANS = {
    "ddpm": Plan(lambda schedule, steps: LogSNR(schedule, steps, 0.02, 20.0), steps=15, eta=1.0),
    "churned": Plan(lambda schedule, steps: LogSNR(schedule, steps, 0.02, 20.0), steps=15, churn=0.2),
}


def guided(plan: Plan, law: Observed, **changes) -> Plan:
    """With the posterior whose deviation is the law's own."""
    settings = {"deviation": law.deviation, "steps": 40, "tolerance": 1e-6, **changes}
    return replace(plan, guidance=[MomentMatching(law.observation, law.process.schedule, **settings)])


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("schedule", [Cosine(), RectifiedLinear(), VarianceExploding(20.0, 3.0)], ids=str)
@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
def test_the_posterior_of_a_gaussian_law(name, schedule, is_complex):
    """Few steps, and exactly what they make of the posterior: to 1e-3, for the curves' own float32."""
    law, plan = observed(dense(is_complex=is_complex), schedule=schedule), PLANS[name]
    found = responses(law, guided(plan, law))
    assert max(errors(found, law.posterior(plan.eta, plan.times(schedule)()))) < 1e-3


@pytest.mark.parametrize("change", [{"deviation": 0.33}, {"deviation": 0.27}, {"sigma": 0.22}, {"y": 1.1}], ids=str)
def test_a_coefficient_wrong_by_a_tenth_is_seen(change):
    """Twenty times the tolerance of the test above."""
    law, plan = observed(dense()), PLANS["ddpm"]
    change = dict(change)
    seen = replace(law.observation, y=change.pop("y", 1.0) * law.observation.y, sigma=change.pop("sigma", 0.2))
    found = responses(law, guided(plan, replace(law, observation=seen), **change))
    assert max(errors(found, law.posterior(plan.eta, plan.times(law.process.schedule)()))) > 0.02


def test_samples_with_the_real_noise():
    """4096 samples: mean and variance within 4 sigma / sqrt(n) of what the steps make of the posterior."""
    law, plan = observed(dense()), PLANS["ddpm"]
    sampler = guided(plan, law).sampler(law.processes, "image")
    found = sampler(law.denoiser(), law.blank(), noise())["image"].flatten(1).double()
    mean, covariance = law.posterior(plan.eta, plan.times(law.process.schedule)())
    deviation = covariance.diagonal().sqrt()
    assert ((found.mean(0) - mean) / deviation).abs().max() < 4 / len(found) ** 0.5
    assert (found.var(0) / deviation**2 - 1).abs().max() < 4 * (2 / len(found)) ** 0.5


def test_the_spread_of_the_estimate_may_be_measured():
    """A function of sigma_t / alpha_t that says what the deviation would have said."""
    law = observed(dense())
    given = MomentMatching(law.observation, Cosine(), 0.3)
    told = MomentMatching(law.observation, Cosine(), lambda ratio: 0.3 * ratio / (0.09 + ratio**2).sqrt())
    t = torch.linspace(0.01, 0.99, 50)
    assert torch.allclose(given.spread(t), told.spread(t), rtol=1e-4)


def one_step(guide, law: Observed, t: float = 0.6, s: float | None = 0.5) -> tuple[State, Moment, torch.Tensor]:
    state = State({"image": torch.randn(3, 1, *SHAPE, generator=torch.Generator().manual_seed(3))})
    moment = Moment(torch.full((3,), t), None if s is None else torch.full((3,), s))
    return state, moment, guide(law.denoiser())(state, moment)["image"]


def test_proximal_is_the_argmin_of_its_paper():
    """The gradient of |y - A x|^2 / sigma^2 + scale (alpha / sigma_t)^2 |x - x^|^2 vanishes, by autograd."""
    law = observed(dense())
    state, moment, found = one_step(Proximal(law.observation, Cosine(), 5.0, steps=50, tolerance=1e-7), law)
    plain = law.denoiser()(state, moment)["image"]
    alpha, sigma = Cosine()(moment.t[0])

    def cost(x):
        misfit = (law.observation.y - law.observation.operator(x)).square().sum()
        return misfit / 0.2**2 + 5.0 * (alpha / sigma) ** 2 * (x - plain).square().sum()

    slope, before = (torch.autograd.functional.jacobian(cost, x) for x in (found, plain))
    assert slope.abs().max() < 1e-4 * before.abs().max()


def test_ddnm_believes_every_measurement_and_keeps_the_null_space():
    law = observed(dense())
    state, moment, found = one_step(Proximal(law.observation, Cosine(), 0.0, steps=50, tolerance=1e-7), law)
    move = (found - law.denoiser()(state, moment)["image"]).flatten(1)
    matrix = law.observation.operator.matrix
    assert torch.allclose(law.observation.operator(found), law.observation.y.expand(3, -1), atol=1e-4)
    assert torch.allclose(move, move @ torch.linalg.pinv(matrix) @ matrix, atol=1e-4)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize(("t", "s"), [(0.6, 0.5), (0.3, 0.0)])
def test_gradient_makes_the_published_step(eta, is_complex, t, s):
    """x_s moves by -(zeta / |y - A x^|) grad_{x_t} |y - A x^(x_t)|^2, autograd through the operator as well."""
    law, zeta = observed(dense(is_complex=is_complex)), 0.7
    process = replace(law.process, eta=eta)
    state, moment, found = one_step(Gradient(law.observation, Cosine(), zeta, eta), law, t, s)
    plain = law.denoiser()(state, moment)["image"]
    moved, still = (process.reverse(state, "image", x, moment.t, moment.s, noise(count=3)) for x in (found, plain))

    def square(x_t):
        x = law.denoiser()(State({"image": x_t}), moment)["image"]
        return real_rows(law.observation.y - law.observation.operator(x)).square().sum(1)

    slope = torch.autograd.functional.jacobian(lambda x: square(x).sum(), state["image"])
    length = square(state["image"]).sqrt().reshape(-1, 1, 1, 1, 1)
    assert torch.allclose(moved - still, (-zeta * slope / length).float(), rtol=1e-3, atol=1e-5)


def test_gradient_works_where_autograd_is_off():
    law = observed(dense())
    network = torch.nn.Linear(2, 2)

    def learned(state: State, moment: Moment) -> Estimate:
        return Estimate({"image": moment.t.reshape(-1, 1, 1, 1, 1) * network(state["image"]) * state.context["scale"]})

    def run():
        state = State({"image": torch.ones(3, 1, *SHAPE)}, context={"scale": 2 * torch.ones(1)})
        moment = Moment(torch.full((3,), 0.6), torch.full((3,), 0.5))
        return Gradient(law.observation, Cosine())(learned)(state, moment)["image"]

    plain = run()
    assert not plain.requires_grad
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert torch.equal(run(), plain)


@pytest.mark.parametrize("guide", [MomentMatching, Proximal, Gradient])
def test_only_the_observed_part_moves_and_samples_do_not_mix(guide):
    law, settings = observed(dense()), {} if guide is Gradient else {"steps": 30, "tolerance": 1e-6}
    wrapped = guide(law.observation, Cosine(), **settings)(
        lambda state, moment: Estimate({**law.denoiser()(state, moment).parts, "other": state["other"]})
    )
    x = torch.randn(4, 1, *SHAPE, generator=torch.Generator().manual_seed(4))
    moment = Moment(torch.linspace(0.2, 0.8, 4), torch.linspace(0.1, 0.7, 4))
    all_four = wrapped(State({"image": x, "other": torch.ones(4, 2)}), moment)
    alone = wrapped(State({"image": x[2:3], "other": torch.ones(1, 2)}), Moment(moment.t[2:3], moment.s[2:3]))
    assert torch.equal(all_four["other"], torch.ones(4, 2))
    assert torch.allclose(all_four["image"][2:3], alone["image"], atol=1e-5)


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
def test_conjugate_gradients_against_a_dense_solve(is_complex):
    operator, rhs = dense(is_complex=is_complex), torch.randn(3, 1, *SHAPE)
    weight = torch.tensor([0.05, 0.5, 5.0])
    rows = real_rows(operator(torch.eye(VOXELS).reshape(VOXELS, 1, *SHAPE))).T
    for start in (None, torch.randn(3, 1, *SHAPE)):
        found = solve(operator, rhs, weight, 40, start, 1e-7).flatten(1).double()
        for x, b, w in zip(found, rhs.flatten(1).double(), weight.double(), strict=True):
            exact = torch.linalg.solve(rows.T @ rows + w * torch.eye(VOXELS), b)
            assert torch.allclose(x, exact, rtol=1e-4, atol=1e-5)


def test_conjugate_gradients_stop_when_it_is_enough():
    """Each sample by its own residual: a right first guess is not touched, and costs the others nothing."""
    operator, calls = dense(), []

    class Counting(Dense):
        def normal(self, x):
            calls.append(1)
            return super().normal(x)

    exact = torch.randn(2, 1, *SHAPE)
    rhs = operator.normal(exact) + exact
    start = torch.stack([exact[0], torch.zeros_like(exact[1])])
    found = solve(Counting(operator.matrix), rhs, 1.0, 100, start)
    assert torch.equal(found[0], exact[0])
    assert torch.allclose(found[1], exact[1], atol=1e-4)
    assert len(calls) < 20
    assert torch.equal(solve(operator, torch.zeros(2, 1, *SHAPE), 1.0), torch.zeros(2, 1, *SHAPE))


def test_composition():
    inner, outer = Dense(torch.randn(VOXELS, VOXELS)), dense(5)
    both, product = Composed(outer, Shaped(inner)), Dense(outer.matrix @ inner.matrix)
    x, y = torch.randn(2, 1, *SHAPE), torch.randn(2, 5)
    assert torch.allclose(both(x), product(x), atol=1e-4)
    assert torch.allclose(both.adjoint(y), product.adjoint(y), atol=1e-4)


def test_the_residual_of_the_truth_is_about_one():
    """|y - A x| / (sigma sqrt m) is a chi with m (complex: 2 m) degrees: its deviation is at most 1 / sqrt(2 m)."""
    for is_complex in (False, True):
        operator, truth = dense(2000, is_complex), torch.rand(1, 1, *SHAPE)
        y = operator(truth)
        observation = Observation(y + 0.3 * torch.randn(y.shape, dtype=y.dtype), operator, 0.3)
        assert abs(float(observation.residual(truth)) - 1) < 4 / 4000**0.5


def test_refusals():
    law = observed(dense())
    with pytest.raises(ValueError, match="noise of an observation"):
        replace(law.observation, sigma=0.0)
    with pytest.raises(ValueError, match="deviation"):
        MomentMatching(law.observation, Cosine(), 0.0)
    with pytest.raises(ValueError, match="scale"):
        Proximal(law.observation, Cosine(), -1.0)
    with pytest.raises(ValueError, match="weight"):
        solve(dense(), torch.zeros(1, 1, *SHAPE), -1.0)
