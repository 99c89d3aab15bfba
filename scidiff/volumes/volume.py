"""A scan: intensities on a grid, where the grid lies in the patient, and how a file holds them.

Voxel (i, j, k) lies at affine @ (i, j, k, 1), right-anterior-superior; a stored number s means slope * s + inter.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.orientations import aff2axcodes

_MILLIMETRES = {"meter": 1000.0, "micron": 0.001}


@dataclass(frozen=True)
class Header:
    """How a file holds its voxels; a volume is written back by it.

    Attributes:
        dtype: of the stored numbers.
        slope, inter: a stored number s means slope * s + inter.
        qform_code, sform_code: what the two affines of a NIfTI file are relative to; 0 says that one is not in use.
        units: of space and time, in nibabel's words.
        shape: as stored, such as (X, Y) or (X, Y, Z, 1); none when it is the data's own.
        raw: the NIfTI header as it was read; a written file takes from it all that is not named here.
    """

    dtype: np.dtype = field(default_factory=lambda: np.dtype(np.float32))
    slope: float = 1.0
    inter: float = 0.0
    qform_code: int = 0
    sform_code: int = 1
    units: tuple[str, str] = ("mm", "unknown")
    shape: tuple[int, ...] | None = None
    raw: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, eq=False)
class Volume:
    """One scan.

    Args:
        data: (X, Y, Z) float32, in the units of the source (HU for CT).
        affine: (4, 4) float64, voxel indices to patient coordinates, in `header.units`.
        header: how a file holds it.
        name: what to call it in messages and reports.
        modality: T1w, T2w, FLAIR, MR, CT ...; empty when not known.

    Raises:
        ValueError: the data has not three axes, or the affine is not (4, 4).
    """

    data: np.ndarray
    affine: np.ndarray
    header: Header = field(default_factory=Header)
    name: str = ""
    modality: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", np.ascontiguousarray(self.data, dtype=np.float32))
        object.__setattr__(self, "affine", np.array(self.affine, dtype=np.float64))
        if np.ndim(self.data) != 3 or self.affine.shape != (4, 4):
            raise ValueError(f"expected data (X, Y, Z) and affine (4, 4), not {self.data.shape}, {self.affine.shape}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis."""
        return self.data.shape

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along each axis, in millimetres."""
        scale = _MILLIMETRES.get(self.header.units[0], 1.0)
        return tuple(float(scale * size) for size in voxel_sizes(self.affine))

    @property
    def orientation(self) -> str:
        """Where each axis points to, nearest: "RAS", "LPS" ..."""
        return "".join(code or "?" for code in aff2axcodes(self.affine))

    def replace(self, **changes: Any) -> "Volume":
        """The same volume with some attributes exchanged."""
        return replace(self, **changes)

    def stored_as(self, dtype: Any, slope: float = 1.0, inter: float = 0.0) -> "Volume":
        """The same volume, to be written in another number format: float32 for a map of deviations, say."""
        return replace(self, header=replace(self.header, dtype=np.dtype(dtype), slope=slope, inter=inter))
