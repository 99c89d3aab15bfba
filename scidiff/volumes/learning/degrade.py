"""What scanners might have done: a random operator and noise for each task, for a volume of a given shape.

Volumes are in units of [0, 1], so a noise of 0.1 is a tenth of the brightest tissue.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scidiff.engine.noise import Noise
from scidiff.engine.operator import Observation, Operator
from scidiff.volumes.operators.coils import phase_map, ring_maps
from scidiff.volumes.operators.identity import Identity
from scidiff.volumes.operators.kspace import KSpace
from scidiff.volumes.operators.mask import Mask
from scidiff.volumes.operators.noise import NOISES
from scidiff.volumes.operators.radon import Radon, views
from scidiff.volumes.operators.resample import Resample
from scidiff.volumes.operators.sampling import sampling

Random = np.random.Generator
Shape = tuple[int, int, int]
VIEWS = (12, 16, 20, 24, 30, 40, 60, 90)
THIN = 8  # voxels: an axis too short to leave out some of its lines
QUIETEST = 1e-3  # an observation without any noise has none that could be weighed against a prior


@dataclass(frozen=True, eq=False)
class Degradation:
    """An operator and its noise; sigma as `Observation` has it."""

    operator: Operator
    sigma: float
    noise: str = "gaussian"

    def observe(self, x: Tensor, noise: Noise) -> Observation:
        """y = A x + e for x (B, 1, X, Y, Z); what was not measured stays 0, as `Operator.count` has it."""
        y = NOISES[self.noise](self.operator(x), self.sigma, noise)
        if isinstance(self.operator, KSpace):
            y = self.operator.mask.to(y.device) * y
        elif isinstance(self.operator, Mask):
            y = self.operator(y)
        return Observation(y, self.operator, max(self.sigma, QUIETEST))


def denoise(x: Tensor, random: Random) -> Degradation:
    """White noise from 2 to 30 %, one time in four Rician."""
    return Degradation(Identity(), _log_uniform(random, 0.02, 0.3), "rician" if random.random() < 0.25 else "gaussian")


def inpaint(x: Tensor, random: Random) -> Degradation:
    """Holes like lesions and probes, missing slices, or voxels missing one by one; never all of a small volume."""
    seen = np.zeros(1, dtype=bool)
    while not seen.any():
        kind = random.choice([_holes, _missing_slices, _missing_voxels], p=[0.45, 0.4, 0.15])
        seen = kind(tuple(x.shape[2:]), random)
    return Degradation(Mask(torch.from_numpy(seen)), random.choice([0.0, 0.01]))


def superres(x: Tensor, random: Random) -> Degradation:
    """Coarser voxels along all axes, or thick slices along one."""
    shape = tuple(x.shape[2:])
    if random.random() < 0.45:
        factors = [2.0 if random.random() < 0.7 else random.uniform(1.3, 3.0)] * 3
    else:
        factors = [1.0] * 3
        factors[random.integers(3)] = random.choice([2.0, 3.0, 4.0, 4.0, 5.0, 6.0])
    profile = "gaussian" if random.random() < 0.2 else "box"
    factors = [max(min(factor, size / 2), 1.0) for factor, size in zip(factors, shape, strict=True)]
    return Degradation(Resample(shape, tuple(factors), profile), random.choice([0.0, 0.01, 0.02], p=[0.6, 0.25, 0.15]))


def mri(x: Tensor, random: Random) -> Degradation:
    """Lines of a 2D, or points of a 3D Cartesian acquisition, one coil with phase or six; x fully sampled along 0."""
    shape, seed = tuple(x.shape[2:]), int(random.integers(2**31))
    axes = [(1,), (2,), (1, 2), (1, 2)][random.integers(4)]
    if min(shape[axis] for axis in axes) < THIN:
        axes = (1,) if shape[1] >= shape[2] else (2,)
    most = max(math.prod(shape[axis] for axis in axes) / 2, 1.0)  # a line besides the centre, in the smallest piece
    mask = sampling(shape, min(_log_uniform(random, 2.5, 10), most), axes, seed=seed)
    if random.random() < 0.25:
        maps = ring_maps(shape, 6) * torch.polar(torch.tensor(1.0), phase_map(shape, seed))
    else:
        maps = torch.polar(torch.tensor(1.0), phase_map(shape, seed))[None]
    return Degradation(KSpace(mask, (1, 2), maps), _log_uniform(random, 0.005, 0.04))


def ct(x: Tensor, random: Random) -> Degradation:
    """Few parallel views of slices across axis 0, noise of up to 1 % of the largest line integral."""
    operator = Radon(tuple(x.shape[3:]), views(int(random.choice(VIEWS))), axis=0)
    largest = float(operator(x).max())
    return Degradation(operator, max(largest, 1.0) * _log_uniform(random, 0.0005, 0.01))


DRAW: dict[str, Callable[[Tensor, Random], Degradation]] = {
    "denoise": denoise,
    "inpaint": inpaint,
    "superres": superres,
    "mri": mri,
    "ct": ct,
}
"""task -> (x (1, 1, X, Y, Z), random) -> degradation."""

PLANAR = ("mri", "ct")  # need whole slices, across axis 0


def _log_uniform(random: Random, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def _holes(shape: Shape, random: Random) -> np.ndarray:
    """Ellipsoids of 3 to 12 voxels' half axes, four to sixteen of them."""
    kept = np.ones(shape, dtype=bool)
    grid = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij", sparse=True)
    for _ in range(random.integers(4, 17)):
        centre, half = random.uniform(0, shape), random.uniform(2, 8) * random.uniform(0.7, 1.5, 3)
        inside = sum(((g - c) / h) ** 2 for g, c, h in zip(grid, centre, half, strict=True)) < 1
        kept &= ~inside
    return kept


def _missing_slices(shape: Shape, random: Random) -> np.ndarray:
    """Every second slice, or runs of up to four slices, along any axis."""
    axis = random.integers(3)
    seen = np.ones(shape[axis], dtype=bool)
    if random.random() < 0.6:
        seen[random.integers(2) :: 2] = False
    else:
        run = random.integers(1, 5)
        for first in range(random.integers(1, 6), len(seen), 2 * run + random.integers(0, 6)):
            seen[first : first + run] = False
    return np.broadcast_to(seen.reshape([-1 if a == axis else 1 for a in range(3)]), shape).copy()


def _missing_voxels(shape: Shape, random: Random) -> np.ndarray:
    return random.random(shape) < random.uniform(0.2, 0.9)
