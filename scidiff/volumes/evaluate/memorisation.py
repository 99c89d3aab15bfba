"""Does a restored or generated scan repeat training scans more than the scan of a stranger would?

Cubes of SIDE voxels in the foreground, less their mean and of unit norm, so that their product is the normalised
cross-correlation c; q a cube of the scan in question, s a scan of the training set T or of the held-out H:

    c(q, s) = max over the places of s

on means over POOL^3 voxels, every POOL voxels; of the FEW best scans of T also on all voxels, about the place found.

Neighbouring cubes and cubes of one scan are not independent, so a *scan* counts as one observation in every test:

    nearness    mean over q of max over T of c, on all voxels: of the scans in question, beside that of the scans of H
                (t test with one variance). Smooth scans, and some sites, are nearer to everything.
    margin      the same of c with the best scan of T less c with the second best: what is copied is like one scan
                alone, what is smooth or common is like many.
    preference  mean over q of c(q, s), one number for each s: are those of T above those of H (Mann-Whitney)? Both are
                asked by the same cubes, so that smoothness cancels.

A scan of H that is the nearest of most cubes shows the very person in question and is left out.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan

import nibabel
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from scidiff.store.errors import UserError
from scidiff.store.nearer import Nearer, nearer
from scidiff.volumes.evaluate.difference import Difference, difference
from scidiff.volumes.foreground import foreground
from scidiff.volumes.volume import Volume

SIDE, POOL = 16, 4  # voxels
FEW = 5  # scans whose best places are looked at voxel by voxel
CUBES = 200  # of a scan at most, drawn at random
COPY = 0.98  # correlation of a cube with its copy, noise of a fifth of its deviation allowed for
MOST = 0.5  # of a scan's cubes that are nearest to one held-out scan: the same person
_INSIDE = 0.5  # share of a cube's voxels that are foreground
_FLAT = 0.02  # of the scan's deviation in the foreground: cubes of less hold noise alone
_REACH = 3  # voxels about the place that was found; half of POOL and one more
_AT_A_TIME = 4_000  # places compared at once
_WIDE = SIDE + 2 * _REACH
_SHIFTS = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3)

Scan = Callable[[], Volume]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        nearest, control_nearest: correlation of each cube with its nearest in training, of the scans in question and of
            the held-out ones.
        scans, control_scans: the same, the mean over each scan's cubes.
        auc: chance that a cube in question is nearer than a held-out one; described, not tested.
        margins, control_margins: mean over each scan's cubes of the nearest less the second nearest training scan.
        nearness, margin: the difference of both between the scans in question and the held-out ones.
        preference: whether training scans answer the cubes in question better than held-out scans do.
        copied, control_copied: share of cubes with a copy in training, of those in question and of the held-out ones.
        left_out: names of held-out scans that show a person in question.
    """

    nearest: np.ndarray
    control_nearest: np.ndarray
    scans: np.ndarray
    control_scans: np.ndarray
    margins: np.ndarray
    control_margins: np.ndarray
    auc: float
    nearness: Difference
    margin: Difference
    preference: Nearer
    copied: float
    control_copied: float
    left_out: Sequence[str]


def audit(
    made: Sequence[Scan],
    train: Sequence[Scan],
    held: Sequence[Scan],
    progress: Progress | None = None,
    seed: int = 0,
) -> Audit:
    """Hold scans against training and held-out ones; each is called for its volume once, and named by it.

    Args:
        made: those in question.
        train, held: of the same kind, with voxels of about the same size; nobody is in both.
        progress: called with the number of scans read so far, of len(made) + len(train) + len(held).
        seed: of the draw among cubes.

    Raises:
        UserError: fewer than two scans in training or held out, or a scan in question without a cube to compare.
    """
    _check(train, held)
    tick, random = _counted(progress), np.random.default_rng(seed)
    asked = _Search([_cubes_of(tick(scan), random) for scan in made])
    control, names = [], []
    for scan in map(tick, held):
        asked.look(scan, control=True)
        control.append(_cubes_of(scan, random))
        names.append(scan.name)
    others = _Search(control)
    for scan in map(tick, train):
        asked.look(scan)
        others.look(scan)
    return _sum_up(asked, others, names)


class _Search:
    """The nearest cubes to some cubes, scan after scan."""

    def __init__(self, scans: Sequence[np.ndarray]) -> None:
        """Args: scans, the cubes (k, SIDE, SIDE, SIDE) of each scan in question."""
        cubes = np.concatenate(scans)
        self.owner = np.repeat(np.arange(len(scans)), [len(each) for each in scans])
        self.fine = _unit(cubes.reshape(len(cubes), -1))
        self.coarse = _unit(_pooled(cubes).reshape(len(cubes), -1))
        self.alike: dict[bool, list[np.ndarray]] = {False: [], True: []}
        """(k,) for each scan looked at, training and control: the best correlation of means."""
        self.nearest, self.second = np.full((2, len(cubes)), -1.0)
        """(k,) the best correlation of voxels with a training scan, and that with another one."""

    def look(self, scan: Volume, control: bool = False) -> None:
        """Compare with all places of one more scan."""
        places, bank = _bank(scan)
        best, where = np.full(len(self.coarse), -1.0), np.zeros(len(self.coarse), dtype=int)
        for start in range(0, len(bank), _AT_A_TIME):
            found = self.coarse @ bank[start : start + _AT_A_TIME].T
            top = found.argmax(1)
            value = np.take_along_axis(found, top[:, None], 1)[:, 0]
            where, best = np.where(value > best, start + top, where), np.maximum(value, best)
        seen = self.alike[control]
        limit = np.sort(np.stack(seen), 0)[-FEW] if len(seen) >= FEW else np.full(len(best), -1.0)
        seen.append(best)
        if control:
            return
        padded = np.pad(scan.data, _REACH, mode="edge")
        for k in np.flatnonzero(best > limit):
            found = _refined(self.fine[k], padded, places[where[k]])
            self.second[k] = max(self.second[k], min(self.nearest[k], found))
            self.nearest[k] = max(self.nearest[k], found)

    def by_scan(self, values: np.ndarray) -> np.ndarray:
        """(scans,) mean over each scan's cubes."""
        return np.bincount(self.owner, values) / np.bincount(self.owner)


def _refined(cube: np.ndarray, padded: np.ndarray, place: np.ndarray) -> float:
    """Best correlation of a cube (SIDE^3,) about a place: every second voxel first, then those beside the best."""
    x, y, z = place
    around = sliding_window_view(padded[x : x + _WIDE, y : y + _WIDE, z : z + _WIDE], (SIDE,) * 3)
    middle, best = np.full(3, _REACH), -1.0
    for step in (2, 1):
        shifts = middle + step * _SHIFTS
        found = _unit(around[tuple(shifts.T)].reshape(len(shifts), -1)) @ cube
        middle, best = shifts[found.argmax()], max(best, float(found.max()))
    return best


def _bank(scan: Volume) -> tuple[np.ndarray, np.ndarray]:
    """All cubes of a scan by their means: (k, 3) first voxels, (k, (SIDE / POOL)^3) centred and of unit norm."""
    side = (SIDE // POOL,) * 3
    means = sliding_window_view(_pooled(scan.data), side).reshape(-1, side[0] ** 3)
    kept, shape = _kept(scan, POOL)
    bank = _unit(means[kept])
    return POOL * np.argwhere(kept.reshape(shape)), bank


def _cubes_of(scan: Volume, random: np.random.Generator) -> np.ndarray:
    """(k, SIDE, SIDE, SIDE) cubes side by side, CUBES at most."""
    kept, shape = _kept(scan, SIDE)
    places = SIDE * np.argwhere(kept.reshape(shape))
    chosen = np.sort(random.permutation(len(places))[:CUBES])
    return sliding_window_view(scan.data, (SIDE,) * 3)[tuple(places[chosen].T)]


def _kept(scan: Volume, step: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """Which cubes, every `step` voxels, are compared: (places,) bool, and the shape of the grid of places.

    Raises:
        UserError: none, of a scan that is thin or nearly empty.
    """
    if min(scan.shape) < SIDE:
        raise UserError(f"{scan.name} has {min(scan.shape)} voxels along one axis; an audit needs {SIDE} or more.")
    mask = foreground(scan)
    inside = mask.astype(np.float32)
    side = (SIDE // POOL,) * 3
    stride = (slice(None, None, step // POOL),) * 3
    parts = [sliding_window_view(_pooled(each), side)[stride] for each in (inside, scan.data)]
    shape = parts[0].shape[:3]
    filled, spread = parts[0].mean((3, 4, 5)), parts[1].std((3, 4, 5))
    kept = (filled >= _INSIDE) & (spread > _FLAT * scan.data[mask].std())
    if not kept.any():
        raise UserError(f"{scan.name} has no cube of {SIDE} voxels that lies in the foreground and is not flat.")
    return kept.ravel(), shape


def _pooled(data: np.ndarray) -> np.ndarray:
    """Means over POOL voxels along the last three axes; what is left over is cut off."""
    *many, x, y, z = (*data.shape[:-3], *(n // POOL for n in data.shape[-3:]))
    cut = data[..., : x * POOL, : y * POOL, : z * POOL].reshape(*many, x, POOL, y, POOL, z, POOL)
    return cut.mean((-5, -3, -1), dtype=np.float32)


def _unit(cubes: np.ndarray) -> np.ndarray:
    """(k, n) less their means, of unit norm; what is constant stays 0."""
    centred = cubes - cubes.mean(1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    return (centred / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32, copy=False)


def _counted(progress: Progress | None) -> Callable[[Scan], Volume]:
    """Reads a scan, its axes from left to right, back to front and feet to head, and tells how many it has read."""
    done = itertools.count(1)

    def read(scan: Scan) -> Volume:
        """The next scan."""
        volume = scan()
        turned = nibabel.as_closest_canonical(nibabel.Nifti1Image(volume.data, volume.affine))
        if progress:
            progress(next(done))
        return volume.replace(data=np.asarray(turned.dataobj), affine=turned.affine)

    return read


def _sum_up(asked: _Search, others: _Search, names: Sequence[str]) -> Audit:
    """The tests, once the persons in question are no longer among the held-out."""
    own = _own(asked)
    train, held = (np.stack(asked.alike[control]) for control in (False, True))  # (scans, cubes)
    held = np.where(own[:, asked.owner], nan, held)
    kept = ~own.all(1)
    if not kept.any():
        raise UserError(f"{', '.join(names)} all show the person in question; add other scans to the control.")
    ours, theirs = asked.nearest, others.nearest
    means = [each.by_scan(each.nearest) for each in (asked, others)]
    margins = [each.by_scan(each.nearest - each.second) for each in (asked, others)]
    return Audit(
        nearest=ours,
        control_nearest=theirs,
        scans=means[0],
        control_scans=means[1],
        margins=margins[0],
        control_margins=margins[1],
        auc=nearer(ours, theirs).auc,
        nearness=difference(*means),
        margin=difference(*margins),
        preference=nearer(train.mean(1), np.nanmean(held[kept], 1)),
        copied=float((ours > COPY).mean()),
        control_copied=float((theirs > COPY).mean()),
        left_out=[name for name, one in zip(names, own.any(1), strict=True) if one],
    )


def _own(asked: _Search) -> np.ndarray:
    """(held-out, in question) bool: the first is nearest to most cubes of the second."""
    held, train = (np.stack(asked.alike[control]) for control in (True, False))
    nearest = np.where(held.max(0) > train.max(0), held.argmax(0), -1)
    share = [[(nearest[asked.owner == k] == j).mean() for k in range(asked.owner.max() + 1)] for j in range(len(held))]
    return np.array(share) > MOST


def _check(train: Sequence[Scan], held: Sequence[Scan]) -> None:
    if len(train) < 2 or len(held) < 2:
        raise UserError(
            f"There are {len(train)} training scans and {len(held)} held-out ones; the audit needs two of each at"
            " least, and tells little with fewer than five."
        )
