"""Which known voxels to hide, so that what is hidden looks like the holes that are there.

Copies of holes, or boxes cut out of those too large, are laid at random over what is known. A copy that would leave
most of its voxels lonelier than the holes' voxels are, by the share of known ones in the 5^3 around them, is not laid:
a missing slice is not laid beside another, a box not over voxels that are missing one by one. Where no copies will do,
or too many would be needed, known voxels are hidden one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

Box = tuple[slice, ...]
REACH = 2  # voxels around a voxel that keep it company
LONELIEST = 0.01  # the share of the holes' voxels that no copy needs to be better than
COPIES = 4000  # more would take longer than they tell
MOST = 1.5  # times what is wanted


def more_holes(known: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Known voxels (X, Y, Z) to hide, about `share` of them, one at least: bool."""
    wanted = max(1, round(share * known.sum()))
    pieces = Pieces.of(known)
    held = np.zeros_like(known)
    if pieces and pieces.needed(wanted) <= COPIES:
        held = _laid(known, pieces, wanted, random)
    if held.sum() < wanted / 2:
        held = np.zeros_like(known)
        held.flat[random.choice(np.flatnonzero(known), wanted, replace=False)] = True
    return held


@dataclass(frozen=True, eq=False)
class Pieces:
    """The connected pieces of what is missing: their numbers by voxel from 1 on, and sizes."""

    labels: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, known: np.ndarray) -> "Pieces | None":
        """None if nothing is missing."""
        labels, count = ndimage.label(~known)
        return cls(labels, np.bincount(labels.ravel())[1:]) if count else None

    def needed(self, wanted: int) -> float:
        """Copies that cover so many voxels, pieces being drawn by their size."""
        return wanted * self.sizes.sum() / (self.sizes.astype(float) ** 2).sum()

    def draws(self, wanted: int, random: np.random.Generator) -> Iterator[np.ndarray]:
        """Pieces without end, each chosen by a voxel of the holes; of those too large, boxes as large as wanted."""
        boxes, ends = ndimage.find_objects(self.labels), self.sizes.cumsum()
        while True:
            chosen = int(np.searchsorted(ends, random.integers(ends[-1]), side="right"))
            box = boxes[chosen]
            if self.sizes[chosen] > MOST * wanted:
                box = _cut(box, wanted / self.sizes[chosen], random)
            yield self.labels[box] == chosen + 1


def _laid(known: np.ndarray, pieces: Pieces, wanted: int, random: np.random.Generator) -> np.ndarray:
    """Copies of the pieces, where they cover known voxels: as many as fit in the tries there are."""
    kept, count = known.copy(), 0
    company = _company(known)[~known]
    least = np.quantile(company, LONELIEST) - 1e-4
    tries = 100 + 4 * int(pieces.needed(wanted))
    for _, copy in zip(range(tries), pieces.draws(wanted, random), strict=False):
        corner = [random.integers(n - side + 1) for n, side in zip(known.shape, copy.shape, strict=True)]
        box = tuple(slice(c, c + side) for c, side in zip(corner, copy.shape, strict=True))
        covered = int((kept[box] & copy).sum())
        if 0 < covered <= MOST * wanted - count and _alike(kept, box, copy, least):
            kept[box] &= ~copy
            count += covered
        if count >= 0.9 * wanted:
            break
    return known & ~kept


def _alike(kept: np.ndarray, box: Box, copy: np.ndarray, least: float) -> bool:
    """Half the voxels that a copy would hide keep as much company as a hole's have at least."""
    wide = tuple(slice(max(s.start - REACH, 0), s.stop + REACH) for s in box)
    inner = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, wide, strict=True))
    after = kept[wide].copy()
    after[inner] &= ~copy
    return bool(np.median(_company(after)[inner][kept[box] & copy]) >= least)


def _company(known: np.ndarray) -> np.ndarray:
    """The share of known voxels around each, mirrored at the volume's faces."""
    return ndimage.uniform_filter(known.astype(np.float32), 2 * REACH + 1)


def _cut(box: Box, share: float, random: np.random.Generator) -> Box:
    """A random part of a box, of about this share of it, the same for all axes of more than one voxel."""
    sides = [s.stop - s.start for s in box]
    factor = share ** (1 / max(sum(side > 1 for side in sides), 1))
    shorter = [max(1, int(side * factor)) for side in sides]
    starts = [s.start + random.integers(a - b + 1) for s, a, b in zip(box, sides, shorter, strict=True)]
    return tuple(slice(start, start + side) for start, side in zip(starts, shorter, strict=True))
