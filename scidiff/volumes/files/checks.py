"""What makes a scan unusable, said in the user's words, before any work is done on it."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np

from scidiff.store.errors import UserError
from scidiff.store.memory import free_memory, gigabytes
from scidiff.volumes.volume import Volume

_SINGULAR = 1e-6  # volume of the voxel over the product of its edges; a cube has 1, a gantry tilt of 60 degrees 0.5
_SAME_PLACE = 0.01  # of a voxel: what the rounding of header fields to float32 can do is a hundred times less


def memory_needed(shape: Sequence[int], copies: float = 1) -> int:
    """Bytes that `copies` float32 volumes of this shape take."""
    return int(4 * prod(int(n) for n in shape) * copies)


def check_memory(shape: Sequence[int], copies: float, what: str | Path, advice: str = "Crop it first.") -> None:
    """Refuse what does not fit into the memory that is free now.

    Raises:
        UserError: with the amount it needs, the amount that is free, and the advice.
    """
    needed, free = memory_needed(shape, copies), free_memory()
    if free is not None and needed > free:
        size = " x ".join(f"{n}" for n in shape)
        raise UserError(f"{what} has {size} voxels and needs {gigabytes(needed)}; {gigabytes(free)} are free. {advice}")


def check_values(data: np.ndarray, path: str | Path) -> None:
    """Refuse intensities that nothing can be made of.

    Raises:
        UserError: NaN or infinite voxels, or all voxels alike.
    """
    broken = data.size - int(np.isfinite(data).sum())
    if broken:
        raise UserError(f"{path} has {broken:,} voxels of {data.size:,} that are NaN or infinite; set them to numbers.")
    if data.min() == data.max():
        raise UserError(f"{path} is constant: every voxel is {data.flat[0]:g}. There is nothing to see in it.")


def check_affine(affine: np.ndarray, path: str | Path) -> None:
    """Refuse an affine that does not say where the voxels lie.

    Raises:
        UserError: it is not finite, or a voxel has no extent along some axis, or two axes coincide.
    """
    axes = affine[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if not np.isfinite(affine).all() or not lengths.all():
        raise UserError(f"{path} has a zero or undefined affine: its voxels have no size. Set it from the scan.")
    if abs(np.linalg.det(axes / lengths)) < _SINGULAR:
        raise UserError(f"{path} has a singular affine: two of its axes point the same way. Set it from the scan.")


def check_grids(one: Volume, other: Volume) -> None:
    """Make sure that two volumes lie voxel on voxel.

    Raises:
        UserError: their shapes differ, or a corner of one lies more than a hundredth of a voxel off the other's.
    """
    ours, theirs = one.name or "the volume", other.name or "its reference"
    if one.shape != other.shape:
        a, b = ("x".join(map(str, volume.shape)) for volume in (one, other))
        raise UserError(f"{ours} has {a} voxels and {theirs} {b}; resample one onto the other's grid first.")
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * [*one.shape, 1]
    off = np.abs(np.linalg.solve(other.affine, one.affine @ corners.T) - corners.T).max()
    if off > _SAME_PLACE:
        raise UserError(
            f"{ours} and {theirs} have the same shape but different affines: up to {off:.2g} voxels apart. "
            "Resample one onto the other's grid, or mend the header that is wrong."
        )
