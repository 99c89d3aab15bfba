"""Cuts through the middle of a patient, who stands as in RAS+ however the voxels are stored.

Right, anterior and superior point to the right or up, so that the patient's left is on the left. Of an oblique scan the
axes are the nearest ones: voxels are shown as they are, never between them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from nibabel.affines import apply_affine
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from scidiff.volumes.foreground import foreground
from scidiff.volumes.volume import Volume

MARGIN = 6.0  # millimetres shown around the patient
_HALF = 0.4999  # a hair off one half, where rounding would be anyone's guess


class Plane(NamedTuple):
    """A cut: the axes of RAS+ from left to right and from bottom to top, and the one it is a point of."""

    name: str
    across: int
    up: int
    through: int


PLANES = (Plane("axial", 0, 1, 2), Plane("coronal", 0, 2, 1), Plane("sagittal", 1, 2, 0))
ENDS = (("L", "R"), ("P", "A"), ("I", "S"))


def upright(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same voxels with their axes in the order and direction of RAS+, as near as they come."""
    turn = io_orientation(affine)
    return apply_orientation(data, turn), affine @ inv_ornt_aff(turn, data.shape)


@dataclass(frozen=True, eq=False)
class Patient:
    """A scan to be cut through.

    Attributes:
        volume: its axes as in RAS+.
        stored: (4, 4), its affine as it came.
        mask: (X, Y, Z) bool, its foreground; all of it where there is none.
    """

    volume: Volume
    stored: np.ndarray
    mask: np.ndarray

    @classmethod
    def of(cls, volume: Volume) -> "Patient":
        """Stand the scan upright, and find the patient in it."""
        data, affine = upright(volume.data, volume.affine)
        standing = volume.replace(data=data, affine=affine)
        try:
            return cls(standing, volume.affine, foreground(standing))
        except ValueError:  # a constant volume
            return cls(standing, volume.affine, np.ones(standing.shape, dtype=bool))

    @cached_property
    def profiles(self) -> list[np.ndarray]:
        """How much of the patient each slice holds, along each axis."""
        return [self.mask.sum(tuple({0, 1, 2} - {axis})) for axis in range(3)]

    @cached_property
    def centre(self) -> list[int]:
        """The slices nearest to the patient's centre of mass."""
        return [round(float(np.average(np.arange(len(p)), weights=p))) for p in self.profiles]

    @cached_property
    def box(self) -> list[slice]:
        """What is shown along each axis: the patient and a margin."""
        box = []
        for profile, step in zip(self.profiles, self.volume.spacing, strict=True):
            held, more = np.flatnonzero(profile), int(np.ceil(MARGIN / step))
            box.append(slice(max(int(held[0]) - more, 0), min(int(held[-1]) + 1 + more, len(profile))))
        return box

    @property
    def planes(self) -> list[Plane]:
        """The cuts that show more than a line; the first one if none does."""
        shape = self.volume.shape
        return [plane for plane in PLANES if min(shape[plane.across], shape[plane.up]) > 1] or [PLANES[0]]

    def size(self, plane: Plane) -> tuple[float, float]:
        """Millimetres shown of a cut, from left to right and from bottom to top."""
        sizes = [(part.stop - part.start) * step for part, step in zip(self.box, self.volume.spacing, strict=True)]
        return sizes[plane.across], sizes[plane.up]

    def position(self, plane: Plane) -> str:
        """Which cut it is, and where it lies in the scanner."""
        millimetre = self.volume.spacing[0] / np.linalg.norm(self.volume.affine[:3, 0])
        place = apply_affine(self.volume.affine, self.centre)[plane.through] * millimetre
        return f"{plane.name}  {'xyz'[plane.through]} = {round(float(place))} mm"

    def cut(self, plane: Plane, data: np.ndarray, affine: np.ndarray | None = None) -> np.ndarray:
        """A volume's nearest voxel at each place of a cut, rows from bottom to top; NaN where it has none.

        Args:
            data: (X, Y, Z).
            affine: (4, 4) of its grid; the scan's own if none.
        """
        data, affine = upright(data, self.stored if affine is None else np.asarray(affine, dtype=float))
        axes = [np.arange(part.start, part.stop) for part in self.box]
        axes[plane.through] = np.array([self.centre[plane.through]])
        here = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
        there = apply_affine(np.linalg.solve(affine, self.volume.affine), here)
        index = np.floor(there + _HALF).astype(int)
        inside = ((index >= 0) & (index < data.shape)).all(-1)
        found = np.full(inside.shape, np.nan)
        found[inside] = data[tuple(index[inside].T)]
        return found.squeeze(plane.through).T
