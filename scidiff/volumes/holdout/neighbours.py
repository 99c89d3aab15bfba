"""Voxels held out one by one, and replaced by the mean of their face neighbours: z <- (1 - h) z + h N z.

What is left says nothing of the voxels' own values, and is a volume still: Noise2Self's donut. As a linear map of what
was kept it also belongs into the operator, wherever a restorer would otherwise take the means for measurements.
Batson, Royer 2019 (arxiv.org/abs/1901.11365).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scidiff.engine.operator import Composed, Operator

ALL = (-3, -2, -1)


@dataclass(frozen=True, eq=False)
class Refill(Operator):
    """Volumes to volumes of the same grid.

    Args:
        held: bool (X, Y, Z), h: no two of them neighbours along `axes`.
        axes: along which a neighbour is one; of the last three.
    """

    held: Tensor
    axes: tuple[int, ...] = ALL

    def __call__(self, x: Tensor) -> Tensor:
        return torch.where(self.held.to(x.device), around(x, self.axes) / self._neighbours(x), x)

    def adjoint(self, y: Tensor) -> Tensor:
        """(1 - h) y + N^T h y."""
        held = self.held.to(y.device)
        return torch.where(held, 0, y) + around(torch.where(held, y / self._neighbours(y), 0), self.axes)

    def count(self, y: Tensor) -> int:
        """All but the held-out ones."""
        return y[0].numel() - int(self.held.sum())

    def _neighbours(self, like: Tensor) -> Tensor:
        """How many each voxel has; where none, 1."""
        return around(torch.ones_like(like[:1, :1]), self.axes).clamp(min=1)


@dataclass(frozen=True, eq=False)
class Thinned(Composed):
    """A resampling, some of whose voxels were held out; baselines ask for its grid."""

    @property
    def grid(self) -> Tensor:
        """The resampling's."""
        return self.inner.grid  # type: ignore[attr-defined]


def around(x: Tensor, axes: Sequence[int]) -> Tensor:
    """The sum of the face neighbours of every voxel; nothing lies outside the volume."""
    total = torch.zeros_like(x)
    for axis in axes:
        rest = x.shape[axis] - 1
        total.narrow(axis, 1, rest).add_(x.narrow(axis, 0, rest))
        total.narrow(axis, 0, rest).add_(x.narrow(axis, 1, rest))
    return total


def apart(shape: Sequence[int], share: float, random: np.random.Generator) -> Tensor:
    """So many voxels at random, no two of them face neighbours: the highest peaks of white noise. bool (X, Y, Z)."""
    height = random.random(tuple(shape))
    peak = np.ones(height.shape, dtype=bool)
    for axis in range(height.ndim):
        lower, upper = np.moveaxis(height, axis, 0)[:-1], np.moveaxis(height, axis, 0)[1:]
        along = np.moveaxis(peak, axis, 0)
        along[:-1] &= lower > upper
        along[1:] &= upper > lower
    places = np.flatnonzero(peak)
    wanted = max(1, round(share * height.size))
    chosen = places[np.argsort(-height.flat[places], kind="stable")[:wanted]]
    held = np.zeros(height.size, dtype=bool)
    held[chosen] = True
    return torch.from_numpy(held.reshape(height.shape))
