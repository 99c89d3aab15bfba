"""How k-space is laid out, found from where its energy is.

Along a transformed axis a few lines around the centre hold nearly all energy; along coils, slices and a readout that
is in image space already it is spread out. With p_i the energy of line i, (sum p)^2 / sum p^2 is how many lines hold
it: 2 to 5 for k-space, a third to two thirds of all for images.
"""

import cmath
import math

import numpy as np
import torch
from torch import Tensor

from scidiff.store.errors import UserError
from scidiff.volumes.operators.coils import calibrated
from scidiff.volumes.operators.kspace import inverse_fourier

_FOCUSED, _SPREAD = 0.15, 0.25  # shares of the lines
_FEW = (3.0, 3.5)  # lines, where axes are short
_HALF = (0.55, 0.6)  # of the lines, where axes are a few lines long
_MANY_COILS = 16  # below, the first of three axes is coils
_GAP = 3.0  # times the energy of the gap have the two ends of an image that lies across the edge
_LEAST = 8  # voxels, to tell a gap


def profile(y: Tensor, axis: int) -> np.ndarray:
    """Energy of every line across one axis."""
    power = y.abs().square()
    return power.sum([other for other in range(y.dim()) if other != axis % y.dim()]).double().cpu().numpy()


def transformed(p: np.ndarray) -> bool | None:
    """Whether a profile is k-space's; None where it cannot be told."""
    above = np.clip(p - np.quantile(p[p > 0], 0.1), 0, None) if len(p) > 4 else p
    lines, n = above.sum() ** 2 / max(np.square(above).sum(), np.finfo(float).tiny), len(p)
    if lines <= max(_FOCUSED * n, min(_FEW[0], _HALF[0] * n)):
        return True
    return False if lines >= max(_SPREAD * n, min(_FEW[1], _HALF[1] * n)) else None


def has_coils(y: Tensor) -> bool:
    """Whether the first of three axes is coils, and not X."""
    return len(y) < _MANY_COILS or not transformed(profile(y, 0))


def find_axes(y: Tensor, path: object) -> tuple[int, ...]:
    """Which of the last three axes of (C, X, Y, Z) are in k-space.

    Raises:
        UserError: none, or one cannot be told.
    """
    looks = {axis: transformed(profile(y, axis - 3)) for axis in range(3) if y.shape[axis - 3] > 1}
    unsure = [axis for axis, look in looks.items() if look is None]
    if unsure:
        raise UserError(f"{path} may or may not be k-space along axis {unsure[0]}; name the transformed axes: axes=.")
    axes = tuple(axis for axis, look in looks.items() if look)
    if not axes:
        raise UserError(f"{path} is not k-space along any axis: its energy has no centre. Are these images?")
    return axes


def off_centre(y: Tensor, axes: tuple[int, ...], path: object) -> tuple[int, ...]:
    """Axes along which the centre of k-space is index 0 instead of n // 2.

    Raises:
        UserError: it is neither.
    """
    return tuple(axis for axis in axes if _starts(profile(y, axis - 3), axis, path))


def _starts(p: np.ndarray, axis: int, path: object) -> bool:
    peak, n = int(p.argmax()), len(p)
    from_centre, from_start = abs(peak - n // 2), min(peak, n - peak)
    if min(from_centre, from_start) > max(n / 8, 1):
        raise UserError(
            f"The strongest line of {path} along axis {axis} is number {peak} of {n}, neither in the middle nor at 0. "
            "Pad k-space so that its centre is n // 2, or add centred=true to take it as it is."
        )
    return from_start < from_centre


def across_edge(y: Tensor, mask: Tensor, axes: tuple[int, ...]) -> tuple[int, ...]:
    """Axes along which the image lies across the edge of the field of view: it was transformed without ifftshift.

    Judged by the image of the calibrated centre; no axes where there is none.
    """
    block = calibrated(mask.expand(y.shape[-3:]), axes, 24)
    if any(block[axis] < min(4, y.shape[axis - 3]) for axis in axes):
        return ()
    keep = torch.zeros(y.shape[-3:])
    keep[tuple(slice(n // 2 - b // 2, n // 2 - b // 2 + b) for n, b in zip(keep.shape, block, strict=True))] = 1
    image = inverse_fourier(y * keep, axes)
    return tuple(axis for axis in axes if _split(profile(image, axis - 3)))


def _split(p: np.ndarray) -> bool:
    """Bright at both ends and dark in the middle; a slab that is cut off is bright at one end, or throughout."""
    n = len(p)
    if n < _LEAST:
        return False
    end, gap = n // 8, max(n // 16, 1)
    return bool(min(p[:end].mean(), p[-end:].mean()) > _GAP * p[n // 2 - gap : n // 2 + gap].mean())


def centre(y: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Index 0 goes to n // 2."""
    return torch.fft.fftshift(y, [axis - 3 for axis in axes if axis - 3 >= -y.dim()]) if axes else y


def roll_image(y: Tensor, axes: tuple[int, ...]) -> Tensor:
    """k-space of the image rolled by -(n // 2): a phase ramp."""
    for axis in axes:
        n = y.shape[axis - 3]
        turn = cmath.exp(2j * math.pi * (n // 2) / n)
        ramp = torch.tensor([turn ** (k - n // 2) for k in range(n)], dtype=torch.complex64)
        y = y * ramp.reshape([-1 if a == axis else 1 for a in range(3)])
    return y
