"""The phase of the image, as finely as the data support it.

Maps from the calibrated centre carry the phase at its resolution; susceptibility and fat turn it faster than that,
and what they turn is lost to a real volume. So a complex image z is solved for with the maps, and the phase of z, at
two or four times the lines of the centre, joins the maps if it predicts measurements that were held out better.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scidiff.engine.operator import Operator
from scidiff.volumes.baselines.leastsquares import cgls
from scidiff.volumes.operators.kspace import KSpace, fourier, inverse_fourier

FINER = (2, 4)  # times the lines of the calibrated centre
_HELD_OUT = 0.1  # of what was sampled outside of the centre
_BETTER = 0.95  # of the error of a coarser phase
_SURE = 16  # lines of the centre along every axis, for more than the first of FINER: below, aliases turn the phase
_STEPS = 10


@dataclass(frozen=True, eq=False)
class Complex(Operator):
    """M F S z for complex z, its real and imaginary part one after the other along the first axis: (B, 1, 2 X, Y, Z).

    Args:
        mask: bool (X, Y, Z).
        axes: transformed axes.
        maps: complex (C, X, Y, Z).
    """

    mask: Tensor
    axes: tuple[int, ...]
    maps: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return self.mask * fourier(self.maps * joined(x), self.axes)

    def adjoint(self, y: Tensor) -> Tensor:
        """sum_c conj(S_c) F^-1 M y_c."""
        z = (self.maps.conj() * inverse_fourier(self.mask * y, self.axes)).sum(1, keepdim=True)
        return torch.cat([z.real, z.imag], -3)

    def count(self, y: Tensor) -> int:
        """Sampled points of all coils."""
        return int(self.mask.sum()) * y.shape[1]


def joined(x: Tensor) -> Tensor:
    """z (B, 1, X, Y, Z) of its two parts."""
    return torch.complex(*x.chunk(2, -3))


def refined(
    maps: Tensor, y: Tensor, mask: Tensor, axes: tuple[int, ...], sigma: float, block: Sequence[int]
) -> tuple[Tensor, int]:
    """Maps with the phase that predicts best.

    Args:
        maps: (C, X, Y, Z), with the phase at the centre's resolution.
        y: (1, C, X, Y, Z), zero where not sampled.
        mask: (X, Y, Z) bool.
        sigma: noise of one number of y.
        block: sizes of the calibrated centre.

    Returns:
        maps, and how many times the centre's lines the phase was taken from; 1 as it was.
    """
    out = held_out(mask, block)
    if not bool(out.any()):
        return maps, 1
    kept = mask & ~out
    z = image(maps, y * kept, kept, axes, sigma)
    best, least = 1, _error(maps, y, kept, out, axes, sigma)
    sure = all(block[axis] >= min(_SURE, mask.shape[axis]) for axis in axes)
    for times in FINER if sure else FINER[:1]:
        error = _error(turned(maps, z, axes, block, times), y, kept, out, axes, sigma)
        if error < _BETTER * least:
            best, least = times, error
    return (maps if best == 1 else turned(maps, image(maps, y, mask, axes, sigma), axes, block, best)), best


def image(maps: Tensor, y: Tensor, mask: Tensor, axes: tuple[int, ...], sigma: float) -> Tensor:
    """The complex image (X, Y, Z) of a few steps of CG-SENSE."""
    return joined(cgls(y, Complex(mask, axes, maps), sigma, _STEPS))[0, 0]


def turned(maps: Tensor, z: Tensor, axes: tuple[int, ...], block: Sequence[int], times: int) -> Tensor:
    """Maps turned by the phase of z, seen through a Hann window of `times` the lines of the centre."""
    spectrum = fourier(z, axes)
    for axis in axes:
        offset = torch.arange(z.shape[axis]) - z.shape[axis] // 2
        width = times * block[axis] + 1
        hann = torch.where(2 * offset.abs() < width, (math.pi * offset / width).cos().square(), 0)
        spectrum = spectrum * hann.reshape([-1 if a == axis else 1 for a in range(3)])
    slow = inverse_fourier(spectrum, axes)
    return maps * torch.polar(torch.ones_like(slow.real), slow.angle())


def held_out(mask: Tensor, block: Sequence[int]) -> Tensor:
    """A tenth of what was sampled outside of the centre: whole lines along axes where all or nothing was sampled."""
    alike = [axis for axis in range(3) if bool((mask == mask.narrow(axis, 0, 1)).all())]
    free = mask.clone()
    free[tuple(slice(n // 2 - b // 2, n // 2 - b // 2 + b) for n, b in zip(mask.shape, block, strict=True))] = False
    if len(alike) < 3:  # else all was sampled, and points are held out
        free = free.amin(alike, keepdim=True) if alike else free
    places = free.flatten().nonzero()[:, 0]
    drawn = places[torch.randperm(len(places), generator=torch.Generator().manual_seed(0))]
    out = torch.zeros_like(free).flatten()
    out[drawn[: math.ceil(_HELD_OUT * len(places))]] = True
    return mask & out.reshape(free.shape)


def _error(maps: Tensor, y: Tensor, kept: Tensor, out: Tensor, axes: tuple[int, ...], sigma: float) -> float:
    """Of what was held out, as the image of the rest predicts it."""
    x = cgls(y * kept, KSpace(kept, axes, maps), sigma, _STEPS)
    return float((out * y - KSpace(out, axes, maps)(x)).abs().square().sum().sqrt())
