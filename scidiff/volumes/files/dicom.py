"""A folder of DICOM slices in (https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.7.6.2.html).

Pixel (row r, column c) of a slice lies at position + c * across + r * down, left-posterior-superior; we turn that to
NIfTI's right-anterior-superior. Voxel axes are (column, row, slice), slices in ascending order along the normal
across x down, so that the grid is right-handed.

Only the tags named here are read: a patient's name, number, dates and places never enter the program.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from scidiff.store.errors import UserError
from scidiff.volumes.files.checks import check_affine, check_memory
from scidiff.volumes.files.nifti import decode
from scidiff.volumes.volume import Header, Volume

_GEOMETRY = [
    "Modality", "SeriesInstanceUID", "SeriesNumber", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "SliceThickness", "Rows", "Columns", "NumberOfFrames", "RescaleSlope", "RescaleIntercept",
]  # fmt: skip
_PIXELS = [
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "PixelData", "Rows", "Columns",
]  # fmt: skip
_FARTHEST = 1e6  # mm
_UNEVEN = 0.02  # of the spacing: positions are often written to two or three decimals
_READING_COPIES = 5
_TO_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class _Slice:
    """What a slice's tags say, and nothing of the patient."""

    path: Path
    series: str
    number: str
    modality: str
    position: np.ndarray
    across: np.ndarray  # from one column to the next, in millimetres
    down: np.ndarray  # from one row to the next, in millimetres
    thickness: float
    shape: tuple[int, int]
    slope: float
    inter: float

    @property
    def normal(self) -> np.ndarray:
        """Unit vector out of the slice."""
        normal = np.cross(self.across, self.down)
        return normal / np.linalg.norm(normal)


def read_dicom(folder: str | Path) -> Volume:
    """Read the one series of single-frame DICOM slices in a folder; other kinds of file beside them are passed over.

    Raises:
        UserError: no slices, several series, slices missing, doubled, tilted against each other, of several shapes or
            unequally spaced, several frames a file, colours, tags that geometry needs missing, damaged pixels.
    """
    folder = Path(folder)
    return read_series(sorted(path for path in folder.iterdir() if path.is_file()), folder)


def read_series(paths: Sequence[Path], folder: Path) -> Volume:
    """Read one series of slices from these files of a folder; arguments and errors otherwise as for `read_dicom`."""
    slices = _sorted(_one_series(_slices(paths, folder), folder), folder)
    affine = _affine(slices, folder)
    check_affine(affine, folder)
    check_memory((*slices[0].shape, len(slices)), _READING_COPIES, folder)
    data, header = _pixels(slices)
    return Volume(data, affine, header, folder.resolve().name, slices[0].modality)


def _slices(paths: Sequence[Path], folder: Path) -> list[_Slice]:
    """Every DICOM image among the files of the folder."""
    found = [item for path in paths if (item := _slice(path)) is not None]
    if not found:
        nifti = any(path.name.lower().endswith((".nii", ".nii.gz")) for path in paths)
        files = "name one of its NIfTI files, or a folder as out= to restore all of them"
        lacks = files if nifti else "name the folder that the slices lie in"
        raise UserError(f"The folder {folder} holds no DICOM slices; {lacks}.")
    return found


def _slice(path: Path) -> _Slice | None:
    """The geometry of one slice; none for a file that is no DICOM image."""
    try:
        tags = dcmread(path, specific_tags=_GEOMETRY, stop_before_pixels=True)
        list(tags), list(tags.file_meta)  # pydicom looks at an element when it is first asked for
    except InvalidDicomError as error:
        if path.suffix.lower() == ".dcm":
            raise UserError(
                f"{path} is not a DICOM file, whatever its name says. Copy it again, or remove it."
            ) from error
        return None
    except Exception as error:  # pydicom raises many kinds for damaged files
        raise UserError(f"{path} is damaged or cut short ({type(error).__name__}). Copy it again.") from error
    if "Rows" not in tags:
        return _pass_over(path, tags)
    if int(tags.get("NumberOfFrames") or 1) > 1:
        raise UserError(f"{path} holds several frames (enhanced DICOM); convert it to NIfTI with dcm2niix.")
    try:
        return _placed(_facts(path, tags))
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        lacks = "a sound position, orientation or pixel spacing"
        raise UserError(f"{path} lacks {lacks}, so it cannot be placed; convert the series with dcm2niix.") from error


def _pass_over(path: Path, tags: Dataset) -> None:
    """Leave out what says of itself that it is no image (a DICOMDIR, a report); a slice cut short does not."""
    kind = str(tags.file_meta.get("MediaStorageSOPClassUID", ""))
    if not kind or "Image" in UID(kind).name:
        raise UserError(f"{path} is damaged or cut short: it holds no image. Copy it again.")


def _facts(path: Path, tags: Dataset) -> _Slice:
    """The tags as numbers."""
    orientation = np.array(tags.ImageOrientationPatient, dtype=float).reshape(2, 3)
    between_rows, between_columns = (float(n) for n in tags.PixelSpacing)
    return _Slice(
        path=path,
        series=str(tags.get("SeriesInstanceUID", "")),
        number=str(tags.get("SeriesNumber", "?")),
        modality=str(tags.get("Modality", "")),
        position=np.array(tags.ImagePositionPatient, dtype=float).reshape(3),
        across=orientation[0] * between_columns,
        down=orientation[1] * between_rows,
        thickness=float(tags.get("SliceThickness") or 1.0),
        shape=(int(tags.Columns), int(tags.Rows)),
        slope=float(np.float32(tags.get("RescaleSlope", 1.0))),  # as NIfTI will store it
        inter=float(np.float32(tags.get("RescaleIntercept", 0.0))),
    )


def _placed(item: _Slice) -> _Slice:
    """The slice, if it lies where a scanner may have put it: not at NaN, nor a kilometre away."""
    lengths = [*item.position, *item.across, *item.down, item.thickness]
    if not np.abs(lengths).max() < _FARTHEST:
        raise ValueError
    return item


def _one_series(slices: list[_Slice], folder: Path) -> list[_Slice]:
    """The slices, once they are sure to belong together."""
    counts: dict[str, int] = {}
    numbers = {item.series: item.number for item in slices}
    for item in slices:
        counts[item.series] = counts.get(item.series, 0) + 1
    if len(counts) > 1:
        found = ", ".join(sorted(f"number {numbers[series]} with {count} slices" for series, count in counts.items()))
        raise UserError(f"{folder} holds {len(counts)} series ({found}); give each series a folder of its own.")
    first = slices[0]
    for item in slices[1:]:
        if item.shape != first.shape:
            raise UserError(f"The slices in {folder} differ in shape: {item.path.name} has {item.shape}.")
        if not np.allclose([item.across, item.down], [first.across, first.down], atol=1e-3):
            raise UserError(f"The slices in {folder} are tilted against each other ({item.path.name}): a localiser?")
    return slices


def _sorted(slices: list[_Slice], folder: Path) -> list[_Slice]:
    """The slices in ascending order along their normal, once they are sure to be equally spaced."""
    normal = slices[0].normal
    slices = sorted(slices, key=lambda item: item.position @ normal)
    if len(slices) < 2:
        return slices
    places = np.array([item.position for item in slices])
    gaps = np.diff(places @ normal)
    usual = float(np.median(gaps))
    if np.any(gaps < _UNEVEN * max(usual, 1e-3)):
        raise UserError(f"{folder} has several slices at one position (echoes or phases?); keep one set of them.")
    missing = int(np.sum(np.rint(gaps / usual) - 1))
    if missing > 0:
        raise UserError(f"{folder} lacks {missing} of {len(slices) + missing} slices: gaps of {gaps.max():.2f} mm where"
                        f" {usual:.2f} mm are usual. Copy the whole series.")  # fmt: skip
    even = np.linspace(places[0], places[-1], len(places))
    if np.abs(places - even).max() > _UNEVEN * usual:
        raise UserError(f"The slices in {folder} are unequally spaced: {gaps.min():.2f} to {gaps.max():.2f} mm apart. "
                        "Resample the series to equal spacing, with dcm2niix for instance.")  # fmt: skip
    return slices


def _affine(slices: list[_Slice], folder: Path) -> np.ndarray:
    """Columns: across, down, from slice to slice, first position; turned to RAS."""
    first, last = slices[0], slices[-1]
    step = first.normal * first.thickness
    if len(slices) > 1:
        step = (last.position - first.position) / (len(slices) - 1)
    affine = np.eye(4)
    affine[:3] = _TO_RAS @ np.stack([first.across, first.down, step, first.position], axis=1)
    return affine


def _pixels(slices: list[_Slice]) -> tuple[np.ndarray, Header]:
    """(X, Y, Z) intensities, and the format that holds them: the scanner's own when one scaling serves all slices."""
    first, planes = slices[0], [_plane(item) for item in slices]
    stored = np.stack(planes, axis=-1)
    if len({(item.slope, item.inter) for item in slices}) == 1:
        header = Header(dtype=stored.dtype, slope=first.slope, inter=first.inter, sform_code=1)
        return decode(stored, first.slope, first.inter), header
    scaled = [decode(plane, item.slope, item.inter) for plane, item in zip(planes, slices, strict=True)]
    return np.stack(scaled, axis=-1), Header()


def _plane(item: _Slice) -> np.ndarray:
    """The stored numbers of one slice: (columns, rows)."""
    try:
        tags = dcmread(item.path, specific_tags=_PIXELS)
        pixels: Any = tags.pixel_array
    except Exception as error:  # missing plugins, damaged pixels: each decoder has exceptions of its own
        reason = "its pixels are damaged or compressed in a way that is not supported"
        raise UserError(f"Cannot read {item.path}: {reason}. Copy it again, or convert with dcm2niix.") from error
    if pixels.ndim != 2:
        raise UserError(f"{item.path} holds colours; expected one intensity a pixel.")
    return np.ascontiguousarray(pixels.T)
