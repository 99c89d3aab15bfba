"""Every process, walk and guidance recovers the moments of a law whose exact denoiser is known.

On normal laws what a finite walk makes of the law is known exactly (`after_steps`), so the tolerance is that of the
sampling alone, 4 sigma / sqrt(n); that the cost of the steps falls with their number is a test of its own.
"""

from dataclasses import replace

import pytest
import torch
from laws import NUMBERS, Cloud, Joint, Normal, after_steps, noise

from scidiff.engine.estimate import Estimate, Moment
from scidiff.engine.guidance.classifier_free import ClassifierFree
from scidiff.engine.plan import Plan
from scidiff.engine.process import Categorical, Gaussian
from scidiff.engine.schedule import Cosine, LinearBeta, Polynomial, RectifiedLinear, VarianceExploding, Warped
from scidiff.engine.state import State
from scidiff.engine.subspace import ZeroMean
from scidiff.engine.walk import Jumps, Karras, LogSNR, Uniform

SCHEDULES = [LinearBeta(), Cosine(), Polynomial(), VarianceExploding(80.0, 5.0), RectifiedLinear()]


def karras(schedule, steps):
    return Karras(schedule, steps, lowest=0.005, highest=80.0, rho=5.0)


def log_snr(schedule, steps):
    return LogSNR(schedule, steps, lowest=0.005, highest=80.0)


def jumping(steps):
    return Jumps(Uniform(steps), length=steps // 5, repeats=2)


PLANS = {
    "ddim": Plan(Uniform, steps=60),
    "ddpm": Plan(Uniform, steps=60, eta=1.0),
    "half-eta": Plan(karras, steps=40, eta=0.5),
    "karras": Plan(karras, steps=40),
    "log-snr": Plan(log_snr, steps=40),
    "churned": Plan(karras, steps=40, churn=0.2),
    "multistep": Plan(log_snr, steps=40, multistep=True),
    "jumps": Plan(jumping, steps=60, eta=1.0),
}
"""Few steps: what they make of a normal law is known exactly, so more would cost time and test no more."""


def draw(law, plan: Plan, state: State | None = None, denoiser=None, lead: str = "x") -> State:
    sampler = plan.sampler(law.processes, lead)
    return sampler(denoiser or law.denoiser(), state or law.blank(), noise())


def close(values: torch.Tensor, mean: float, deviation: float, slack: float = 0.0) -> None:
    count = values.numel()
    assert abs(values.double().mean() - mean) < (4 / count**0.5 + slack) * deviation
    assert abs(values.double().std() / deviation - 1) < 4 / (2 * count) ** 0.5 + slack


def expected(law, plan: Plan, mean: float) -> tuple[float, float, float]:
    """Mean, deviation and slack after the plan's steps; multistep's are bounded, the others' known."""
    if plan.multistep:
        return mean, law.deviation, 0.012
    drift, deviation = after_steps(law.process, law.deviation, plan.eta, plan.times(law.process.schedule)())
    return mean * (1 + drift), deviation, 0.0


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("name", PLANS)
def test_normal_law(schedule, name):
    law = Normal(Gaussian(schedule))
    close(draw(law, PLANS[name])["x"], *expected(law, PLANS[name], law.mean))


@pytest.mark.parametrize("name", PLANS)
def test_the_cost_of_steps_vanishes(name):
    """The exact law after 12 times the steps (and a twelfth of the churn) is the law itself, to 2 %."""
    law, plan = Normal(Gaussian(Cosine())), PLANS[name]
    many = replace(plan, steps=12 * plan.steps, churn=plan.churn / 12, multistep=False)
    drift, deviation = after_steps(law.process, law.deviation, plan.eta, many.times(Cosine())())
    assert abs(drift) < 0.01 and abs(deviation / law.deviation - 1) < 0.02


@pytest.mark.parametrize("kind", ["uniform", "marginal", "absorbing"])
@pytest.mark.parametrize("name", PLANS)
def test_joint_law_of_a_number_and_a_class(kind, name):
    """Independent kernels a part recover dependent parts: class frequencies, and the number's moments in each class."""
    marginal = (0.2, 0.2, 0.6) if kind == "marginal" else ()
    law = Joint(Gaussian(VarianceExploding(80.0, 5.0)), Categorical(Warped(RectifiedLinear(), 1.5), 3, kind, marginal))
    state = draw(law, replace(PLANS[name], steps=120))
    x, c = state["x"][:, 0], state["c"][:, 0]
    for k, (weight, mean) in enumerate(zip(law.weights, law.means, strict=True)):
        found = x[c == k]
        assert abs(len(found) / NUMBERS - weight) < 5 * (weight * (1 - weight) / NUMBERS) ** 0.5
        assert abs(found.mean() - mean) < 5 * law.deviation / len(found) ** 0.5 + 0.03 * law.deviation
        assert abs(found.std() / law.deviation - 1) < 5 / (2 * len(found)) ** 0.5 + 0.05


@pytest.mark.parametrize("name", PLANS)
def test_centred_cloud(name):
    law = Cloud(Gaussian(VarianceExploding(80.0, 5.0), ZeroMean()))
    points = draw(law, PLANS[name])["x"]
    assert points.mean(1).abs().max() < 1e-5
    centred = law.template - law.template.mean(0)
    assert (points.mean(0) - centred).abs().max() < 5 * law.deviation / NUMBERS**0.5
    _, deviation, slack = expected(law, PLANS[name], 0.0)
    close(points - centred, 0.0, deviation * (1 - 1 / len(law.template)) ** 0.5, slack)


@pytest.mark.parametrize(
    ("schedule", "name"),
    [(s, name) for s in SCHEDULES for name in PLANS if name in ("ddpm", "churned", "multistep") or s == Cosine()],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_classifier_free_guidance_of_normal_laws(schedule, name):
    """p(x) (p(x|y) / p(x))^w of two normals of one deviation: N(m + w (m_y - m), s^2)."""
    law = Normal(Gaussian(schedule))
    labelled = State(law.blank().parts, context={"label": 1})
    plan = replace(PLANS[name], guidance=[ClassifierFree(2.5)])
    found = draw(law, plan, labelled, law.denoiser(shift=0.2))["x"]
    close(found, *expected(law, plan, law.mean + 2.5 * 0.2))


@pytest.mark.parametrize("name", PLANS)
def test_classifier_free_guidance_of_classes(name):
    """Rows under absorbing noise are independent of the rest, so guided logits give p(c) (p(c|y) / p(c))^w exactly."""
    process, scale = Categorical(RectifiedLinear(), 3), 1.5
    free, given = (torch.log(torch.tensor(weights)) for weights in ((0.5, 0.3, 0.2), (0.2, 0.3, 0.5)))

    def exact(state: State, moment: Moment) -> Estimate:
        logits = given if "label" in state.context else free
        return Estimate({"c": logits.expand(*state["c"].shape, 3)})

    plan = replace(PLANS[name], guidance=[ClassifierFree(scale)])
    state = State({"c": torch.zeros(NUMBERS, 8, dtype=torch.int64)}, context={"label": 1})
    found = plan.sampler({"c": process}, "c")(exact, state, noise())["c"]
    wanted = (free + scale * (given - free)).softmax(-1)
    frequencies = torch.bincount(found.flatten(), minlength=3) / found.numel()
    assert ((frequencies - wanted).abs() < 4 * (wanted * (1 - wanted) / found.numel()).sqrt()).all()


def test_multistep_is_of_second_order():
    """Halving the steps of DDIM doubles its error, of DPM-Solver++(2M) quadruples it; a normal law knows it."""

    def error(multistep: bool, steps: int) -> float:
        law = Normal(Gaussian(Cosine()))
        plan = Plan(lambda schedule, steps: LogSNR(schedule, steps, 1e-3, 1e3), steps=steps, multistep=multistep)
        start = noise().normal(law.blank()["x"])
        exact = law.mean + law.deviation * start  # the probability flow of a normal law keeps every quantile
        return float((draw(law, plan)["x"] - exact).double().square().mean().sqrt())

    first, second = (error(False, steps) for steps in (100, 200)), (error(True, steps) for steps in (100, 200))
    coarse, fine = first
    assert 1.8 < coarse / fine < 2.2
    coarse, fine = second
    assert coarse / fine > 3.2
