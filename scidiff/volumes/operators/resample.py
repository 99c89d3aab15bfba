"""Coarser voxels and thicker slices: each coarse value is the mean of the fine volume under a slice profile.

y_j = sum_i W_ji x_i along each axis, W_ji the integral over voxel i of the profile p(u - u_j), rows normalised to one.
The coarse grid is centred on the fine one: u_j = n / 2 + (j - (m - 1) / 2) f in fine voxels, m = round(n / f).
"""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from scidiff.engine.operator import Operator
from scidiff.store.errors import UserError
from scidiff.volumes.operators.check import check_shape

PROFILES = ("box", "gaussian")


@dataclass(frozen=True)
class Resample(Operator):
    """Averages along the axes whose factor is not 1; x2 isotropic is (2, 2, 2), x4 thick slices (1, 1, 4).

    Args:
        shape: (X, Y, Z) of the fine volume.
        factors: coarse spacing over fine spacing by axis, 1 or more, whole or not.
        profile: "box" of full width `thickness`, or "gaussian" of that full width at half maximum.
        thickness: slice thickness in fine voxels by axis; the factors when not given (slices side by side).

    Raises:
        UserError: a factor below 1 or larger than the volume, a thickness of 0, an unknown profile; (when used) data
            of another shape.
    """

    shape: tuple[int, int, int]
    factors: tuple[float, float, float]
    profile: str = "box"
    thickness: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise UserError(f"The slice profile is one of {', '.join(PROFILES)}, not {self.profile!r}.")
        for size, factor, width in zip(self.shape, self.factors, self.thickness or self.factors, strict=True):
            if not 1 <= factor <= size:
                raise UserError(f"A factor must be between 1 and the {size} voxels of its axis, not {factor:g}.")
            if width <= 0:
                raise UserError(f"A slice must be thicker than 0, not {width:g}.")

    @property
    def coarse(self) -> tuple[int, int, int]:
        """(X, Y, Z) of what is seen."""
        x, y, z = (coarse_size(size, factor) for size, factor in zip(self.shape, self.factors, strict=True))
        return x, y, z

    @property
    def grid(self) -> Tensor:
        """(4, 4) float64, coarse voxel indices to fine ones: affine_coarse = affine_fine @ grid."""
        sizes = zip(self.shape, self.coarse, self.factors, strict=True)
        grid = torch.diag(torch.tensor([*self.factors, 1.0], dtype=torch.float64))
        grid[:3, 3] = torch.tensor([(n - 1) / 2 - (m - 1) / 2 * f for n, m, f in sizes], dtype=torch.float64)
        return grid

    def __call__(self, x: Tensor) -> Tensor:
        check_shape(x, self.shape, "volume")
        for axis, matrix in self._matrices(x):
            x = _along(matrix, x, axis)
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """W^T y."""
        check_shape(y, self.coarse, "coarse volume")
        for axis, matrix in self._matrices(y):
            y = _along(matrix.T, y, axis)
        return y

    def _matrices(self, like: Tensor) -> list[tuple[int, Tensor]]:
        """The axes that are resampled, each with its W."""
        rows = zip(range(-3, 0), self.shape, self.factors, self.thickness or self.factors, strict=True)
        return [(axis, profile_matrix(n, f, w, self.profile).to(like)) for axis, n, f, w in rows if f != 1]


def coarse_size(size: int, factor: float) -> int:
    """m = round(n / f): a fine axis of round(m f) voxels gives m back."""
    return math.floor(size / factor + 0.5)


@functools.lru_cache(maxsize=64)
@torch.inference_mode(mode=False)  # kept: training may follow sampling
def profile_matrix(size: int, factor: float, width: float, profile: str) -> Tensor:
    """W (m, n), float64: the share of each fine voxel in each coarse one."""
    count = coarse_size(size, factor)
    centre = size / 2 + (torch.arange(count, dtype=torch.float64) - (count - 1) / 2) * factor
    edge = torch.arange(size + 1, dtype=torch.float64) - centre[:, None]
    below = _below_box(edge, width) if profile == "box" else _below_gaussian(edge, width)
    weights = below.diff(dim=1)
    return weights / weights.sum(1, keepdim=True)


def _below_box(u: Tensor, width: float) -> Tensor:
    """The integral of the profile up to u."""
    return (u / width + 0.5).clamp(0, 1)


def _below_gaussian(u: Tensor, width: float) -> Tensor:
    """The integral of the profile up to u; full width at half maximum = 2 sqrt(2 ln 2) deviations."""
    return torch.special.ndtr(u / width * math.sqrt(8 * math.log(2)))


def _along(matrix: Tensor, x: Tensor, axis: int) -> Tensor:
    """The matrix along an axis, counted from the end; nothing is transposed, which would cost more than the product."""
    if axis == -1:
        return x @ matrix.T
    rows = x.flatten(axis + 1)  # (..., n, what is behind the axis)
    return (matrix @ rows).unflatten(-1, x.shape[axis + 1 :])
