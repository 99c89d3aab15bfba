"""Distillation to few steps: where a frozen teacher goes in m sub-steps, the student learns to go in one.

Of the student's own walk one step t -> s is drawn for the whole batch. Clean data are noised to the step before, which
the student takes by itself, so that it meets x_t and its last estimate as it will when it samples. From x_t the teacher
goes t = u_0 > u_1 > ... > u_m = s by the same sampler, and the student's estimate at t is to land where that landed:

    Gaussian      |x^ - x~|^2,  x~ = (x_s - q x_t) / (alpha_s - q alpha_t),  q = sigma_s / sigma_t: DDIM on x~ reaches
                  x_s. Salimans, Ho 2022 (arxiv.org/abs/2202.00512)
    categorical   sum_j h_j KL(p_j || p) / h over the sub-steps j in whose beginning a row is masked; it settles there
                  with probability h_j = (k_{u_j} - k_{u_{j-1}}) / (1 - k_{u_{j-1}}), in the whole step with h.
                  Deschenaux, Gulcehre 2024 (arxiv.org/abs/2410.21035), averaged over when the row settles

Their least is one step with the teacher's mean, and with its law of every row. What rows that settle together cannot
take over is how they depend on one another: that has to come with the Gaussian parts, or from more steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from scidiff.engine.denoiser import NetworkDenoiser
from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.noise import Noise
from scidiff.engine.parameterization import Parameterization
from scidiff.engine.plan import Plan
from scidiff.engine.process import Categorical, Gaussian, Process
from scidiff.engine.sampler import Sampler
from scidiff.engine.state import State


@dataclass(frozen=True)
class Frozen:
    """A denoiser that is not trained; its network follows the state to another device."""

    denoiser: NetworkDenoiser

    def __post_init__(self) -> None:
        self.network.eval().requires_grad_(False)

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return self.denoiser.network  # type: ignore[return-value]

    def __call__(self, state: State, moment: Moment) -> Estimate:
        self.network.to(state.device)
        return self.denoiser(state, moment)


@dataclass(frozen=True)
class Lesson:
    """One step of the student, and how the teacher went.

    Attributes:
        times: u_0 = t, ..., u_m = s; each (B,).
        states: at each of them.
        estimates: of the teacher, at all but the last.
    """

    times: Sequence[Tensor]
    states: Sequence[State]
    estimates: Sequence[Estimate]


@dataclass(frozen=True)
class Distilled:
    """(denoiser, clean state, noise) -> {part: (B,) loss}, times the context's `weight` (B,) where there is one.

    Args:
        processes: by part; the walk follows the schedule of the first Gaussian one, if there is one.
        teacher: a denoiser that knows all times.
        plan: how the student samples, and the teacher between two of the student's times.
        substeps: m, of equal length in t.
        weights: by part; 1 where not named.
        parameterizations: the rows whose 1 / c_out^2 weighs a part; by part.

    Raises:
        ValueError: no sub-steps, a plan whose steps draw noise or choose what settles, or classes under noise that is
            not absorbing.
    """

    processes: Mapping[str, Process]
    teacher: Denoiser
    plan: Plan
    substeps: int = 4
    weights: Mapping[str, float] = field(default_factory=dict)
    parameterizations: Mapping[str, Parameterization] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.substeps < 1:
            raise ValueError(f"substeps must be 1 or more, not {self.substeps}")
        if self.plan.eta or self.plan.surest:
            raise ValueError(
                "a step that draws noise or lets the surest settle is not distilled: set eta=0, surest=false"
            )
        if any(isinstance(kernel, Categorical) and kernel.noise != "absorbing" for kernel in self.processes.values()):
            raise ValueError("of classes only absorbing noise can be distilled")

    def __call__(self, denoiser: Denoiser, state: State, noise: Noise) -> dict[str, Tensor]:
        lead = min(self.processes, key=lambda part: not isinstance(self.processes[part], Gaussian))
        sampler = self.plan.sampler(self.processes, lead)
        student, teacher = sampler.guided(denoiser), sampler.guided(self.teacher)
        *before, then = stretch(sampler.walk(), noise)
        with torch.no_grad():
            x, last_t, last = self._arrive(before, sampler, student, state, noise)
            moment = Moment(at(before[-1], x), at(then, x), last_t, last)
            lesson = self._taught((before[-1], then), sampler, teacher, x, moment, noise)
        estimate = student(x, moment)
        own = state.context.get("weight", 1.0)
        return {
            part: own * self.weights.get(part, 1.0) * self._error(part, estimate, lesson) for part in self.processes
        }

    @staticmethod
    def _arrive(
        times: Sequence[float], sampler: Sampler, student: Denoiser, clean: State, noise: Noise
    ) -> tuple[State, Tensor | None, Estimate | None]:
        """The student's own state at the last of the times; when its last estimate was, and that, as in Moment.

        Clean data are at time 0, so that the first step is up.
        """
        seen: list[Estimate] = []
        noisy = sampler.along([0.0, *times], student, clean, noise, lambda _, estimate: seen.append(estimate))
        fell = len(times) > 1 and times[-1] < times[-2]
        return noisy, at(times[0], clean) if fell else None, seen[-1] if seen else None

    def _taught(
        self, step: tuple[float, float], sampler: Sampler, teacher: Denoiser, x: State, moment: Moment, noise: Noise
    ) -> Lesson:
        """The teacher's way from x."""
        t, s = step
        times = [t + (s - t) * j / self.substeps for j in range(self.substeps)] + [s]
        states, estimates = [x], []

        def keep(state: State, estimate: Estimate) -> None:
            states.append(state)
            estimates.append(estimate)

        sampler.along(times, teacher, x, noise, keep, moment.last_t, moment.last)
        return Lesson([at(time, x) for time in times], states, estimates)

    def _error(self, part: str, estimate: Estimate, lesson: Lesson) -> Tensor:
        process = self.processes[part]
        if isinstance(process, Categorical):
            return settling(process, part, estimate[part], lesson)
        error = lesson.states[0].mean_by_sample((estimate[part] - landing(process, part, lesson)) ** 2, part)
        if part not in self.parameterizations:
            return error
        _, c_out, _ = self.parameterizations[part](*process.schedule(lesson.times[0]))
        return error / c_out**2


def at(time: float, state: State) -> Tensor:
    """One time for every sample: (B,)."""
    return torch.full((len(state),), time, device=state.device)


def stretch(times: Sequence[float], noise: Noise) -> Sequence[float]:
    """The times of one step down, drawn from those of a walk, and of what lies before it up to the last step down."""
    downs = [i for i, (now, then) in enumerate(pairwise(times)) if then < now]
    chosen = int(noise.shared() * len(downs))
    return times[downs[max(chosen - 1, 0)] : downs[chosen] + 2]


def landing(process: Process, part: str, lesson: Lesson) -> Tensor:
    """x~: from it DDIM goes in one step where the teacher went; laid out as the part."""
    x, end = lesson.states[0], lesson.states[-1]
    (alpha_t, sigma_t), (alpha_s, sigma_s) = process.schedule(lesson.times[0]), process.schedule(lesson.times[-1])
    q, reach = (x.spread(c, part) for c in (sigma_s / sigma_t, alpha_s - alpha_t * sigma_s / sigma_t))
    return (end[part] - q * x[part]) / reach


def settling(process: Categorical, part: str, logits: Tensor, lesson: Lesson) -> Tensor:
    """Mean over rows of the divergence from what the teacher believed when they settled: (B,).

    A row that was not masked is told the teacher's last belief of it.
    """
    kept = [process.schedule(u)[0] for u in lesson.times]
    whole, own = (kept[-1] - kept[0]) / (1 - kept[0]), logits.float().log_softmax(-1)
    x, error = lesson.states[0], torch.zeros_like(own[..., 0])
    for j, (state, estimate) in enumerate(zip(lesson.states, lesson.estimates, strict=False)):
        hazard = x.spread((kept[j + 1] - kept[j]) / (1 - kept[j]) / whole, part)
        error = error + hazard * (state[part] == process.classes) * divergence(estimate[part], own)
    echo = (x[part] != process.classes) * divergence(lesson.estimates[-1][part], own)
    return x.mean_by_sample(error + echo, part)


def divergence(logits: Tensor, own: Tensor) -> Tensor:
    """KL(p || own), of logits and log-probabilities over the last axis."""
    log = logits.float().log_softmax(-1)
    return (log.exp() * (log - own)).sum(-1)
