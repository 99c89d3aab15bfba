"""Coil sensitivity maps: estimated from the calibrated centre of k-space, or simulated.

Low-resolution maps: S_c = I_c / sqrt(sum_c |I_c|^2), with I_c the image of coil c from the windowed centre of k-space.
McKenzie et al. 2002 (doi 10.1002/mrm.10087). The image's own slow phase stays in the maps, so that what they multiply
is real: the volume that `KSpace` asks for.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from scidiff.store.errors import UserError
from scidiff.volumes.operators.check import by, check_fits
from scidiff.volumes.operators.kspace import inverse_fourier


def estimate_maps(kspace: Tensor, mask: Tensor, axes: tuple[int, ...] = (0, 1, 2), width: int = 24) -> Tensor:
    """Sensitivity maps from the data themselves.

    Args:
        kspace: (B, C, X, Y, Z) or (C, X, Y, Z), complex.
        mask: bool, what was sampled; broadcasts to (X, Y, Z).
        axes: transformed axes.
        width: at most so many lines of the centre along each axis.

    Returns:
        complex, shaped as `kspace`, sum_c |S_c|^2 = 1.

    Raises:
        UserError: not complex coil data, a mask of another shape, or a centre that was not fully sampled.
    """
    if not kspace.is_complex() or kspace.dim() not in (4, 5):
        raise UserError(f"Coil data are complex and coils x X x Y x Z, not {kspace.dtype} {by(kspace.shape)}.")
    check_fits(mask, kspace.shape[-3:], "sampling mask")
    block = calibrated(mask.expand(kspace.shape[-3:]), axes, width)
    if all(size == 1 for axis, size in enumerate(block) if axis in axes and kspace.shape[axis - 3] > 1):
        raise UserError("The centre of k-space was not fully sampled, so that coil maps cannot be estimated from it.")
    images = inverse_fourier(kspace * _window(kspace, block, axes), axes)
    total = images.abs().square().sum(-4, keepdim=True).sqrt()
    return images / total.clamp(min=1e-6 * float(total.max()))


def calibrated(mask: Tensor, axes: tuple[int, ...], width: int) -> tuple[int, int, int]:
    """Sizes of the largest centred box of `mask` (X, Y, Z) that is fully sampled, grown evenly up to `width`."""
    box = [1 if axis in axes else size for axis, size in enumerate(mask.shape)]
    growing = set(axes)
    while growing:
        axis = min(growing, key=lambda a: (box[a] / mask.shape[a], a))
        larger = [size + (a == axis) for a, size in enumerate(box)]
        if larger[axis] <= min(width, mask.shape[axis]) and bool(mask[_centred(mask.shape, larger)].all()):
            box = larger
        else:
            growing.remove(axis)
    return box[0], box[1], box[2]


def phase_map(shape: Sequence[int], seed: int = 0, strength: float = 1.0) -> Tensor:
    """A slow random phase (X, Y, Z) in radians, as single-coil images have: a plane and its products over the volume.

    Args:
        shape: (X, Y, Z).
        seed: of the coefficients.
        strength: their deviation in radians, at the faces of the volume.
    """
    x, y, z = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in shape), indexing="ij")
    terms = torch.stack([torch.ones_like(x), x, y, z, x * y, y * z, z * x, x * x, y * y, z * z])
    return torch.tensordot(strength * torch.randn(10, generator=torch.Generator().manual_seed(seed)), terms, 1)


def ring_maps(shape: Sequence[int], coils: int = 8, reach: float = 0.8) -> Tensor:
    """Simulated maps (coils, X, Y, Z), sum_c |S_c|^2 = 1: Gaussian bells on a ring around the last axis.

    Args:
        shape: (X, Y, Z).
        coils: how many.
        reach: width of the bells; the volume reaches from -1 to 1.
    """
    x, y, z = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in shape), indexing="ij")
    angle = 2 * math.pi * torch.arange(coils).reshape(-1, 1, 1, 1) / coils
    height = 0.4 * (-1.0) ** torch.arange(coils).reshape(-1, 1, 1, 1)  # two rows, as head coils have
    distance = (x - angle.cos()) ** 2 + (y - angle.sin()) ** 2 + (z - height) ** 2
    bells = torch.exp(-distance / (2 * reach**2))
    phase = angle + 0.5 * (x * angle.cos() + y * angle.sin())
    return torch.polar(bells, phase) / bells.square().sum(0).sqrt()


def _centred(shape: Sequence[int], box: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(n // 2 - b // 2, n // 2 - b // 2 + b) for n, b in zip(shape, box, strict=True))


def _window(kspace: Tensor, block: Sequence[int], axes: tuple[int, ...]) -> Tensor:
    """Hann along the transformed axes of the block, zero outside: without it the maps would ring."""
    shape = kspace.shape[-3:]
    window = torch.zeros(shape, device=kspace.device)
    window[_centred(shape, block)] = 1.0
    for axis in axes:
        offset = torch.arange(shape[axis], device=kspace.device) - shape[axis] // 2
        hann = (math.pi * offset / (block[axis] + 1)).cos().clamp(min=0) ** 2
        window = window * hann.reshape([-1 if a == axis else 1 for a in range(3)])
    return window
