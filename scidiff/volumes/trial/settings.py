"""The fixed problems that models are judged by: one list of names.

Volumes are in units of [0, 1]. Holes, masks, phases and noise depend on the seed alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from scidiff.volumes.foreground import foreground_of
from scidiff.volumes.learning.degrade import Degradation
from scidiff.volumes.operators.coils import phase_map, ring_maps
from scidiff.volumes.operators.identity import Identity
from scidiff.volumes.operators.kspace import KSpace
from scidiff.volumes.operators.mask import Mask, slices
from scidiff.volumes.operators.radon import Radon, views
from scidiff.volumes.operators.resample import Resample
from scidiff.volumes.operators.sampling import sampling

MRI_NOISE, CT_NOISE = 0.01, 0.002  # of the brightest tissue; of the largest line integral
COILS = 8


@dataclass(frozen=True)
class Setting:
    """One way to degrade.

    Attributes:
        task: whose problem it is.
        meaning: in a few words.
        degrade: (x (1, 1, X, Y, Z), seed) -> degradation.
    """

    task: str
    meaning: str
    degrade: Callable[[Tensor, int], Degradation]


def noisy(x: Tensor, seed: int, sigma: float) -> Degradation:
    """White Gaussian noise."""
    return Degradation(Identity(), sigma)


def coarse(x: Tensor, seed: int, factors: tuple[float, float, float]) -> Degradation:
    """Block averages, no noise."""
    return Degradation(Resample(tuple(x.shape[2:]), factors), 0.0)


def lesions(x: Tensor, seed: int, count: int = 12) -> Degradation:
    """Ellipsoids of half axes from 3 to 9 voxels about voxels of the foreground."""
    random = np.random.default_rng(seed)
    inside = np.argwhere(foreground_of(x[0, 0].numpy()))
    grid = np.meshgrid(*(np.arange(n) for n in x.shape[2:]), indexing="ij", sparse=True)
    kept = np.ones(x.shape[2:], dtype=bool)
    for centre in inside[random.integers(len(inside), size=count)]:
        half = random.uniform(3, 9, 3)
        kept &= sum(((g - c) / h) ** 2 for g, c, h in zip(grid, centre, half, strict=True)) >= 1
    return Degradation(Mask(torch.from_numpy(kept)), 0.0)


def every_second_slice(x: Tensor, seed: int) -> Degradation:
    """Half of the slices across the last axis."""
    shape = tuple(x.shape[2:])
    return Degradation(slices(shape, list(range(0, shape[2], 2))), 0.0)


def lines(x: Tensor, seed: int, acceleration: float, coils: int = 1) -> Degradation:
    """Slices across the last axis, coils whose maps are known, phase: random lines of axis 1, a calibrated centre."""
    shape = tuple(x.shape[2:])
    mask = sampling(shape, acceleration, (1,), seed=seed)
    maps = torch.polar(torch.tensor(1.0), phase_map(shape, seed))[None]
    if coils > 1:
        maps = maps * ring_maps(shape, coils)
    return Degradation(KSpace(mask, (0, 1), maps), MRI_NOISE)


def sparse_views(x: Tensor, seed: int, count: int) -> Degradation:
    """Parallel views of slices across the last axis, evenly over 180 degrees."""
    operator = Radon(tuple(x.shape[2:4]), views(count))
    return Degradation(operator, CT_NOISE * float(operator(x).max()))


SETTINGS: dict[str, Setting] = {
    "denoise-0.05": Setting("denoise", "Gaussian noise of 5 %", partial(noisy, sigma=0.05)),
    "denoise-0.1": Setting("denoise", "Gaussian noise of 10 %", partial(noisy, sigma=0.1)),
    "denoise-0.2": Setting("denoise", "Gaussian noise of 20 %", partial(noisy, sigma=0.2)),
    "superres-2": Setting("superres", "voxels twice as large along all axes", partial(coarse, factors=(2.0, 2.0, 2.0))),
    "superres-thick-4": Setting("superres", "slices four times as thick", partial(coarse, factors=(1.0, 1.0, 4.0))),
    "inpaint-lesions": Setting("inpaint", "twelve holes of lesion size", lesions),
    "inpaint-slices": Setting("inpaint", "every second slice missing", every_second_slice),
    "mri-4": Setting("mri", "a quarter of the k-space lines, one coil", partial(lines, acceleration=4)),
    "mri-8": Setting("mri", "an eighth of the k-space lines, one coil", partial(lines, acceleration=8)),
    "mri-coils-4": Setting(
        "mri", "a quarter of the k-space lines, eight coils", partial(lines, acceleration=4, coils=COILS)
    ),
    "mri-coils-8": Setting(
        "mri", "an eighth of the k-space lines, eight coils", partial(lines, acceleration=8, coils=COILS)
    ),
    "ct-60": Setting("ct", "60 views", partial(sparse_views, count=60)),
    "ct-30": Setting("ct", "30 views", partial(sparse_views, count=30)),
    "ct-16": Setting("ct", "16 views", partial(sparse_views, count=16)),
}
"""name -> setting."""
