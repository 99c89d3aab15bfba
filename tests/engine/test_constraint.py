"""What is held ends as it was given, and does not disturb what is independent of it; wrappers of the denoiser."""

import pytest
import torch
from laws import NUMBERS, Normal, after_steps, noise

from scidiff.engine.constraint import Hold
from scidiff.engine.estimate import Estimate, Moment
from scidiff.engine.guidance.classifier_free import ClassifierFree
from scidiff.engine.guidance.self_conditioning import SelfConditioning
from scidiff.engine.plan import Plan
from scidiff.engine.process import Categorical, Gaussian
from scidiff.engine.schedule import Cosine, LinearBeta, RectifiedLinear, VarianceExploding
from scidiff.engine.state import State
from scidiff.engine.walk import Jumps, Karras, Uniform

PLANS = {
    "ddpm": Plan(Uniform, steps=50, eta=1.0),
    "churned": Plan(lambda schedule, steps: Karras(schedule, steps, 0.005, 80.0, 5.0), steps=40, churn=0.2),
    "jumps": Plan(lambda steps: Jumps(Uniform(steps), 10, 2), steps=50, eta=1.0),
}


@pytest.mark.parametrize("schedule", [Cosine(), LinearBeta(), VarianceExploding(80.0, 5.0), RectifiedLinear()], ids=str)
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_hold_on_independent_numbers(schedule, plan):
    """Half the numbers are held and end exactly clean; the free ones have the law that the steps make of theirs."""
    law = Normal(Gaussian(schedule))
    mask = torch.arange(law.width) < law.width // 2
    known = law.clean(noise(5))["x"]
    hold = Hold(law.processes, {"x": known}, {"x": mask})
    held = plan.sampler(law.processes, "x", [hold])(law.denoiser(), law.blank(), noise())["x"]
    assert torch.equal(held[:, mask], known[:, mask])
    free = held[:, ~mask].double()
    drift, deviation = after_steps(law.process, law.deviation, plan.eta, plan.times(schedule)())
    assert abs(free.mean() - law.mean * (1 + drift)) < 4 * deviation / free.numel() ** 0.5
    assert abs(free.std() / deviation - 1) < 4 / (2 * free.numel()) ** 0.5


def test_what_is_held_has_the_law_of_its_time():
    """While sampling, known rows are alpha_s x_0 + sigma_s e: the denoiser must see nothing else."""
    law, seen = Normal(Gaussian(Cosine())), []
    hold = Hold(law.processes, {"x": torch.full((NUMBERS, law.width), 2.0)}, {"x": torch.arange(law.width) < 4})

    def watching(state, moment):
        alpha, sigma = (float(c[0]) for c in Cosine()(moment.t))
        seen.append(((state["x"][:, :4].double() - 2 * alpha) / sigma).flatten())
        return law.denoiser()(state, moment)

    Plan(Uniform, steps=5).sampler(law.processes, "x", [hold])(watching, law.blank(), noise())
    for e in seen:
        assert abs(e.mean()) < 5 / len(e) ** 0.5 and abs(e.var() - 1) < 5 * (2 / len(e)) ** 0.5


def test_hold_on_classes_and_numbers_together():
    processes = {"x": Gaussian(Cosine()), "c": Categorical(RectifiedLinear(), 3)}
    known = {"x": torch.full((8, 6), 0.5), "c": torch.full((8, 6), 2)}
    mask = {"x": torch.tensor([True, False] * 3), "c": torch.tensor([False, True] * 3)}

    def zeros(state, moment):
        return Estimate({"x": torch.zeros(8, 6), "c": torch.tensor([9.0, 0.0, 0.0]).expand(8, 6, 3)})

    plan = PLANS["ddpm"].sampler(processes, "x", [Hold(processes, known, mask)])
    found = plan(zeros, State({"x": torch.zeros(8, 6), "c": torch.zeros(8, 6, dtype=torch.int64)}), noise(count=8))
    assert torch.equal(found["x"][:, ::2], known["x"][:, ::2]) and found["x"][:, 1::2].abs().max() < 1e-5
    assert torch.equal(found["c"][:, 1::2], known["c"][:, 1::2]) and (found["c"][:, ::2] != 2).all()


def test_self_conditioning_passes_or_hides_the_last_estimate():
    last, t = Estimate({"x": torch.ones(1)}), torch.ones(1)
    seen = []

    def denoiser(state, moment):
        seen.append(moment.last)
        return last

    for on in (True, False):
        SelfConditioning(on)(denoiser)(State({"x": torch.zeros(1)}), Moment(t, last=last))
    assert seen == [last, None]


def test_the_sampler_hands_on_the_last_estimate_and_forgets_its_time_after_a_step_up():
    law, seen = Normal(Gaussian(Cosine())), []

    def denoiser(state, moment):
        seen.append((moment.last, moment.last_t))
        return law.denoiser()(state, moment)

    Plan(lambda steps: Jumps(Uniform(steps), 2, 2), steps=4).sampler(law.processes, "x")(denoiser, law.blank(), noise())
    assert [last is None for last, _ in seen] == [True] + [False] * (len(seen) - 1)
    assert [t is None for _, t in seen] == [True, False, True, False, False, False]


def test_autoguidance_pushes_away_from_the_weaker_denoiser():
    """Two normals of one deviation: the free one given apart, N(m + w (m_y - m), s^2)."""
    law, plan = Normal(Gaussian(VarianceExploding(80.0, 5.0))), PLANS["churned"]
    guided = ClassifierFree(2.0, free=law.denoiser())(lambda state, moment: shifted(law, state, moment))
    found = plan.sampler(law.processes, "x")(guided, law.blank(), noise())["x"].double()
    drift, deviation = after_steps(law.process, law.deviation, plan.eta, plan.times(law.process.schedule)())
    assert abs(found.mean() - (law.mean + 2.0 * 0.2) * (1 + drift)) < 4 * deviation / found.numel() ** 0.5
    assert abs(found.std() / deviation - 1) < 4 / (2 * found.numel()) ** 0.5


def shifted(law: Normal, state: State, moment: Moment) -> Estimate:
    return law.denoiser(shift=0.2)(State(state.parts, context={"label": 1}), moment)
