"""Which scans a folder holds, and whose they are; nothing of that leaves this program but as a number.

A NIfTI file is a scan; DICOM slices are grouped by series, wherever they lie. A subject is told by the patient's number
in the DICOM tags, by BIDS's sub-<label>, by the first folder below the one that was given, or by the file's name
without words for its kind.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import dcmread

from scidiff.store.errors import UserError
from scidiff.volumes.files.modality import guess_modality
from scidiff.volumes.files.writing import ENDINGS

_TAGS = [
    "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "SeriesDescription", "ProtocolName", "SeriesNumber",
]  # fmt: skip
_LABEL = re.compile(r"sub-([A-Za-z0-9]+)")
_SESSION = re.compile(r"ses-([A-Za-z0-9]+)")


@dataclass(frozen=True)
class Found:
    """A scan that has not been read yet.

    Attributes:
        place: what to call it in a table for who owns the files: a path from the folder on.
        files: one NIfTI file, or the slices of a DICOM series.
        subject: whose it is; may name a patient, and is not written anywhere.
        session: when it was made; likewise.
        label: BIDS's, as sub-01; empty where there is none.
        modality: T1w, T2w, FLAIR, PDw or CT by words about it; empty where they do not tell.
    """

    place: str
    files: tuple[Path, ...]
    subject: str
    session: str = ""
    label: str = ""
    modality: str = ""

    @property
    def is_nifti(self) -> bool:
        """Whether it is a NIfTI file."""
        return _is_nifti(self.files[0])


def find(folder: Path) -> list[Found]:
    """All scans of a folder and its subfolders, in order of their places.

    Raises:
        UserError: there is none.
    """
    nifti, slices = [], []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            (nifti if _is_nifti(path) else slices).append(path)
    found = [*(_file(path, folder) for path in nifti), *_series(slices, folder)]
    if not found:
        raise UserError(f"The folder {folder} holds no NIfTI file and no DICOM slice.")
    return sorted(found, key=lambda each: each.place)


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith(ENDINGS)


def _file(path: Path, folder: Path) -> Found:
    """A NIfTI file; two data sets may both have a sub-01, told apart by what stands before it in the file's name."""
    place = path.relative_to(folder)
    name = place.name.lower().removesuffix(".gz").removesuffix(".nii")
    kind = guess_modality(name, _nothing())
    session = _SESSION.search(str(place))
    facts = {"session": session[1] if session else "", "modality": kind}
    if label := _LABEL.search(place.name) or _LABEL.search(str(place)):
        before = place.name[: label.start()] if label.string == place.name else ""
        whose = "sub-" + re.sub(r"[^A-Za-z0-9]", "", before) + label[1]
        return Found(str(place), (path,), whose, label=whose, **facts)
    words = [word for word in re.split(r"[\W_]+", name) if not guess_modality(word, _nothing())]
    return Found(str(place), (path,), place.parts[0] if len(place.parts) > 1 else "_".join(words), **facts)


def _nothing() -> np.ndarray:
    """Intensities that tell nothing: only words shall."""
    return np.zeros(1)


def _series(paths: list[Path], folder: Path) -> Iterator[Found]:
    """The slices by series; files that are no DICOM, whatever they are, are none."""
    groups: dict[str, tuple[dict[str, str], list[Path]]] = {}
    for path in paths:
        try:
            said = dcmread(path, specific_tags=_TAGS, stop_before_pixels=True)
            tags = {name: str(said.get(name, None) or "").strip() for name in _TAGS}
        except Exception:  # pydicom raises many kinds
            if path.suffix.lower() not in (".dcm", ".ima"):
                continue
            tags = dict.fromkeys(_TAGS, "")  # by its name a slice: reading will tell what is wrong with it
        key = tags["SeriesInstanceUID"] or f"in {path.parent}"
        groups.setdefault(key, (tags, []))[1].append(path)
    for tags, files in groups.values():
        yield _one_series(tags, files, folder)


def _one_series(tags: dict[str, str], files: list[Path], folder: Path) -> Found:
    place = files[0].parent.relative_to(folder)
    whose = tags["PatientID"] or (place.parts[0] if place.parts else "one")
    return Found(
        place=f"{place} (series {tags['SeriesNumber'] or '?'})",
        files=tuple(files),
        subject=f"patient {whose}",
        session=tags["StudyInstanceUID"],
        modality=guess_modality(f"{tags['SeriesDescription']} {tags['ProtocolName']}", _nothing()),
    )
