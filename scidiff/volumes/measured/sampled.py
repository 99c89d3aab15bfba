"""What of k-space was sampled, from the file, from another file, or from the data; and its noise."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scidiff.store.arrays import read_array
from scidiff.store.errors import UserError
from scidiff.volumes.files.nifti import read_nifti
from scidiff.volumes.measured.arrays import check_numbers, read_arrays
from scidiff.volumes.operators.check import by

NONZERO = "nonzero"
_ALIKE = 0.9  # of what a coil holds is where the other coils are sampled too
_EMPTY = 0.05  # of what the mask calls sampled may be exactly 0
_OUTER = 0.05  # of the sampled points: the farthest from the centre
_LEAST = 100  # points, if there are so many


def read_mask(source: str | Path, kspace: Tensor) -> tuple[np.ndarray, str]:
    """The mask the caller named, and what to call it.

    Args:
        source: "nonzero" for what is not exactly zero in any coil, or a .npy, .npz or NIfTI file.
        kspace: (C, X, Y, Z).

    Raises:
        UserError: there is no such file or no mask in it; coils that are zero at different places.
    """
    if str(source) == NONZERO:
        return nonzero(kspace), "what is not zero"
    path = Path(source).expanduser()
    if not path.is_file():
        raise UserError(f"There is no file {path}; mask= names a file, or is 'nonzero'.")
    if path.suffix == ".npz":
        return read_arrays(path, {"mask": ("sampling",)}, {}).need("mask", "what was sampled"), str(path)
    if path.suffix != ".npy":
        return read_nifti(path).data, str(path)
    mask = read_array(path)
    check_numbers(mask, "mask", path)
    return mask, str(path)


def nonzero(kspace: Tensor) -> np.ndarray:
    """(X, Y, Z) bool, where any coil is not exactly 0.

    Raises:
        UserError: the coils do not agree, so that zeros do not tell what was sampled.
    """
    filled = (kspace != 0).numpy()
    filled = filled[filled.any((1, 2, 3))]
    together = filled.any(0)
    if filled.reshape(len(filled), -1).mean(1).min() < _ALIKE * together.mean():
        raise UserError(
            "The coils of k-space are zero at different places, so mask=nonzero does not tell; give a mask."
        )
    return together


def as_mask(mask: np.ndarray, name: str, laid: tuple[int, ...], shape: tuple[int, int, int]) -> Tensor:
    """(X, Y, Z) bool from anything that broadcasts to it.

    Args:
        mask: of true and false or 0 and 1.
        name: of the file, for messages.
        laid: shape of k-space in the file, coils included.
        shape: (X, Y, Z).

    Raises:
        UserError: other numbers, another shape, nothing sampled, another mask for every coil.
    """
    if np.iscomplexobj(mask) or not np.isin(mask, (0, 1)).all():
        raise UserError(f"The mask of {name} holds other numbers than 0 and 1; 1 is sampled and 0 is not.")
    mask = mask.astype(bool)
    if not mask.any():
        raise UserError(f"The mask of {name} keeps nothing, so there is nothing to restore from.")
    if mask.shape == laid and math.prod(laid) > math.prod(shape):
        if (mask != mask[:1]).any():
            raise UserError(f"The mask of {name} differs between coils; give one of {by(shape)}.")
        mask = mask[0]
    if [n for n in mask.shape if n > 1] == [n for n in shape if n > 1]:
        mask = mask.reshape(shape)
    try:
        return torch.from_numpy(np.broadcast_to(mask, shape).copy())
    except ValueError as error:
        raise UserError(
            f"The mask of {name} has the shape {by(mask.shape)}, which does not fit k-space of {by(shape)}."
        ) from error


def check_filled(y: Tensor, mask: Tensor, axes: tuple[int, ...], name: str) -> None:
    """What the mask calls sampled holds data, in every slice that holds any.

    Raises:
        UserError: more than a twentieth of it is exactly zero in all coils.
    """
    filled = (y != 0).any(0)
    alive = filled.amax(list(axes), keepdim=True)
    claimed = mask & alive
    empty = 1 - float((claimed & filled).sum()) / max(float(claimed.sum()), 1)
    if empty > _EMPTY:
        raise UserError(
            f"The mask of {name} calls sampled what is exactly zero in the data, {100 * empty:.0f} % of it. "
            "Is it the mask of these data, with its centre where theirs is? mask=nonzero takes what is not zero."
        )


def noise_of(y: Tensor, mask: Tensor, axes: tuple[int, ...]) -> float:
    """sigma, E |e|^2 = sigma^2: the root mean square over coils of median |y|^2 / ln 2 far from the centre.

    |e|^2 is exponential, of median sigma^2 ln 2. "Far" is the twentieth of all sampled points that is farthest: there
    a sharp image with little noise still has some signal, so this comes from above.

    Args:
        y: (C, X, Y, Z).
        mask: (X, Y, Z) bool.
    """
    along = [
        (torch.arange(n) - n // 2) / (n / 2) if axis in axes and n > 1 else torch.zeros(n)
        for axis, n in enumerate(mask.shape)
    ]
    radius = sum(r.square() for r in torch.meshgrid(*along, indexing="ij"))
    there = mask & (y != 0).any(0)
    points = radius[there]
    count = min(max(round(_OUTER * len(points)), _LEAST), len(points))
    power = y[:, there][:, points.argsort(descending=True)[:count]].abs().square()
    live = power.amax(1) > 0
    return float((power[live].median(1).values.mean() / math.log(2)).sqrt()) if bool(live.any()) else 0.0
