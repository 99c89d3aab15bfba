"""One restoration: what was measured, of which task, and the classical answer to it.

The network does not see y itself but what every observation can say in the space of the volume:

    estimate   x^, the task's classical answer
    detail     (x^ - mean of x^ over 7^3 voxels) / s: its edges and texture, as large as what is asked for
    mismatch   A^T (y - A x^) / (|A|^2 s): what the measurements still say against it, in units of s
    mask       where A sees a voxel by itself: 1 throughout but for inpainting
    noise      sigma / |A|, the noise of one measurement in the units of the volume
    fraction   measurements a voxel
    along      the share seen of each axis, the least first: the network sees the axes in that order (`turned`)

and answers with (x - x^) / s. The unit s is the error that x^ was seen to have on training scans, a power law.
With nothing measured (all of them 0, x^ = 0) the same network is a prior of whole volumes.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from scidiff.engine.operator import Observation
from scidiff.engine.state import State
from scidiff.volumes.baselines.filling import known
from scidiff.volumes.baselines.shelf import baseline
from scidiff.volumes.baselines.variational import squared_norm
from scidiff.volumes.operators.along import ALL, Along, along, order

TASKS = ("denoise", "inpaint", "superres", "mri", "ct")
NUMBERS = ("noise", "fraction", "along")  # what the network is told that is the same in every voxel
PRIOR = "prior"  # the task of which nothing was measured


@dataclass(frozen=True, eq=False)
class Problem:
    """What a network is told of one observation; see above.

    Attributes:
        task: one of TASKS, or PRIOR.
        estimate, mismatch, mask: (B, 1, X, Y, Z); the mismatch is not yet divided by s.
        noise, fraction: one number for all samples.
        along: the share seen of axis 0, 1 and 2.
    """

    task: str
    estimate: Tensor
    mismatch: Tensor
    mask: Tensor
    noise: float
    fraction: float
    along: Along = ALL

    def state(self, unit: float, count: int = 1) -> State:
        """The state of `count` samples to be drawn, in units of s."""
        start = torch.zeros_like(self.estimate).expand(count, *self.estimate.shape[1:])
        return State({"image": start}, context={**context(self, unit), "task": self.task, "axes": order(self.along)})


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
    mismatch, noise = observation.mismatch(estimate) / norm, sigma / math.sqrt(norm)
    return Problem(task, estimate, mismatch, mask, noise, fraction, along(operator))


def nothing(like: Tensor) -> Problem:
    """The problem without an observation: what a volume (B, 1, X, Y, Z) may look like."""
    zeros = torch.zeros_like(like)
    return Problem(PRIOR, zeros, zeros, zeros, 0.0, 0.0, (0.0, 0.0, 0.0))


def context(problem: Problem, unit: float) -> dict[str, Tensor]:
    """The network's further channels, all about 1 in size."""
    return {
        "estimate": problem.estimate,
        "detail": (problem.estimate - local_mean(problem.estimate)) / unit,
        "mismatch": problem.mismatch / unit,
        "mask": problem.mask,
        "noise": torch.tensor([10 * problem.noise]),
        "fraction": torch.tensor([shown(problem.fraction)]),
        "along": torch.tensor([shown(share) for share in sorted(problem.along)]).reshape(1, 3, 1, 1, 1),
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
