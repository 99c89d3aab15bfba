"""One observation restored: both answers, their spread, and whose is returned."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from scidiff.engine.operator import Observation
from scidiff.store.errors import UserError
from scidiff.volumes.baselines.filling import known
from scidiff.volumes.baselines.variational import squared_norm
from scidiff.volumes.files.checks import free_memory
from scidiff.volumes.holdout import Verdict, verdict
from scidiff.volumes.learning.degrade import QUIETEST
from scidiff.volumes.problem import Problem, pose
from scidiff.volumes.restore.calibration import Calibration
from scidiff.volumes.restore.estimate import Restorer
from scidiff.volumes.windows import Windows, window_for

if TYPE_CHECKING:
    from scidiff.volumes.model import VolumeModel

METHODS = ("conditioned", "posterior")
MEMORY_SHARE = 0.7  # of what is free


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
        if self.method not in METHODS:
            raise UserError(f"The method is one of {', '.join(METHODS)}, not '{self.method}'.")
        if self.samples < 0 or (self.steps is not None and self.steps < 1):
            raise UserError("samples is 0 or more, and steps 1 or more.")


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
    """

    x: Tensor
    model: Tensor
    classical: Tensor
    sd: Tensor | None
    samples: Tensor | None
    verdict: Verdict
    residual: float
    mismatch: Tensor


def restore(
    model: "VolumeModel",
    observation: Observation,
    task: str,
    how: How,
    progress: Callable[[int, int], None] | None = None,
) -> Answer:
    """Restore one volume.

    Args:
        observation: y (1, ...), of volumes in units of [0, 1].
        progress: told how many evaluations are done, and of how many.

    Raises:
        UserError: a task that the model does not know, or no memory for it.
    """
    work = Work(model, task, how)
    problem = pose(observation, task, how.baseline)
    window = windows(model, problem.estimate, how)
    restorer = work.restorer(window, progress)
    drawn = [work.draw(restorer, problem, observation, k) for k in range(work.count)]
    samples = torch.cat(drawn) if drawn else None
    x = samples.mean(0, keepdim=True) if how.method == "posterior" else work.mean(restorer, problem, observation)
    exact = known(observation.y, observation.operator) if sees_exactly(observation, task) else None
    x = x if exact is None else torch.where(exact, problem.estimate, x)
    sd = None
    if samples is not None and len(samples) > 1:
        sd = Calibration.of(model.header).deviation(samples, work.kind, None if exact is None else ~exact)
    judged = work.check(observation, window) if how.check else Verdict.none("check=false")
    chosen = x if judged.harmless else problem.estimate
    mismatch = observation.mismatch(chosen) / squared_norm(observation.operator, chosen)
    residual = float(observation.residual(chosen))
    return Answer(chosen, x, problem.estimate, sd, samples, judged, residual, mismatch)


@dataclass(frozen=True)
class Work:
    """The pieces of `restore` that need the model, the task and the settings."""

    model: "VolumeModel"
    task: str
    how: How

    def __post_init__(self) -> None:
        tasks = self.model.header.get("tasks", ())
        if self.how.method == "conditioned" and self.task not in tasks:
            raise UserError(
                f"The model '{self.model.name}' was trained to {', '.join(tasks)}, not to {self.task}; "
                "method=posterior takes any task."
            )

    @property
    def count(self) -> int:
        """How many samples are drawn."""
        return max(self.how.samples, 1) if self.how.method == "posterior" else self.how.samples

    @property
    def kind(self) -> str:
        """The name that the calibration is kept by."""
        return self.task if self.how.method == "conditioned" else "posterior"

    @property
    def trust(self) -> float:
        """k."""
        return Calibration.of(self.model.header).trust.get(self.task, 0.0)

    def restorer(self, window: Windows, progress: Callable[[int, int], None] | None = None) -> Restorer:
        """The model, window by window, counted."""
        steps = self.how.steps or (30 if self.how.method == "posterior" else self.model.plan.steps)
        total = self.count * steps + (self.how.method == "conditioned")
        denoiser = window(self.model.denoiser)
        if progress is not None:
            denoiser = counted(denoiser, total, progress)
        return Restorer(denoiser, self.model.processes, self.model.planned(steps))

    def mean(self, restorer: Restorer, problem: Problem, observation: Observation) -> Tensor:
        """One evaluation."""
        return restorer.mean(problem, observation, self.model.difficulty(problem), self.trust)

    def draw(self, restorer: Restorer, problem: Problem, observation: Observation, number: int) -> Tensor:
        """One sample."""
        if self.how.method == "posterior":
            like, unit = problem.estimate, self.model.spread
            return restorer.prior(observation, like, unit, self.how.seed, number, self.how.guidance)
        unit = self.model.difficulty(problem)
        return restorer.sample(problem, observation, unit, self.trust, self.how.seed, number)

    def check(self, observation: Observation, window: Windows) -> Verdict:
        """Whether the model predicts held-out measurements as well as the classical answer does."""
        restorer, posed = self.restorer(window), {}

        def classical(kept: Observation) -> Tensor:
            posed[id(kept)] = pose(kept, self.task, self.how.baseline)
            return posed[id(kept)].estimate

        def ours(kept: Observation) -> Tensor:
            problem = posed.get(id(kept)) or pose(kept, self.task, self.how.baseline)
            if self.how.method == "posterior":
                return self.draw(restorer, problem, kept, 0)
            return self.mean(restorer, problem, kept)

        return verdict(observation, ours, classical, seed=self.how.seed)


def windows(model: "VolumeModel", like: Tensor, how: How) -> Windows:
    """Whole volumes where memory allows."""
    if how.window is not None:
        return Windows(how.window, multiple=getattr(model.network, "multiple", 8))
    return window_for(like.shape[2:], model.network, MEMORY_SHARE * (free_memory() or 4e9))


def counted(denoiser: Callable, total: int, progress: Callable[[int, int], None]) -> Callable:
    """The same denoiser, telling how often it was asked."""
    done = 0

    def told(*asked):
        nonlocal done
        answer = denoiser(*asked)
        done += 1
        progress(done, total)
        return answer

    return told


def sees_exactly(observation: Observation, task: str) -> bool:
    """Whether what was seen is to be returned as it is."""
    return task == "inpaint" and float(observation.sigma) <= QUIETEST
