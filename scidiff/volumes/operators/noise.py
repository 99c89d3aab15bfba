"""Noise: the models that degrade, and estimates of the level found in a volume."""

import math

import torch
from torch import Tensor

from scidiff.engine.noise import Noise
from scidiff.store.errors import UserError
from scidiff.volumes.operators.check import by


def gaussian(y: Tensor, sigma: float, noise: Noise) -> Tensor:
    """y + sigma e: white noise with E |e|^2 = 1, for complex y half of it in each component.

    Args:
        y: (B, ...), real or complex.
        sigma: in the units of y, 0 or more.
        noise: a seed a sample.

    Raises:
        UserError: a negative sigma.
    """
    _check(sigma)
    if not y.is_complex():
        return y + sigma * noise.normal(y)
    return y + sigma / math.sqrt(2) * torch.view_as_complex(noise.normal(torch.view_as_real(y)))


def rician(x: Tensor, sigma: float, noise: Noise) -> Tensor:
    """|x + sigma (e_1 + i e_2)|: the magnitude of an image with noise sigma in each component.

    Gudbjartsson, Patz 1995 (doi 10.1002/mrm.1910340618). Same arguments and errors as `gaussian`, real x.
    """
    _check(sigma)
    return torch.hypot(x + sigma * noise.normal(x), sigma * noise.normal(x))


NOISES = {"gaussian": gaussian, "rician": rician}


def noise_level(volume: Tensor, inside: Tensor | None = None) -> float:
    """sigma of white noise: median |d| / 0.6745 over the finest diagonal band d of a 3D wavelet transform.

    d takes Daubechies' four-tap high-pass along every axis (Donoho, Johnstone 1994, doi 10.1093/biomet/81.3.425), where
    the bands that are high along one axis only, whose noise is independent of d's, show no more than their median: off
    the edges. A painted background (0 or the lowest value, if a hundredth of all voxels have it) is left out.
    The air of magnitude MRI has less noise than the head: name the head by `inside`, or see `background_noise`.

    Args:
        volume: (X, Y, Z), leading axes of size 1 allowed; axes shorter than four voxels are not filtered.
        inside: bool, where to look, of the volume's shape; everywhere when not given.

    Returns:
        sigma in the units of the volume, 0 for a constant one.

    Raises:
        UserError: a volume with NaN or infinite voxels, or without any axis of four voxels; a mask of another shape.
    """
    if not bool(torch.isfinite(volume).all()):
        raise UserError("The volume has NaN or infinite voxels, so its noise cannot be estimated.")
    if inside is not None and inside.shape != volume.shape:
        raise UserError(f"The mask has the shape {by(inside.shape)}, the volume {by(volume.shape)}.")
    axes = [axis for axis in (-3, -2, -1) if volume.shape[axis] >= len(_HIGH_PASS)]
    if not axes:
        raise UserError("The volume has no axis of four voxels or more, so its noise cannot be estimated.")
    usable = ~_near(_painted(volume) if inside is None else ~inside, axes)
    diagonal = _band(volume, axes, axes)[usable]
    if not len(diagonal):
        return 0.0
    edges = torch.zeros_like(diagonal)
    for axis in axes if len(axes) > 1 else []:
        edges += _band(volume, axes, [axis])[usable].square()
    return float(diagonal[edges <= edges.median()].abs().median()) / _NORMAL_MEDIAN


def background_noise(volume: Tensor, background: Tensor) -> float:
    """sigma of each component of magnitude MRI, from air: mean / sqrt(pi / 2), as Rayleigh noise has it.

    Args:
        volume: (X, Y, Z), magnitudes.
        background: bool, true in air; of the volume's shape.

    Raises:
        UserError: masks of another shape or without voxels, or air that is not Rayleigh: zeroed, filtered or not air
            (its deviation is not 0.523 of its mean, within a tenth).
    """
    if background.shape != volume.shape or background.dtype != torch.bool or not bool(background.any()):
        raise UserError("The background must be a mask of the volume's shape with some voxels true.")
    air = volume[background].double()
    mean, deviation = float(air.mean()), float(air.std(correction=0))
    if not abs(deviation - _RAYLEIGH_RATIO * mean) < 0.1 * _RAYLEIGH_RATIO * mean:
        raise UserError("The background is not the noise of a magnitude image: it was zeroed, filtered or is not air.")
    return mean / math.sqrt(math.pi / 2)


_NORMAL_MEDIAN = 0.6744897501960817  # median of |N(0, 1)|
_RAYLEIGH_RATIO = math.sqrt(4 / math.pi - 1)
_ROOT = math.sqrt(3)
_LOW_PASS = [value / (4 * math.sqrt(2)) for value in (1 + _ROOT, 3 + _ROOT, 3 - _ROOT, 1 - _ROOT)]
_HIGH_PASS = [sign * value for sign, value in zip((1, -1, 1, -1), reversed(_LOW_PASS), strict=True)]


def _band(volume: Tensor, axes: list[int], high: list[int]) -> Tensor:
    """High-pass along some of the axes, low-pass along the others; white noise keeps its deviation."""
    values = volume.float()
    for axis in axes:
        taps = _HIGH_PASS if axis in high else _LOW_PASS
        first, second, third, fourth = _windows(values, axis)
        values = taps[0] * first + taps[1] * second + taps[2] * third + taps[3] * fourth
    return values


def _windows(values: Tensor, axis: int) -> list[Tensor]:
    """The first, second, third and fourth voxel of every second window along the axis."""
    last = values.shape[axis] - len(_HIGH_PASS)
    places = [torch.arange(first, first + last + 1, 2, device=values.device) for first in range(len(_HIGH_PASS))]
    return [values.index_select(axis, place) for place in places]


def _near(mask: Tensor, axes: list[int]) -> Tensor:
    """Where a window of the transform touches the mask."""
    for axis in axes:
        mask = torch.stack(_windows(mask, axis)).any(0)
    return mask


def _painted(volume: Tensor) -> Tensor:
    """Voxels of the lowest value, or of 0, where so many share it that it was put there."""
    shared = [volume == value for value in (0, volume.min())]
    kept = [same for same in shared if float(same.double().mean()) > 0.01]
    return torch.stack(kept).any(0) if kept else torch.zeros_like(shared[0])


def _check(sigma: float) -> None:
    if not sigma >= 0:
        raise UserError(f"The noise level must be 0 or more, not {sigma:g}.")
