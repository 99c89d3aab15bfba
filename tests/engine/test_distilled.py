"""A student of an exact teacher goes in one step where the teacher goes in several: in distribution, and row by row."""

from dataclasses import dataclass, replace

import pytest
import torch
from laws import NUMBERS, Joint, noise
from torch import Tensor

from scidiff.engine.denoiser import NetworkDenoiser
from scidiff.engine.distilled import Distilled, Frozen, stretch
from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.noise import Noise
from scidiff.engine.plan import Plan
from scidiff.engine.process import Categorical, Gaussian
from scidiff.engine.schedule import RectifiedLinear, VarianceExploding, Warped
from scidiff.engine.state import State
from scidiff.engine.walk import Uniform

LAW = Joint(Gaussian(VarianceExploding(4.0, 3.0)), Categorical(Warped(RectifiedLinear(), 0.05), 3))
FEW = Plan(Uniform, steps=3)


@dataclass
class Table:
    """A denoiser of LAW with a value for every time of a walk, every symbol, and numbers on a grid, linear between."""

    times: Tensor
    grid: Tensor
    numbers: Tensor
    logits: Tensor

    @classmethod
    def of(cls, denoiser: Denoiser, times: list[float], reach: float = 14.0, knots: int = 281) -> "Table":
        """What the denoiser says there."""
        levels, grid, symbols = torch.tensor(times), torch.linspace(-reach, reach, knots), torch.arange(4)
        t, c, x = (each.reshape(-1) for each in torch.meshgrid(levels, symbols.float(), grid, indexing="ij"))
        said = denoiser(State({"x": x[:, None], "c": c[:, None].long()}), Moment(t))
        shape = (len(levels), len(symbols), knots)
        numbers, logits = said["x"].reshape(shape), said["c"].reshape(*shape, 3).log_softmax(-1).clamp(min=-30)
        return cls(levels, grid, numbers.clone().requires_grad_(), logits.clone().requires_grad_())

    def __call__(self, state: State, moment: Moment) -> Estimate:
        level, symbol = (self.times - moment.t[:, None]).abs().argmin(1), state["c"][:, 0]
        place = ((state["x"][:, 0] - self.grid[0]) / (self.grid[1] - self.grid[0])).clamp(0, len(self.grid) - 1.001)
        left, share = place.long(), place.frac()

        def between(values: Tensor) -> Tensor:
            low, high = values[level, symbol, left], values[level, symbol, left + 1]
            return low + (high - low) * share.reshape(-1, *[1] * (low.dim() - 1))

        return Estimate({"x": between(self.numbers)[:, None], "c": between(self.logits)[:, None]})


def drawn(denoiser: Denoiser, plan: Plan, seed: int = 7) -> State:
    with torch.no_grad():
        return plan.sampler(LAW.processes, "x")(denoiser, LAW.blank(), noise(seed))


def strangers(state: State) -> float:
    """The share of numbers that lie far from the mean of their class."""
    off = state["x"][:, 0] - torch.tensor(LAW.means)[state["c"][:, 0]]
    return float((off.abs() > 3 * LAW.deviation).float().mean())


def apart(a: State, b: State) -> float:
    """Wasserstein's distance between the numbers: root mean square between their ordered values."""
    return float((a["x"][:, 0].sort()[0] - b["x"][:, 0].sort()[0]).square().mean().sqrt())


def test_a_student_has_in_three_steps_what_its_teacher_has_in_six():
    """Numbers, and classes that fit them. Two samples of one law are 0.02 apart (1 / sqrt(n)); the table adds to it."""
    teacher = LAW.denoiser()
    student, clean = Table.of(teacher, FEW.times(LAW.number.schedule)()[:-1]), drawn(teacher, replace(FEW, steps=50))
    loss = Distilled(LAW.processes, teacher, FEW, 2)
    optimizer = torch.optim.Adam([student.numbers, student.logits], 0.05)
    for step in range(300):
        some = torch.arange(NUMBERS)[step % 4 :: 4]
        optimizer.zero_grad()
        sum(each.mean() for each in loss(student, clean.take(some), Noise.of(step, some)).values()).backward()
        optimizer.step()
    plain, taught, slow = drawn(teacher, FEW), drawn(student, FEW), drawn(teacher, replace(FEW, steps=6))
    assert apart(taught, slow) < 0.04 < 0.12 < apart(plain, slow)
    assert strangers(taught) < 0.015 < 0.025 < strangers(plain)


JOINT = torch.tensor([[0.55, 0.05], [0.2, 0.2]])
"""Of two symbols that know of one another."""


def pair(state: State, moment: Moment) -> Estimate:
    """ln p(c_0 | c_t) of both: given the other where it has settled, else by itself."""
    own, other = JOINT.sum(1), JOINT.sum(0)
    first = torch.stack([JOINT[:, 0] / other[0], JOINT[:, 1] / other[1], own])[state["c"][:, 1]]
    second = torch.stack([JOINT[0] / own[0], JOINT[1] / own[1], other])[state["c"][:, 0]]
    return Estimate({"c": torch.stack([first, second], 1).log()})


def law_of_rows(shares: list[float], temperature: float) -> Tensor:
    """What a row of either symbol settles as, exactly, if `shares` of them settle in each sub-step: (2, K)."""

    def cold(p: Tensor) -> Tensor:
        return torch.softmax(p.log() / temperature, -1)

    own, other = cold(JOINT.sum(1)), cold(JOINT.sum(0))
    later = sum(a * sum(shares[:j]) for j, a in enumerate(shares))  # the other one had settled before
    first = later * other @ cold(JOINT.T) + (1 - later) * own
    return torch.stack([first, later * own @ cold(JOINT) + (1 - later) * other])


@pytest.mark.parametrize("substeps", [1, 2, 3])
def test_each_row_is_told_the_law_that_its_teacher_draws_it_from(substeps):
    """There, the gradient of the loss is zero within 4 sigma; at the law of a single step it is not.

    In one step from all masked to all settled, at a temperature that makes the law depend on what settled before.
    """
    process = Categorical(RectifiedLinear(), 2)
    objective = Distilled({"c": process}, pair, Plan(Uniform, steps=1, temperature=0.5), substeps)
    clean = State({"c": torch.zeros(NUMBERS, 2, dtype=torch.int64)})

    def pull(law: Tensor) -> Tensor:
        """Of the loss on the logits at this law, in standard errors."""
        logits = (0.5 * law.log()).expand(NUMBERS, 2, 2).clone().requires_grad_()
        objective(lambda state, moment: Estimate({"c": logits}), clean, noise())["c"].sum().backward()
        assert logits.grad is not None
        return (logits.grad.mean(0) / (logits.grad.std(0) / NUMBERS**0.5).clamp(min=1e-6)).abs()

    assert pull(law_of_rows([1 / substeps] * substeps, 0.5)).max() < 4
    assert substeps == 1 or pull(law_of_rows([1.0], 0.5)).max() > 8


@pytest.mark.parametrize(
    "changes", [{}, {"deviation": 0.7}, {"temperature": 0.5}, {"churn": 0.5}, {"multistep": True}], ids=str
)
def test_who_is_the_teacher_has_nothing_to_learn_from_one_sub_step(changes):
    """And from two there is something: whatever the guidance, both are asked in the same way."""
    plan, teacher = replace(FEW, **changes), LAW.denoiser()
    clean = drawn(teacher, replace(FEW, steps=20))
    for step in range(8):
        one, two = (Distilled(LAW.processes, teacher, plan, m)(teacher, clean, noise(step)) for m in (1, 2))
        assert max(float(loss.abs().max()) for loss in one.values()) < 1e-6
        assert min(float(loss.mean()) for loss in two.values()) > 1e-5


def test_every_step_of_a_walk_comes_up_with_what_lies_before_it():
    """A step up is taken between two estimates, as the sampler takes it."""
    walk = [1.0, 0.6, 0.7, 0.3, 0.0]
    found = {tuple(stretch(walk, noise(k, count=1))) for k in range(60)}
    assert found == {(1.0, 0.6), (1.0, 0.6, 0.7, 0.3), (0.7, 0.3, 0.0)}


def test_the_student_is_asked_as_when_it_samples():
    """The next time and the estimate of the step before, none in the first step; a gradient through the last alone."""
    asked, weight = [], torch.ones((), requires_grad=True)

    def student(state: State, moment: Moment) -> Estimate:
        asked.append(moment)
        return Estimate({"x": weight * state["x"], "c": weight * torch.zeros(NUMBERS, 1, 3)})

    for step in range(12):
        asked.clear()
        Distilled(LAW.processes, LAW.denoiser(), FEW)(student, LAW.blank(), noise(step))
        *_, last = asked
        first = float(last.t[0]) == 1
        assert len(asked) == 2 - first and (last.last is None) == first
        assert last.s is not None and float(last.s[0]) == pytest.approx(float(last.t[0]) - 1 / 3, abs=1e-6)
        assert first or not last.last["x"].requires_grad


def test_the_teacher_stays_as_it_is():
    network = torch.nn.Linear(1, 1)
    Frozen(NetworkDenoiser(network, LAW.processes))
    assert not network.training and not any(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("changes", [{"eta": 1.0}, {"surest": True}], ids=str)
def test_plans_that_cannot_be_distilled(changes):
    with pytest.raises(ValueError, match="is not distilled"):
        Distilled(LAW.processes, LAW.denoiser(), replace(FEW, **changes))


def test_processes_that_cannot_be_distilled():
    with pytest.raises(ValueError, match="only absorbing noise"):
        Distilled({"c": Categorical(RectifiedLinear(), 2, "uniform")}, pair, FEW)
    with pytest.raises(ValueError, match="substeps"):
        Distilled(LAW.processes, LAW.denoiser(), FEW, 0)
