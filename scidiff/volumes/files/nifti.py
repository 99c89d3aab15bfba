"""NIfTI-1 and NIfTI-2 files in, plain or packed (https://nifti.nimh.nih.gov).

nibabel knows the header; we read the bytes to their very end, so that the checksum of a packed file is always met, and
say in one sentence what is wrong with a file.
"""

import gzip
import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError

from scidiff.store.errors import UserError
from scidiff.volumes.files.checks import check_affine, check_memory
from scidiff.volumes.files.modality import guess_modality
from scidiff.volumes.volume import Header, Volume

_READING_COPIES = 5  # float32 volumes in memory at the worst moment: stored, scaled in float64, the result
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
_PIECE, _MOST_BEHIND = 2**20, 64  # bytes, and pieces of so many that may follow the voxels
_MOVES = ("pixdim[1", "qform_code", "sform_code")  # remarks of nibabel's on what places the voxels
_SILENT = logging.Logger("nibabel's remarks", logging.CRITICAL + 1)
_SENSELESS = (HeaderDataError, ValueError, TypeError, KeyError, OverflowError, struct.error, np.linalg.LinAlgError)


def read_nifti(path: str | Path, frame: int | None = None) -> Volume:
    """Read one volume of a NIfTI file; `frame` chooses from a 4D file that holds several.

    Raises:
        UserError: as `scidiff.volumes.files.read`, save for the values of the voxels.
    """
    path = Path(path)
    header, stored = read_stored(path, frame)
    with _told(path):
        affine = header.get_best_affine()
        check_affine(affine, path)
        facts = _facts(header, stored.shape)
        data = decode(stored, facts.slope, facts.inter)
    name = path.name.removesuffix(".gz").removesuffix(".nii")
    return Volume(_on_three_axes(data), affine, facts, name, guess_modality(name, data))


def decode(stored: np.ndarray, slope: float, inter: float) -> np.ndarray:
    """What stored numbers mean: slope * s + inter in float64, then float32."""
    if (slope, inter) == (1.0, 0.0):
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
            return stored.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        return (stored.astype(np.float64) * slope + inter).astype(np.float32)


def read_stored(path: Path, frame: int | None = None) -> tuple[Nifti1Header, np.ndarray]:
    """The header, and the stored numbers of one volume without any scaling.

    Raises:
        UserError: not a NIfTI file, damaged, numbers that are no intensities, several volumes and none chosen.
    """
    with _told(path), _unpacked(path) as file:
        header = _header(file, path)
        _check_kind(header, path)
        shape = _check_shape(header, frame, path)
        check_memory(shape, _READING_COPIES, path)
        stored = _voxels(file, header, path)
    if frame is not None and prod(shape[3:]) > 1:
        stored = stored.reshape(*shape[:3], -1, order="F")[..., frame]
    return header, stored


def stored_shape(path: Path) -> tuple[int, ...]:
    """The shape of a file as its header says, without its voxels.

    Raises:
        UserError: not a NIfTI file, numbers that are no intensities, no image.
    """
    with _told(path), _unpacked(path) as file:
        header = _header(file, path)
        _check_kind(header, path)
        return _check_shape(header, 0, path)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what a damaged file raises, wherever that is noticed, into the user's words."""
    try:
        yield
    except _DAMAGED as error:
        raise UserError(f"{path} is damaged or cut short: it cannot be unpacked to its end. Copy it again.") from error
    except OSError as error:
        reason = f"Cannot read {path}: {error.strerror}." if error.strerror else f"{path} is damaged or cut short."
        raise UserError(reason) from error
    except _SENSELESS as error:
        raise UserError(f"{path} is not a readable NIfTI file: its header makes no sense ({error}).") from error


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked when they are packed, whatever its name says."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as file:
            yield file


def _header(file: BinaryIO, path: Path) -> Nifti1Header:
    """The header of a single-file NIfTI, of either version."""
    block = file.read(Nifti2Header.sizeof_hdr)
    if block[344:347] == b"n+1" and len(block) >= Nifti1Header.sizeof_hdr:
        return _mended(Nifti1Header, block[: Nifti1Header.sizeof_hdr], path)
    if block[4:7] == b"n+2" and len(block) == Nifti2Header.sizeof_hdr:
        return _mended(Nifti2Header, block, path)
    if block[344:347] == b"ni1":
        raise UserError(f"{path} is one half of a .hdr and .img pair; convert the pair to a single .nii file.")
    raise UserError(f"{path} is not a NIfTI file; expected .nii or .nii.gz, or a folder of DICOM slices.")


def _mended(kind: type[Nifti1Header], block: bytes, path: Path) -> Nifti1Header:
    """The header as nibabel mends it; of its remarks those alone are told, in a warning, that move voxels."""
    header, wrong = kind(block, check=False), kind.diagnose_binaryblock(block).splitlines()
    header.check_fix(_SILENT)
    if moved := [each for each in wrong if each.startswith(_MOVES)]:
        warnings.warn(f"{path}: its header is wrong ({moved[0]}); check the voxels' sizes and sides.", stacklevel=2)
    return header


def _check_kind(header: Nifti1Header, path: Path) -> None:
    """Refuse numbers that are no intensities."""
    dtype = header.get_data_dtype()
    if dtype.kind == "c":
        raise UserError(f"{path} holds complex numbers; expected real intensities. Save its magnitude as a file.")
    if dtype.fields or dtype.kind not in "iuf":
        raise UserError(f"{path} holds colours (RGB) or single bits; expected one intensity a voxel. Save it as such.")


def _check_shape(header: Nifti1Header, frame: int | None, path: Path) -> tuple[int, ...]:
    """The shape as stored, once it is sure which volume of it is meant."""
    shape = tuple(int(n) for n in header.get_data_shape())
    if len(shape) < 2 or min(shape) < 1:
        raise UserError(f"{path} holds no image: its shape is {shape}.")
    if prod(shape[4:]) > 1:
        raise UserError(f"{path} has {len(shape)} axes of shape {shape}; expected one intensity a voxel, X x Y x Z.")
    count = prod(shape[3:])
    if frame is None and count > 1:
        raise UserError(f"{path} holds {count} volumes (4D); choose one with frame=0 to frame={count - 1}.")
    if frame is not None and not 0 <= frame < count:
        raise UserError(f"{path} holds {count} volumes; frame must be from 0 to {count - 1}, not {frame}.")
    return shape


def _voxels(file: BinaryIO, header: Nifti1Header, path: Path) -> np.ndarray:
    """The stored numbers, read after the end of which nothing is left but the checksum."""
    size = prod(header.get_data_shape()) * header.get_data_dtype().itemsize
    offset = int(header.get_data_offset())
    file.seek(offset)
    content = bytearray(file.read(size)) if offset >= header.sizeof_hdr else b""
    if len(content) < size:
        found = f"{len(content):,} bytes of voxels where {size:,} are needed"
        raise UserError(f"{path} is damaged or cut short: {found}. Copy it again.")
    if any(not file.read(_PIECE) for _ in range(_MOST_BEHIND)):
        return np.ndarray(header.get_data_shape(), header.get_data_dtype(), content, order="F")
    raise UserError(f"{path} goes on for long behind its voxels: it is no NIfTI file as it should be. Export it anew.")


def _facts(header: Nifti1Header, shape: tuple[int, ...]) -> Header:
    """What the header says, in our words; a file without scaling has slope 1."""
    slope, inter = header.get_slope_inter()
    return Header(
        dtype=header.get_data_dtype(),
        slope=1.0 if slope is None else float(slope),
        inter=0.0 if inter is None else float(inter),
        qform_code=int(header["qform_code"]),
        sform_code=int(header["sform_code"]),
        units=_units(header),
        shape=None if len(shape) == 3 else shape,
        raw=header.binaryblock,
    )


def _units(header: Nifti1Header) -> tuple[str, str]:
    """Units of space and time; some programs write codes that no one knows."""
    try:
        return header.get_xyzt_units()
    except KeyError:
        return "unknown", "unknown"


def _on_three_axes(data: Any) -> np.ndarray:
    """(X, Y), (X, Y, Z) and (X, Y, Z, 1, ...) as (X, Y, Z)."""
    return data.reshape((*data.shape, 1)[:3], order="F")
