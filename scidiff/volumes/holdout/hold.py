"""What to hold out of each kind of measurement, so that what is left is an observation of the same kind.

    volumes       voxels, none beside another, replaced by the mean of their neighbours (see `neighbours`)
    masks         known voxels below copies of the holes (see `holes`)
    resampling    coarse voxels as in volumes; the neighbours are those along the finest axes
    k-space       sampled entries of the mask (lines or points) outside the calibrated centre, near and far alike
    projections   whole views, evenly spread
    any other     entries of y

What is drawn depends on the operator and the seed, never on y.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from scidiff.engine.operator import Composed, Observation, Operator
from scidiff.volumes.foreground import foreground_of
from scidiff.volumes.holdout.holes import more_holes
from scidiff.volumes.holdout.neighbours import Refill, Thinned, apart
from scidiff.volumes.holdout.split import Split, TooFew, Verdict, checked
from scidiff.volumes.operators.coils import calibrated
from scidiff.volumes.operators.identity import Identity
from scidiff.volumes.operators.kspace import KSpace
from scidiff.volumes.operators.mask import Mask
from scidiff.volumes.operators.radon import Radon
from scidiff.volumes.operators.resample import Resample

Random = np.random.Generator
Restorer = Callable[[Observation], Tensor]
FEWEST_VIEWS = 5


def hold_out(observation: Observation, share: float = 0.05, seed: int = 0) -> Split:
    """Hide about this share of the measurements.

    Args:
        observation: of one volume.
        share: of the measurements, 0 to a tenth; one line or view at least, where they are few.
        seed: the same one hides the same.

    Raises:
        TooFew: nothing can be held out, or too little to judge by.
        ValueError: several volumes, or a share out of range.
    """
    if len(observation.y) != 1 or not 0 < share <= 0.1:
        raise ValueError("one observation at a time, and a share above 0 and up to a tenth")
    way = WAYS.get(type(observation.operator), _entries)
    return checked(way(observation, share, np.random.default_rng(seed)))


def verdict(
    observation: Observation, ours: Restorer, classical: Restorer, share: float = 0.05, seed: int = 0
) -> Verdict:
    """Let both restore without some of the measurements, and say whether ours predicts them as well: see `split`.

    Args:
        observation, share, seed: as for `hold_out`.
        ours, classical: observations to volumes (1, 1, X, Y, Z).

    Returns:
        harmless without having judged, and the reason, if nothing can be held out.
    """
    try:
        split = hold_out(observation, share, seed)
    except TooFew as error:
        return Verdict.none(str(error))
    return split.compare(ours(split.kept), classical(split.kept))


def _voxels(observation: Observation, share: float, random: Random) -> Split:
    """Judged where the patient is: in the air all answers are alike, but there is much of it."""
    held = apart(observation.y.shape[-3:], share, random)
    kept = replace(observation, y=Refill(held)(observation.y))
    judged = held & _signal(kept)
    judged = judged if judged.sum() > held.sum() / 10 else held
    return Split(kept, observation, judged.to(observation.y.device), _share(held))


def _coarse_voxels(observation: Observation, share: float, random: Random) -> Split:
    operator, y = observation.operator, observation.y
    fine = tuple(
        axis
        for axis, factor, size in zip((-3, -2, -1), operator.factors, operator.coarse, strict=True)
        if factor < 1.5 * min(operator.factors) and size > 1
    )
    if not fine:
        raise TooFew("The scan has no voxels side by side, so none could be held out to check the result on.")
    held = apart(y.shape[-3:], share, random)
    refill = Refill(held, fine)
    kept = replace(observation, y=refill(y), operator=Thinned(refill, operator))
    held = held.to(y.device)
    return Split(kept, observation, held, _share(held), ~held)


def _holes(observation: Observation, share: float, random: Random) -> Split:
    known = observation.operator.kept.expand(observation.y.shape)[0, 0].cpu()
    if known.sum() < 2:
        raise TooFew("Hardly a voxel is known, so none could be held out to check the result on.")
    held = torch.from_numpy(more_holes(known.numpy(), share, random))
    return _masked(observation, Mask(known & ~held), known & ~held, held)


def _lines(observation: Observation, share: float, random: Random) -> Split:
    operator = observation.operator
    mask = operator.mask.reshape((1,) * max(3 - operator.mask.dim(), 0) + tuple(operator.mask.shape[-3:])).cpu()
    outer = (mask & ~_centre(mask, operator.axes)).nonzero()
    wanted = max(1, round(share * int(mask.sum())))
    if len(outer) <= wanted:
        raise TooFew("Hardly anything was sampled outside the centre of k-space to check the result on.")
    middle, sizes = torch.tensor([n // 2 for n in mask.shape]), torch.tensor(mask.shape)
    away = ((outer - middle) / sizes)[:, list(operator.axes)].square().sum(1).numpy()
    order = np.lexsort((random.random(len(away)), away))
    held = torch.zeros_like(mask)
    held[tuple(outer[order[_spread(len(away), wanted, random)]].T)] = True
    return _masked(observation, replace(operator, mask=mask & ~held), mask & ~held, held)


def _centre(mask: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The fully sampled block in the middle, up to a third of the longest axis: bool, laid out as the mask."""
    block = calibrated(mask, axes, max(*(mask.shape[axis] for axis in axes), 3) // 3)
    centre = torch.zeros_like(mask)
    centre[tuple(slice(n // 2 - b // 2, n // 2 - b // 2 + b) for n, b in zip(mask.shape, block, strict=True))] = True
    return centre


def _views(observation: Observation, share: float, random: Random) -> Split:
    operator, y = observation.operator, observation.y
    count = len(operator.angles)
    if count < FEWEST_VIEWS:
        raise TooFew(f"Of {count} views none can be held out to check the result on; {FEWEST_VIEWS} would do.")
    held = torch.zeros(count, dtype=torch.bool)
    held[_spread(count, max(1, round(share * count)), random)] = True
    angles = tuple(angle for angle, out in zip(operator.angles, held.tolist(), strict=True) if not out)
    held = held.to(y.device)
    kept = replace(observation, y=y[..., ~held, :, :], operator=replace(operator, angles=angles))
    return Split(kept, observation, held[:, None, None], _share(held))


def _entries(observation: Observation, share: float, random: Random) -> Split:
    operator, y = observation.operator, observation.y
    probe = torch.from_numpy(random.random(operator.adjoint(y).shape)).to(y.real)
    measured = (operator(probe)[0] != 0).cpu()
    places = measured.flatten().nonzero()[:, 0].numpy()
    wanted = max(1, round(share * len(places)))
    if len(places) <= wanted:
        raise TooFew("Hardly anything was measured, so nothing could be held out to check the result on.")
    held = torch.zeros_like(measured)
    held.view(-1)[random.choice(places, wanted, replace=False)] = True
    split = _masked(observation, Composed(Mask(measured & ~held), operator), measured & ~held, held)
    return replace(split, shown=None)


WAYS: dict[type[Operator], Callable[[Observation, float, Random], Split]] = {
    Identity: _voxels,
    Mask: _holes,
    Resample: _coarse_voxels,
    KSpace: _lines,
    Radon: _views,
}
"""By operator; any other loses single entries."""


def _masked(observation: Observation, operator: Operator, shown: Tensor, held: Tensor) -> Split:
    """y without what is held out, 0 in its place."""
    y = observation.y
    kept = replace(observation, y=y * shown.to(y.device), operator=operator)
    share = int(held.sum()) / (int(held.sum()) + int(shown.sum()))
    return Split(kept, observation, held.to(y.device), share, shown.to(y.device))


def _signal(kept: Observation) -> Tensor:
    """Where a denoised volume is judged: bool (X, Y, Z).

    Values that are never negative are magnitudes, or cut off at 0: where it is dark their mean is not the truth but
    noise's own (up to 1.25 sigma), and who does not repeat it would be punished. They are judged from 2 sigma on,
    where that is a quarter of sigma at most.
    """
    image = kept.y[0, 0].float().cpu().numpy()
    if image.min() == image.max():
        return torch.ones(image.shape, dtype=torch.bool)
    inside = foreground_of(image)
    if (image < 0).mean() < 0.01:
        inside &= ndimage.uniform_filter(image, 3) > 2 * float(kept.sigma)
    return torch.from_numpy(inside)


def _spread(count: int, wanted: int, random: Random) -> np.ndarray:
    """So many of `count` places, evenly, from a random start."""
    return ((np.arange(wanted) + random.random()) * count / wanted).astype(int)


def _share(held: Tensor) -> float:
    return float(held.double().mean())
