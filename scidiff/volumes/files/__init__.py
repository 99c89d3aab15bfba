"""Scans in and out: NIfTI files and folders of DICOM slices in, NIfTI out, on the grid they came on."""

from pathlib import Path

import numpy as np

from scidiff.store.errors import UserError
from scidiff.store.suggest import file_you_mean
from scidiff.volumes.files.checks import check_grids, check_memory, check_values, memory_needed
from scidiff.volumes.files.dicom import read_dicom
from scidiff.volumes.files.nifti import read_nifti
from scidiff.volumes.files.writing import ENDINGS, Written, claim_nifti, write
from scidiff.volumes.volume import Volume

__all__ = [
    "ENDINGS",
    "Written",
    "check_grids",
    "check_memory",
    "claim_nifti",
    "memory_needed",
    "read",
    "read_dicom",
    "read_mask",
    "read_nifti",
    "write",
]


def read(path: str | Path, frame: int | None = None) -> Volume:
    """Read one scan, its affine, codes, units, stored numbers' format and intensity scaling with it.

    Args:
        path: a NIfTI file (.nii or .nii.gz), or a folder that holds one series of DICOM slices.
        frame: which volume of a 4D NIfTI file, from 0.

    Raises:
        UserError: there is no such file, it is damaged or of another kind, it holds several volumes and `frame` does
            not choose one, NaN, infinite or constant intensities, a singular affine, or more than memory holds.
    """
    volume = _read(Path(path).expanduser(), frame)
    check_values(volume.data, path)
    return volume


def read_mask(path: str | Path, like: Volume) -> np.ndarray:
    """Read a mask (nonzero is inside) made for `like`: (X, Y, Z) bool.

    Raises:
        UserError: as `read`, but constant masks are refused only when they are empty; another grid than `like`'s.
    """
    volume = _read(Path(path).expanduser(), None)
    check_grids(volume, like)
    if not np.isfinite(volume.data).all() or not volume.data.any():
        raise UserError(f"The mask {path} selects no voxel; expected nonzero values inside and 0 outside.")
    return volume.data != 0


def _read(path: Path, frame: int | None) -> Volume:
    if not path.exists():
        raise UserError(f"There is no file {path}.{file_you_mean(path)}")
    if not path.is_dir():
        return read_nifti(path, frame)
    if frame is not None:
        raise UserError(f"{path} is a folder of DICOM slices; frame= chooses from 4D NIfTI files only.")
    return read_dicom(path)
