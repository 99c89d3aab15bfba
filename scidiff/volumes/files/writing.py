"""NIfTI files out, as their input was: the same affine, codes, units, numbers' format and intensity scaling.

A value v is stored as s = (v - inter) / slope. Whole-number formats hold s rounded, and clipped to their range, so that
a written volume is off by half a slope at most; an unchanged voxel comes back to the bit.
"""

import gzip
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError

from scidiff.store.atomic import claim, whole
from scidiff.store.errors import UserError
from scidiff.volumes.files.checks import check_affine
from scidiff.volumes.files.dicom import read_dicom
from scidiff.volumes.files.nifti import decode, read_nifti, read_stored
from scidiff.volumes.volume import Header, Volume

ENDINGS = (".nii", ".nii.gz")
_LONGEST_AXIS = 32767  # of NIfTI-1


@dataclass(frozen=True)
class Written:
    """What writing did to the values.

    Attributes:
        path: the file.
        step: values were rounded to multiples of this; 0 when the format is not one of whole numbers.
        clipped: voxels whose value lay outside the format's range.
    """

    path: Path
    step: float
    clipped: int


def claim_nifti(path: str | Path, overwrite: bool = False) -> Path:
    """Check, before any work is done, that a NIfTI file may be written there later.

    Raises:
        UserError: another ending than .nii or .nii.gz, or as `scidiff.store.atomic.claim`.
    """
    if not str(path).lower().endswith(ENDINGS):
        raise UserError(f"{path}: volumes are written as NIfTI; choose a name that ends in .nii or .nii.gz.")
    return claim(path, overwrite)


def write(
    volume: Volume, path: str | Path, like: Volume | str | Path | None = None, overwrite: bool = False
) -> Written:
    """Write a volume, whole or not at all.

    Args:
        volume: its affine is written, and its header's codes, units, format and scaling unless `like` has others.
        path: .nii or .nii.gz.
        like: the input, to be written in the way of. Given as a NIfTI file, numbers that float32 rounds (float64, large
            integers) also come back to the bit where the voxel is unchanged.
        overwrite: replace an existing file.

    Returns:
        The step that values were rounded to, and how many were clipped.

    Raises:
        UserError: the file exists or cannot be written, another ending, or values that are NaN or infinite.
    """
    path = claim_nifti(path, overwrite)
    if not np.isfinite(volume.data).all():
        raise UserError(f"{path} is not written: the result has voxels that are NaN or infinite.")
    check_affine(volume.affine, path)
    before = _before(volume, like)
    facts = before.header
    stored, clipped = encode(volume.data, facts)
    if isinstance(like, str | Path) and not Path(like).is_dir():
        stored = _keep_unchanged(stored, volume.data, Path(like), facts)
    with _filling(path, overwrite) as file:
        _put(file, _header(volume, facts, path), stored)
    return Written(path, abs(facts.slope) if facts.dtype.kind in "iu" else 0.0, clipped)


def _before(volume: Volume, like: Volume | str | Path | None) -> Volume:
    """The volume whose header is followed."""
    if isinstance(like, Volume):
        return like
    if like is None:
        return volume
    return read_dicom(like) if Path(like).is_dir() else read_nifti(like, 0)


def encode(data: np.ndarray, facts: Header) -> tuple[np.ndarray, int]:
    """The numbers to store, and how many had to be clipped."""
    plain = (facts.slope, facts.inter) == (1.0, 0.0)
    scaled = data.astype(np.float64) if plain else (data.astype(np.float64) - facts.inter) / facts.slope
    if facts.dtype.kind == "f":
        stored = scaled.astype(facts.dtype)
        return (stored if plain else _settle(stored, data, facts)), 0
    low, high = _range(facts.dtype)
    np.rint(scaled, out=scaled)
    clipped = int(np.count_nonzero((scaled < low) | (scaled > high)))
    return np.clip(scaled, low, high).astype(facts.dtype), clipped


def _range(dtype: np.dtype) -> tuple[float, float]:
    """The least and the greatest float64 that the format holds; 2^64 - 1 is not one of them."""
    info = np.iinfo(dtype)
    high = float(info.max)
    return float(info.min), high if int(high) <= info.max else float(np.nextafter(high, 0))


def _settle(stored: np.ndarray, data: np.ndarray, facts: Header) -> np.ndarray:
    """Where a float comes back rounded otherwise, take its neighbour if that comes back right."""
    for side in (-np.inf, np.inf):
        neighbour = np.nextafter(stored, facts.dtype.type(side))
        off = decode(stored, facts.slope, facts.inter) != data
        right = off & (decode(neighbour, facts.slope, facts.inter) == data)
        stored = np.where(right, neighbour, stored)
    return stored.astype(facts.dtype, copy=False)


def _keep_unchanged(stored: np.ndarray, data: np.ndarray, source: Path, facts: Header) -> np.ndarray:
    """Where a voxel still means what the source's does, the source's own number; another grid has no such voxels."""
    original = read_stored(source, 0)[1]
    if original.size != data.size or original.reshape((*original.shape, 1)[:3], order="F").shape != data.shape:
        return stored
    original = original.reshape(data.shape, order="F")
    same = decode(original, facts.slope, facts.inter) == data
    return np.where(same, original, stored).astype(facts.dtype, copy=False)


def _header(volume: Volume, facts: Header, path: Path) -> Nifti1Header:
    """The header of the file to be written."""
    header = _blank(facts, volume.shape)
    try:
        if (shape := _shape(volume, facts)) != header.get_data_shape():  # setting it would reset unused spacings
            header.set_data_shape(shape)
        header.set_data_dtype(facts.dtype)
        header.set_slope_inter(facts.slope, facts.inter)
        header["vox_offset"] = header.single_vox_offset
        if not facts.raw:
            header.set_xyzt_units(*facts.units)
        _place(header, volume.affine, facts)
    except HeaderDataError as error:
        raise UserError(f"{path} is not written: NIfTI cannot hold this volume ({error}).") from error
    return header


def _shape(volume: Volume, facts: Header) -> tuple[int, ...]:
    """The shape to store: the input's, with all its axes of length 1, where the grid is still the input's."""
    kept = facts.shape is not None and (*facts.shape, 1)[:3] == volume.shape
    return facts.shape if kept else volume.shape


def _blank(facts: Header, shape: tuple[int, ...]) -> Nifti1Header:
    """The input's own header, or an empty one."""
    if not facts.raw:
        return Nifti2Header() if max(shape) > _LONGEST_AXIS else Nifti1Header()
    kind = Nifti2Header if len(facts.raw) == Nifti2Header.sizeof_hdr else Nifti1Header
    return kind(facts.raw, check=False)  # as it was when it was read


def _place(header: Nifti1Header, affine: np.ndarray, facts: Header) -> None:
    """Write the affine, unless the header has it already: an untouched header keeps its bits, both its forms too."""
    codes = (int(header["qform_code"]), int(header["sform_code"])) == (facts.qform_code, facts.sform_code)
    if facts.raw and codes and np.array_equal(header.get_best_affine(), affine):
        return
    header.set_qform(affine, facts.qform_code)
    header.set_sform(affine, facts.sform_code)
    if not np.allclose(header.get_best_affine(), affine, rtol=1e-5, atol=1e-4):
        header.set_sform(affine, facts.sform_code or 1)  # a sheared affine, or no code at all: only this form tells


@contextmanager
def _filling(path: Path, overwrite: bool) -> Iterator[BinaryIO]:
    """A file to fill, renamed to `path` when all went well; packed, without a date, when the name ends in .gz."""
    with whole(path, overwrite) as temporary, ExitStack() as stack:
        file = stack.enter_context(temporary.open("wb"))
        if path.suffix.lower() == ".gz":
            file = stack.enter_context(gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=4, mtime=0))
        yield file


def _put(file: BinaryIO, header: Nifti1Header, stored: np.ndarray) -> None:
    """Header, the four bytes that say "no extensions", voxels with the first axis fastest."""
    file.write(header.binaryblock)
    file.write(bytes(header.single_vox_offset - header.sizeof_hdr))
    for plane in np.moveaxis(stored, -1, 0):
        file.write(plane.astype(header.get_data_dtype(), copy=False).tobytes(order="F"))
