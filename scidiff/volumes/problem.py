"""One restoration: what was measured, of which task, and the classical answer to it.

The network does not see y itself but what every observation can say in the space of the volume:

    estimate   x^, the task's classical answer
    detail     (x^ - mean of x^ over 7^3 voxels) / s: its edges and texture, as large as what is asked for
    mismatch   A^T (y - A x^) / (|A|^2 s): what the measurements still say against it, in units of s
    mask       where A sees a voxel by itself: 1 throughout but for inpainting
    noise      sigma / |A|, the noise of one measurement in the units of the volume
    fraction   measurements a voxel

and answers with (x - x^) / s. The unit s is the error that x^ was seen to have on training scans: see `Difficulty`.
With nothing measured (all of them 0, x^ = 0) the same network is a prior of whole volumes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scidiff.engine.operator import Observation
from scidiff.engine.state import State
from scidiff.volumes.baselines.filling import known
from scidiff.volumes.baselines.shelf import baseline
from scidiff.volumes.baselines.variational import squared_norm

TASKS = ("denoise", "inpaint", "superres", "mri", "ct")
PRIOR = "prior"  # the task of which nothing was measured


@dataclass(frozen=True, eq=False)
class Problem:
    """What a network is told of one observation; see above.

    Attributes:
        task: one of TASKS, or PRIOR.
        estimate, mismatch, mask: (B, 1, X, Y, Z); the mismatch is not yet divided by s.
        noise, fraction: one number for all samples.
    """

    task: str
    estimate: Tensor
    mismatch: Tensor
    mask: Tensor
    noise: float
    fraction: float

    def state(self, unit: float, count: int = 1) -> State:
        """The state of `count` samples to be drawn, in units of s."""
        start = torch.zeros_like(self.estimate).expand(count, *self.estimate.shape[1:])
        return State({"image": start}, context={**context(self, unit), "task": self.task})


def pose(observation: Observation, task: str, name: str | None = None) -> Problem:
    """Answer an observation classically, and say what its measurements have against that.

    Args:
        observation: of volumes in units of [0, 1].
        name: of the baseline; the best one of the task if none.
    """
    y, operator, sigma = observation.y, observation.operator, float(observation.sigma)
    estimate = baseline(task, name)(y, operator, sigma).float()
    norm = float(squared_norm(operator, estimate[:1]))
    mask = known(y, operator).float() if task == "inpaint" else torch.ones_like(estimate)
    fraction = operator.count(y) / estimate[0].numel()
    return Problem(task, estimate, observation.mismatch(estimate) / norm, mask, sigma / math.sqrt(norm), fraction)


def nothing(like: Tensor) -> Problem:
    """The problem without an observation: what a volume (B, 1, X, Y, Z) may look like."""
    zeros = torch.zeros_like(like)
    return Problem(PRIOR, zeros, zeros, zeros, 0.0, 0.0)


def context(problem: Problem, unit: float) -> dict[str, Tensor]:
    """The network's further channels, all about 1 in size."""
    return {
        "estimate": problem.estimate,
        "detail": (problem.estimate - local_mean(problem.estimate)) / unit,
        "mismatch": problem.mismatch / unit,
        "mask": problem.mask,
        "noise": torch.tensor([10 * problem.noise]),
        "fraction": torch.tensor([shown(problem.fraction)]),
    }


def local_mean(x: Tensor, width: int = 7) -> Tensor:
    """The mean over a cube about every voxel of (B, 1, X, Y, Z), of what lies inside the volume."""
    for axis in range(3):
        sizes = [width if a == axis else 1 for a in range(3)]
        margin = [width // 2 if a == axis else 0 for a in (2, 1, 0) for _ in range(2)]
        inside = torch.ones([1, 1, *(n if a == axis else 1 for a, n in enumerate(x.shape[2:]))]).to(x)
        total, share = (functional.avg_pool3d(functional.pad(each, margin), sizes, 1) for each in (x, inside))
        x = total / share  # pooling counts the margin; and it refuses to pad what is thinner than its window
    return x


def shown(fraction: float) -> float:
    """A fraction as the network sees it: 1 for all, 0 for an eighth, -2 for nothing."""
    return 1 + math.log2(max(fraction, 2**-9)) / 3


@dataclass(frozen=True)
class Difficulty:
    """The root mean square error of each task's classical answer: ln s = a + b ln(noise + 0.01) + c ln(fraction).

    Args:
        tasks: task -> (a, b, c).
    """

    tasks: Mapping[str, Sequence[float]]

    def __call__(self, problem: Problem) -> float:
        """s of a problem; the mean of all tasks for one that was never seen."""
        a, b, c = self.tasks.get(problem.task) or np.mean(list(self.tasks.values()), 0)
        return float(np.exp(np.dot((a, b, c), _features(problem.noise, problem.fraction))))

    @classmethod
    def fit(cls, tasks: Sequence[str], noise: Sequence[float], fraction: Sequence[float], error: Sequence[float]):
        """Least squares on examples of known error, held near 0 where few of them differ."""
        rows = np.array([_features(n, f) for n, f in zip(noise, fraction, strict=True)])
        found, wanted = {}, np.log(np.maximum(error, 1e-4))
        for task in sorted(set(tasks)):
            here = np.array([each == task for each in tasks])
            found[task] = [float(v) for v in _ridge(rows[here], wanted[here])]
        return cls(found)


def _features(noise: float, fraction: float) -> tuple[float, float, float]:
    return 1.0, math.log(noise + 0.01), math.log(max(fraction, 2**-9))


def _ridge(rows: np.ndarray, wanted: np.ndarray, weight: float = 0.1) -> np.ndarray:
    """Least squares with a penalty on the slopes, taken about the means."""
    middle, level = rows.mean(0), wanted.mean()
    centred = rows[:, 1:] - middle[1:]
    slopes = np.linalg.solve(centred.T @ centred + weight * np.eye(2), centred.T @ (wanted - level))
    return np.array([level - middle[1:] @ slopes, *slopes])
