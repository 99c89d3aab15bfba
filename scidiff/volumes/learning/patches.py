"""Batches of patches cut from examples: a function of (seed, step), so that a resumed run sees what it would have seen.

A batch draws, from (seed, step), whether it shows cubes or slabs of whole slices. Each sample draws, from (seed, step,
place), a task, an example, a corner, flips, and the order of those axes of which as much was seen; the others come in
the order that the network sees them in: `scidiff.volumes.turned`. Processes share the places.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor, distributed

from scidiff.engine.state import State
from scidiff.volumes.learning.bank import SLAB, Example
from scidiff.volumes.learning.degrade import PLANAR, Shape
from scidiff.volumes.networks.frame import reflected
from scidiff.volumes.power_law import PowerLaw
from scidiff.volumes.problem import Problem, context, nothing

EMPTY = 0.05  # a patch whose mean is below shows mostly air
HEAVIEST = 4.0  # weight of an example whose classical answer is better than expected; all others count alike
AGAIN = 3  # draws of a corner before such a patch is taken all the same


class Patches:
    """An endless stream of batches.

    Args:
        examples: of any tasks.
        difficulty: s of a problem.
        size: patches in a batch.
        side: voxels along each axis of a cube; slabs have about as many voxels, and every patch that is larger than
            its example is mirrored.
        prior: share of the patches shown without any observation, in units of `spread`.
        spread: root mean square of the clean patches.
        seed: of everything.
        first: the batch to begin with.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        difficulty: PowerLaw,
        size: int,
        side: int = 48,
        prior: float = 0.1,
        spread: float = 0.3,
        seed: int = 0,
        first: int = 0,
    ) -> None:
        self.by_task: Mapping[str, list[Example]] = {}
        for each in examples:
            self.by_task.setdefault(each.task, []).append(each)
        self.difficulty, self.size, self.side, self.prior, self.spread = difficulty, size, side, prior, spread
        self.seed, self.first = seed, first
        self.errors = {id(each): each.error for each in examples}
        self.resident: dict[int, tuple[Tensor, ...]] = {}

    def move(self, device: torch.device, room: float) -> None:
        """Cut patches on a device from now on, if all examples take at most so many bytes of it."""
        if sum(array.nbytes for each in self._all() for array in arrays_of(each)) <= room:
            sent = ((id(each), map(torch.from_numpy, arrays_of(each))) for each in self._all())
            self.resident = {name: tuple(array.to(device) for array in arrays) for name, arrays in sent}

    @property
    def per_epoch(self) -> int:
        """Batches that hold as many voxels as all examples."""
        voxels = sum(each.clean.size for each in self._all())
        return max(1, voxels // (self.size * self.side**3))

    def __iter__(self) -> Iterator[State]:
        rank, world = (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)
        size = max(self.size, world)
        for step in count(self.first):
            places = range(rank, size, world)
            samples = [self.sample(step, place) for place in places]
            shares = {"place": torch.tensor(places), "share": torch.tensor(world / size)}
            given = {key: torch.cat([c[key] for _, c in samples]) for key in samples[0][1]}
            yield State({"image": torch.cat([image for image, _ in samples])}, context=given | shares)

    def sample(self, step: int, place: int) -> tuple[Tensor, dict[str, Tensor]]:
        """One patch of (x - x^) / s, and the network's channels beside it."""
        shape, tasks = self._kind(np.random.default_rng((self.seed, step)))
        random = np.random.default_rng((self.seed, step, 1 + place))  # (seed, step, 0) draws what (seed, step) does
        here = self.by_task[tasks[random.integers(len(tasks))]]
        each = here[random.integers(len(here))]
        start, flips = corner(each, shape, random), np.flatnonzero(random.random(3) < 0.5).tolist()
        view = View(start, shape, turn(each, random), flips)
        arrays = self.resident.get(id(each)) or tuple(map(torch.from_numpy, arrays_of(each)))
        clean, estimate, mismatch = (view(a) for a in arrays[:3])
        if random.random() < self.prior:
            return clean / self.spread, context(nothing(clean), self.spread) | {"weight": torch.ones(1)}
        mask = view(arrays[3]) if each.mask.size else torch.ones_like(clean)
        problem = Problem(each.task, estimate, mismatch, mask, each.noise, each.fraction, each.along)
        unit = self.difficulty(problem)
        weight = min((unit / max(self.errors[id(each)], 1e-4)) ** 2, HEAVIEST)
        return (clean - estimate) / unit, context(problem, unit) | {"weight": torch.tensor([weight])}

    def _kind(self, random: np.random.Generator) -> tuple[Shape, list[str]]:
        """The shape of a batch's patches before their axes are permuted, and its tasks."""
        planar = [task for task in self.by_task if task in PLANAR]
        local = [task for task in self.by_task if task not in PLANAR]
        chosen = random.random() < len(planar) / len(self.by_task)
        shape = slab(self.side) if chosen else (self.side,) * 3
        return shape, planar if chosen else local

    def _all(self) -> list[Example]:
        return [each for examples in self.by_task.values() for each in examples]

    def state_dict(self) -> dict[str, int]:
        """Nothing: see `first`."""
        return {}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Nothing, likewise."""


def turn(each: Example, random: np.random.Generator) -> list[int]:
    """The axes, the least seen first; equal ones at random, but whole slices are always across the last."""
    chance = random.permutation(3)
    return sorted(range(3), key=lambda axis: (each.task in PLANAR and axis == 0, each.along[axis], chance[axis]))


def slab(side: int) -> Shape:
    """A patch of whole slices with about as many voxels as a cube of this side."""
    wide = max(8, 8 * round((side**3 / SLAB) ** 0.5 / 8))
    return SLAB, wide, wide


def largest(side: int) -> int:
    """Voxels of a patch, at most."""
    return max(side**3, math.prod(slab(side)))


@dataclass(frozen=True)
class View:
    """Part of an array, its axes permuted and flipped: (1, 1, X', Y', Z') float32, mirrored where the array ends."""

    start: Sequence[int]
    shape: Shape
    axes: Sequence[int]
    flips: Sequence[int]

    def __call__(self, array: Tensor) -> Tensor:
        part = array[tuple(slice(a, a + n) for a, n in zip(self.start, self.shape, strict=True))]
        for axis, n in enumerate(self.shape):
            if part.shape[axis] < n:
                part = part.index_select(axis, reflected(part.shape[axis], n, part.device))
        turned = part.float().permute(*self.axes).flip(self.flips)
        return turned[None, None].contiguous()


def arrays_of(each: Example) -> tuple[np.ndarray, ...]:
    """What patches are cut from."""
    return each.clean, each.estimate, each.mismatch, each.mask


def corner(each: Example, shape: Shape, random: np.random.Generator) -> list[int]:
    """Where a patch starts; one that shows mostly air is drawn again, a few times."""
    for _ in range(AGAIN):
        start = [int(random.integers(max(n - size, 0) + 1)) for n, size in zip(each.clean.shape, shape, strict=True)]
        thin = tuple(slice(a, a + n, 4) for a, n in zip(start, shape, strict=True))
        if each.clean[thin].mean() > EMPTY:
            break
    return start
