"""The phase of the image, as finely as the data support it.

Maps from the calibrated centre carry the phase at its resolution; susceptibility, flow and fat turn it faster, and what
they turn is lost to a real volume. So a complex image z with sparse wavelets is solved for with the maps, and the phase
of z, at two or four times the lines of the centre or as fine as z is, joins the maps if it predicts measurements that
were held out better. On one real slice by eight coils at x4 that was worth 1.5 dB and more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scidiff.engine.operator import Operator
from scidiff.volumes.baselines.leastsquares import cgls
from scidiff.volumes.baselines.variational import Variational
from scidiff.volumes.baselines.wavelets import Wavelets
from scidiff.volumes.operators.kspace import KSpace, fourier, inverse_fourier

FINER = (2, 4, math.inf)  # times the lines of the calibrated centre, at most all
_HELD_OUT = 0.2  # of what was sampled outside of the centre
_BETTER = 0.98  # of the error of a coarser phase
_SURE = 16  # lines of the centre along every axis, for more than the first of FINER: below, aliases turn the phase
_STEPS, _SPARSE_STEPS = 10, 20


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


class Parts:
    """Sparse wavelets of both parts of a `Complex` volume."""

    def __init__(self) -> None:
        self.wavelets = Wavelets()

    def __call__(self, v: Tensor, w: Tensor) -> Tensor:
        """v (1, 1, 2 X, Y, Z)."""
        return torch.cat(self.wavelets(torch.cat(v.chunk(2, -3)), w).chunk(2), -3)


SPARSE = Variational(Parts, strength=1.0, least=3e-4, steps=_SPARSE_STEPS)


def joined(x: Tensor) -> Tensor:
    """z (B, 1, X, Y, Z) of its two parts."""
    return torch.complex(*x.chunk(2, -3))


def refined(
    maps: Tensor, y: Tensor, mask: Tensor, axes: tuple[int, ...], sigma: float, block: Sequence[int]
) -> tuple[Tensor, float]:
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
    """The complex image (X, Y, Z)."""
    return joined(SPARSE(y, Complex(mask, axes, maps), sigma))[0, 0]


def turned(maps: Tensor, z: Tensor, axes: tuple[int, ...], block: Sequence[int], times: float) -> Tensor:
    """Maps turned by the phase of z, seen through a Hann window of `times` the lines of the centre."""
    slow = z if times == math.inf else blurred(z, axes, [times * lines for lines in block])
    return maps * torch.polar(torch.ones_like(slow.real), slow.angle())


def blurred(z: Tensor, axes: tuple[int, ...], lines: Sequence[float]) -> Tensor:
    """z through a Hann window of so many of its lines in k-space."""
    spectrum = fourier(z, axes)
    for axis in axes:
        offset = torch.arange(z.shape[axis]) - z.shape[axis] // 2
        width = lines[axis] + 1
        hann = torch.where(2 * offset.abs() < width, (math.pi * offset / width).cos().square(), 0)
        spectrum = spectrum * hann.reshape([-1 if a == axis else 1 for a in range(3)])
    return inverse_fourier(spectrum, axes)


def held_out(mask: Tensor, block: Sequence[int]) -> Tensor:
    """A part of what was sampled outside of the centre: whole lines along axes where all or nothing was sampled."""
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
