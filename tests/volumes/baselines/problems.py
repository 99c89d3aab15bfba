"""One small problem of every kind on a procedural head, with noise of a seed."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from volumes.heads import head

from scidiff.engine.noise import Noise
from scidiff.engine.operator import Operator
from scidiff.volumes.operators import Identity, KSpace, Mask, Radon, Resample
from scidiff.volumes.operators.coils import phase_map, ring_maps
from scidiff.volumes.operators.mask import slices
from scidiff.volumes.operators.noise import gaussian
from scidiff.volumes.operators.radon import views
from scidiff.volumes.operators.sampling import sampling

SHAPE = (32, 36, 28)


def holes() -> Tensor:
    """Half of all voxels, at random."""
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(5)) > 0.5


def lesion() -> Tensor:
    """All but a box of 6 x 7 x 8 voxels."""
    kept = torch.ones(SHAPE, dtype=torch.bool)
    kept[12:18, 8:15, 10:18] = False
    return kept


def fourfold(maps: Tensor) -> KSpace:
    return KSpace(sampling(SHAPE, 4, axes=(1, 2)), maps=maps)


def fan() -> Radon:
    from scidiff.volumes.operators.footprint import Fan

    return Radon(SHAPE[:2], views(40, 360), fan=Fan(200.0, 400.0), pitch=2.0)


PROBLEMS: dict[str, tuple[str, Callable[[], Operator], float]] = {
    "noise": ("denoise", Identity, 0.1),
    "coarse": ("superres", lambda: Resample(SHAPE, (2.0, 2.0, 2.0)), 0.005),
    "uneven": ("superres", lambda: Resample(SHAPE, (1.0, 1.5, 1.0)), 0.005),
    "thick": ("superres", lambda: Resample(SHAPE, (1.0, 1.0, 4.0)), 0.005),
    "holes": ("inpaint", lambda: Mask(holes()), 0.01),
    "lesion": ("inpaint", lambda: Mask(lesion()), 0.01),
    "slices": ("inpaint", lambda: slices(SHAPE, list(range(0, SHAPE[2], 2))), 0.01),
    "kspace": ("mri", lambda: fourfold(torch.polar(torch.ones(SHAPE), phase_map(SHAPE))[None]), 0.01),
    "coils": ("mri", lambda: fourfold(ring_maps(SHAPE, 4)), 0.01),
    "views": ("ct", lambda: Radon(SHAPE[:2], views(30)), 0.1),
    "fan": ("ct", fan, 0.1),
}
"""Name -> task, operator, noise."""


@cache
def truth(count: int = 1) -> Tensor:
    """Heads (B, 1, X, Y, Z) in [0, 1]."""
    return torch.stack([torch.from_numpy(head(SHAPE, seed))[None] for seed in range(count)])


def observe(operator: Operator, sigma: float, x: Tensor) -> Tensor:
    return gaussian(operator(x), sigma, Noise.of(3, torch.arange(len(x))))


def psnr(x: Tensor, reference: Tensor) -> float:
    """In decibels, of intensities in [0, 1]."""
    return float(-10 * (x - reference).square().mean().log10())
