"""One scan, read and written without anything but its voxels and where they lie, or the reason it is left out."""

import json
from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path

import numpy as np

from scidiff.store.atomic import whole
from scidiff.store.errors import UserError
from scidiff.volumes.files import read, write
from scidiff.volumes.files.checks import check_values
from scidiff.volumes.files.dicom import read_series
from scidiff.volumes.files.nifti import stored_shape
from scidiff.volumes.prepare.find import Found
from scidiff.volumes.volume import Volume

_LABELS = 16  # different intensities: a scan has more, a mask or a segmentation fewer


@dataclass(frozen=True)
class Facts:
    """What the table of a prepared folder says of a scan.

    Attributes:
        modality: T1w, T2w, FLAIR, PDw, MR or CT; "scan" where nothing tells.
        shape: voxels. spacing: millimetres. orientation: where the axes point to.
        format: of the stored numbers.
        low, median, high: 0.5, 50 and 99.5 percentiles of the intensities.
        dropped: why it is left out, "kind of reason: details"; empty if it is kept, and all else empty if not.
    """

    modality: str = ""
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    orientation: str = ""
    format: str = ""
    low: float = 0.0
    median: float = 0.0
    high: float = 0.0
    dropped: str = ""


def convert(found: Found, path: Path, fewest: int, modality: str | None) -> Facts:
    """Read a scan and write it to `path`, its facts beside it, last; what is there already is not made again.

    Args:
        path: of the NIfTI file; the facts' ends in .json.
        fewest: voxels along each axis.
        modality: the only kind to keep; None keeps all.
    """
    beside = path.with_name(path.name.replace(".nii.gz", ".json"))
    if beside.exists():
        return Facts(**json.loads(beside.read_text(encoding="utf-8")))
    try:
        volume = _wanted(_read(found), found, fewest, modality)
        write(_plain(volume), path, overwrite=True)
        facts = _facts(volume)
    except _Left as error:
        facts = Facts(dropped=str(error))
    with whole(beside, overwrite=True) as temporary:
        temporary.write_text(json.dumps(asdict(facts)), encoding="utf-8")
    return facts


class _Left(Exception):
    """Why a scan is left out."""


def _read(found: Found) -> Volume:
    try:
        if not found.is_nifti:
            volume = read_series(found.files, found.files[0].parent)
            check_values(volume.data, found.files[0].parent)
            return volume
        shape = stored_shape(found.files[0])
        if prod(shape[3:]) > 1:
            raise _Left(f"4D: {prod(shape[3:])} volumes in one file")
        return read(found.files[0])
    except UserError as error:
        said = str(error)
        kind = next((kind for word, kind in _KINDS.items() if word in said), "cannot be read")
        raise _Left(f"{kind}: {said}") from error


_KINDS = {"NaN": "NaN or infinite", "is constant": "constant", "affine": "no place in space"}


def _wanted(volume: Volume, found: Found, fewest: int, modality: str | None) -> Volume:
    """The volume with the kind that it is of, if it is one to keep."""
    kind = found.modality or volume.modality or "scan"
    if min(volume.shape) < fewest:
        raise _Left(f"2D or nearly: {' x '.join(map(str, volume.shape))} voxels")
    if modality is not None and kind.lower() != modality.lower():
        raise _Left(f"another kind: {kind}")
    if len(values := np.unique(volume.data[::2, ::2, ::2])) < _LABELS:
        raise _Left(f"mask or labels: {len(values)} different intensities")
    return volume.replace(modality=kind)


def _plain(volume: Volume) -> Volume:
    """Without its file's header, whose free text may speak of the patient: only how numbers and places are stored."""
    return volume.replace(header=replace(volume.header, raw=b""), name="")


def _facts(volume: Volume) -> Facts:
    low, median, high = (float(f"{value:.6g}") for value in np.percentile(volume.data, [0.5, 50, 99.5]))
    return Facts(
        modality=volume.modality,
        shape=tuple(volume.shape),
        spacing=tuple(round(size, 4) for size in volume.spacing),
        orientation=volume.orientation,
        format=str(volume.header.dtype),
        low=low,
        median=median,
        high=high,
    )
