"""Which restored volume belongs to which truth: two files, or two folders of files with the same names."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scidiff.store.errors import UserError

ENDINGS = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Pair:
    """A restored volume and what it is judged by, as paths; none is what was not given.

    Attributes:
        name: the restored volume's file name.
        sd: the stated standard deviation of each voxel.
        regions: further masks, by name.
    """

    name: str
    restored: Path
    truth: Path
    baseline: Path | None = None
    mask: Path | None = None
    sd: Path | None = None
    regions: Mapping[str, Path] = field(default_factory=dict)


def find_pairs(given: Mapping[str, Path], regions: Mapping[str, Path]) -> list[Pair]:
    """The pairs, in the order of their names.

    Args:
        given: input and reference, perhaps baseline, mask and sd: each a NIfTI file, a folder of DICOM slices, or a
            folder of NIfTI files. A mask that is one file serves all volumes, if it fits their grid.
        regions: name -> a mask, as above.

    Raises:
        UserError: a path does not exist, one volume stands against many, or folders hold other names.
    """
    for path in [*given.values(), *regions.values()]:
        if not path.exists():
            raise UserError(f"There is no file {path}.")
    names = volumes_in(given["reference"])
    for key in ("input", "baseline"):
        if key in given:
            _check_match(given[key], given["reference"], names)
    return [_pair(name, given, regions) for name in names or [given["input"].name]]


def volumes_in(folder: Path) -> list[str]:
    """Names of the NIfTI files in a folder, sorted; none for a file and for a folder of DICOM slices."""
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return sorted(name for name in names if name.lower().endswith(ENDINGS))


def _check_match(folder: Path, truths: Path, names: Collection[str]) -> None:
    """Both are one volume, or both hold volumes of the same names; maps beside a volume do no harm."""
    found = volumes_in(folder)
    if bool(found) != bool(names):
        many, one = (folder, truths) if found else (truths, folder)
        raise UserError(f"{many} is a folder of NIfTI files and {one} is not; give two volumes, or two such folders.")
    if missing := [name for name in names if name not in found]:
        raise UserError(f"{folder} lacks {_some(missing)}, which {truths} holds; the file names must be the same.")
    if strange := [name for name in found if name not in names and _principal(name) not in found]:
        raise UserError(f"{truths} lacks {_some(strange)}, which {folder} holds; the file names must be the same.")


def _some(names: Collection[str]) -> str:
    first, *others = names
    return f"{first} and {len(others)} more" if others else first


def _principal(name: str) -> str:
    """The volume that a map lies beside: a.nii.gz for a.sd.nii.gz."""
    stem, ending = _split(name)
    return stem.rpartition(".")[0] + ending


def _split(name: str) -> tuple[str, str]:
    """Stem and ending: ("a", ".nii.gz"); a folder of slices has no ending."""
    ending = next((each for each in ENDINGS if name.lower().endswith(each)), "")
    cut = len(name) - len(ending)
    return name[:cut], name[cut:]


def _pair(name: str, given: Mapping[str, Path], regions: Mapping[str, Path]) -> Pair:
    """The pair of this name, everything that is named for it found."""
    own = {key: _named(path, name) for key, path in given.items() if key != "sd"}
    if "sd" in given:
        own["sd"] = _deviations(given["sd"], name, own["input"])
    areas = {area: _named(path, name) for area, path in regions.items()}
    return Pair(name, own["input"], own["reference"], own.get("baseline"), own.get("mask"), own.get("sd"), areas)


def _named(path: Path, name: str) -> Path:
    """The file of this name in a folder of NIfTI files; anything else is itself what is meant."""
    if (path / name).is_file():
        return path / name
    if volumes_in(path):
        raise UserError(f"{path} lacks {name}; the file names must be the same.")
    return path


def _deviations(path: Path, name: str, restored: Path) -> Path:
    """The same for standard deviations: a.sd.nii.gz rather than a.nii.gz, which may be the volume itself."""
    stem, ending = _split(name)
    own = path / f"{stem}.sd{ending}"
    if own.is_file():
        return own
    found = _named(path, name)
    if found.is_file() and found.samefile(restored):
        raise UserError(f"{found} is the restored volume itself; sd= needs its standard deviations, as in {own.name}.")
    return found
