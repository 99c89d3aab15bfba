"""One observation restored: both answers, their spread, and whose is returned."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from scidiff.engine.operator import Observation
from scidiff.store.errors import UserError
from scidiff.store.memory import ran_out
from scidiff.store.suggest import did_you_mean
from scidiff.volumes.baselines.filling import known
from scidiff.volumes.baselines.shelf import baseline
from scidiff.volumes.holdout import Verdict, verdict
from scidiff.volumes.learning.degrade import QUIETEST
from scidiff.volumes.problem import PRIOR, Problem, pose
from scidiff.volumes.restore.ability import Ability
from scidiff.volumes.restore.calibration import Calibration, smooth_deviation
from scidiff.volumes.restore.estimate import GUIDANCE, Restorer
from scidiff.volumes.restore.room import sizes, smaller, windows
from scidiff.volumes.restore.ticks import Progress, Spread, Tick, Ticks, one_by_one, ticking
from scidiff.volumes.turned import turned
from scidiff.volumes.windows import Windows

METHODS = ("conditioned", "posterior")
POSTERIOR_STEPS = 30  # evaluations a sample, by the prior and guidance alone


@dataclass(frozen=True)
class How:
    """How to restore.

    Args:
        method: "conditioned" on the classical answer, or "posterior": the prior, and guidance alone.
        guidance: of the posterior: moment, diffpir, ddnm or dps.
        samples: to be drawn; of the posterior at least one, otherwise 0 gives the mean alone, 2 or more its deviation.
        steps: evaluations a sample; the model's own number if none.
        seed: of the samples.
        window: voxels along each axis of a window; as memory allows if none.
        check: hold out a twentieth of the measurements, and return the classical answer if it predicts them better.
        baseline: name of the classical answer; the task's best if none.

    Raises:
        UserError: a name or a number that is none of these.
    """

    method: str = "conditioned"
    guidance: str = "moment"
    samples: int = 0
    steps: int | None = None
    seed: int = 0
    window: int | None = None
    check: bool = True
    baseline: str | None = None

    def __post_init__(self) -> None:
        for key, name, names in (("method", self.method, METHODS), ("guidance", self.guidance, GUIDANCE)):
            if name not in names:
                raise UserError(
                    f"There is no {key} '{name}'.{did_you_mean(name, names)} There are: {', '.join(names)}."
                )
        if self.samples < 0 or any(each is not None and each < 1 for each in (self.steps, self.window)):
            raise UserError("samples is 0 or more, steps and window are 1 or more.")
        if self.method == "conditioned" and self.guidance != "moment":
            raise UserError(f"guidance={self.guidance} is for method=posterior; add that, or leave guidance= out.")
        if self.method == "conditioned" and self.samples == 1:
            raise UserError("One sample has no spread: ask for samples=2 or more (8 are a good number), or for none.")


@dataclass(frozen=True, eq=False)
class Answer:
    """What came out, in units of [0, 1], each (1, 1, X, Y, Z).

    Attributes:
        x: what is returned: the model's answer, or the classical one where that predicts the measurements better.
        model, classical: both.
        sd: calibrated deviation of the model's answer; none without samples.
        samples: (K, 1, X, Y, Z), or none.
        verdict: of the held-out measurements.
        residual: |A x - y| / (sigma sqrt m) of the returned answer.
        mismatch: A^T (y - A x) / |A|^2 of the same, a map.
        warnings: sentences: what went otherwise than was asked.
    """

    x: Tensor
    model: Tensor
    classical: Tensor
    sd: Tensor | None
    samples: Tensor | None
    verdict: Verdict
    residual: float
    mismatch: Tensor
    warnings: tuple[str, ...] = ()


def restore(
    model: Ability,
    observation: Observation,
    task: str,
    how: How,
    progress: Progress | None = None,
    spread: Spread = one_by_one,
) -> Answer:
    """Restore one volume. Where memory runs out it is tried again, in smaller windows.

    Args:
        observation: y (1, ...), of volumes in units of [0, 1].
        progress: told how many steps are done, and of how many: classical answers, and windows the network looked at.
        spread: who draws the samples: this process, one after another, or several.

    Raises:
        UserError: a task that the model does not know, a setting that does not go with it, or no memory for it.
    """
    work, shape = Work(model, task, how), volume_shape(observation)
    network = model.network_of(task if work.conditioned else PRIOR)
    window, warnings = windows(network, shape, how.window), ()
    tick = Ticks(progress, work.steps(window, shape))
    problem = pose(observation, task, how.baseline)
    tick()
    while (answer := _answer(Drawing(work, window, problem, observation), tick, spread)) is None:
        full, window = window, smaller(network, shape, window)
        told = f"Memory ran out with windows of {sizes(full, shape)} voxels, and {sizes(window, shape)} were taken"
        warnings = (*warnings, f"{told}: the same answer, in more time.")
        tick.again(1, work.steps(window, shape))
    return replace(answer, warnings=warnings)


def _answer(drawing: "Drawing", tick: Ticks, spread: Spread) -> Answer | None:
    """What came out; none where memory ran out, and was given back."""
    try:
        return drawing.answer(tick, spread)
    except (MemoryError, RuntimeError) as error:
        if not ran_out(type(error).__name__, str(error)):
            raise
        return None


@dataclass(frozen=True)
class Work:
    """The pieces of `restore` that need the model, the task and the settings.

    Raises:
        UserError: a task that the model does not know, or a baseline that the task does not.
    """

    model: Ability
    task: str
    how: How

    def __post_init__(self) -> None:
        tasks = self.model.header.get("tasks", ())
        if self.conditioned and self.task not in tasks:
            raise UserError(
                f"The model '{self.model.name}' was trained to {', '.join(tasks)}, not to {self.task}; "
                "method=posterior takes any task."
            )
        baseline(self.task, self.how.baseline)

    @property
    def conditioned(self) -> bool:
        """Whether the network sees the classical answer."""
        return self.how.method == "conditioned"

    @property
    def count(self) -> int:
        """How many samples are drawn."""
        return self.how.samples if self.conditioned else max(self.how.samples, 1)

    @property
    def evaluations(self) -> int:
        """Of the network, a sample."""
        return self.how.steps or (self.model.plan.steps if self.conditioned else POSTERIOR_STEPS)

    @property
    def calibration(self) -> Calibration:
        """What held-out scans said of the model."""
        return Calibration.of(self.model.header)

    @property
    def calibrated(self) -> bool:
        """Whether the width of its intervals is known: not if the prior alone draws the samples."""
        return self.conditioned and self.task in self.calibration.width.tasks

    @property
    def trust(self) -> float:
        """k."""
        return self.calibration.trust.get(self.task, 0.0)

    def steps(self, window: Windows, shape: Sequence[int]) -> int:
        """How often `restore` ticks at most: see there."""
        pieces = math.prod(len(spans) for spans in window.spans(shape))
        drawn = self.count * self.evaluations
        checked = 1 + pieces * (1 if self.conditioned else drawn)
        return 1 + pieces * (drawn + self.conditioned) + checked * self.how.check

    def restorer(self, window: Windows, tick: Callable[[], None] | None = None) -> Restorer:
        """The model, window by window, each followed by a tick."""
        denoiser = self.model.denoiser if tick is None else ticking(self.model.denoiser, tick)
        return Restorer(window(turned(denoiser)), self.model.processes, self.model.planned(self.evaluations))

    def draw(self, restorer: Restorer, problem: Problem, observation: Observation, number: int) -> Tensor:
        """One sample."""
        if not self.conditioned:
            like, unit = problem.estimate, self.model.spread
            return restorer.prior(observation, like, unit, self.how.seed, number, self.how.guidance)
        unit = self.model.difficulty(problem)
        return restorer.sample(problem, observation, unit, self.trust, self.how.seed, number)

    def estimate(
        self, restorer: Restorer, problem: Problem, observation: Observation, samples: Tensor | None
    ) -> Tensor:
        """The model's answer: one evaluation, or the mean of the posterior's samples; what is known stays."""
        if self.conditioned:
            x = restorer.mean(problem, observation, self.model.difficulty(problem), self.trust)
        else:
            x = samples.mean(0, keepdim=True)
        exact = exactly_seen(observation, self.task)
        return x if exact is None else torch.where(exact, problem.estimate, x)

    def deviation(self, samples: Tensor | None, problem: Problem, observation: Observation) -> Tensor | None:
        """Of two samples or more, calibrated if that was measured."""
        if samples is None or len(samples) < 2:
            return None
        exact = exactly_seen(observation, self.task)
        open_ = None if exact is None else ~exact
        if not self.calibrated:
            return smooth_deviation(samples, open_)
        return self.calibration.deviation(samples, problem, open_)

    def check(self, observation: Observation, window: Windows, tick: Callable[[], None] | None = None) -> Verdict:
        """Whether the model predicts held-out measurements as well as the classical answer does."""
        restorer = self.restorer(window, tick)

        @cache
        def posed(kept: Observation) -> Problem:
            problem = pose(kept, self.task, self.how.baseline)
            if tick is not None:
                tick()
            return problem

        def ours(kept: Observation) -> Tensor:
            samples = None if self.conditioned else Drawing(self, window, posed(kept), kept).all(tick)
            return self.estimate(restorer, posed(kept), kept, samples)

        return verdict(observation, ours, lambda kept: posed(kept).estimate, seed=self.how.seed)


@dataclass(frozen=True)
class Drawing:
    """What draws sample k of a problem; sent to another process, it draws the same."""

    work: Work
    window: Windows
    problem: Problem
    observation: Observation

    def __call__(self, number: int, tick: Tick | None) -> Tensor:
        """(1, 1, X, Y, Z)."""
        return self.work.draw(self.work.restorer(self.window, tick), self.problem, self.observation, number)

    def all(self, tick: Tick | None, spread: Spread = one_by_one) -> Tensor | None:
        """(K, 1, X, Y, Z), or none."""
        return torch.cat(spread(self, self.work.count, tick)) if self.work.count else None

    def answer(self, tick: Ticks, spread: Spread = one_by_one) -> Answer:
        """Both answers, and which of them is returned."""
        work, problem, seen = self.work, self.problem, self.observation
        samples = self.all(tick, spread)
        x = work.estimate(work.restorer(self.window, tick), problem, seen, samples)
        judged = work.check(seen, self.window, tick) if work.how.check else Verdict.none("check=false")
        tick.finish()
        norm = (float(seen.sigma) / problem.noise) ** 2
        mismatch = seen.mismatch(x) / norm if judged.harmless else problem.mismatch
        chosen = x if judged.harmless else problem.estimate
        sd = work.deviation(samples, problem, seen)
        return Answer(chosen, x, problem.estimate, sd, samples, judged, float(seen.residual(chosen)), mismatch)


def volume_shape(observation: Observation) -> tuple[int, ...]:
    """(X, Y, Z) of what is restored."""
    return tuple(observation.operator.adjoint(observation.y).shape[2:])


def exactly_seen(observation: Observation, task: str) -> Tensor | None:
    """The voxels that are to be returned as they are: bool (1, 1, X, Y, Z); none where all are open."""
    if task != "inpaint" or float(observation.sigma) > QUIETEST:
        return None
    return known(observation.y, observation.operator)
