"""Which files of a folder are learnt from, and what their headers say, before any of them is read."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path

from scidiff.store.errors import UserError
from scidiff.volumes.files.nifti import stored_shape
from scidiff.volumes.learning.degrade import Shape

FEWEST = 3
PREPARED = ("data.yaml", "train")  # what a folder of scidiff prepare holds: its facts, and the scans to learn from
ENDINGS = (".nii", ".nii.gz")


def find(folder: Path, pattern: str, exclude: Sequence[str]) -> tuple[list[Path], int]:
    """The scans to train on, in order, and how many were left out.

    Args:
        folder: looked through as the pattern says; what begins with a dot is not looked at, and neither are the
            validation and test scans of a folder that scidiff prepare made.
        pattern: as pathlib's glob takes it.
        exclude: as `names` takes them, for paths from the folder's own name on.

    Raises:
        UserError: there is no such folder, it holds fewer than three scans, or a link to what is not there.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder} of scans to train on. Set data.source=<folder>.")
    folder = folder / PREPARED[1] if all((folder / name).exists() for name in PREPARED) else folder
    found = [path for path in _matching(folder, pattern) if path.name.endswith(ENDINGS) and not path.is_dir()]
    within = {path: Path(folder.absolute().name, path.relative_to(folder)) for path in found}
    kept = [path for path in found if not any(names(word, within[path]) for word in exclude)]
    if len(kept) < FEWEST:
        out = f", not counting {len(found) - len(kept)} that data.exclude leaves out" if len(found) > len(kept) else ""
        held = f"{len(kept)} scan{'s' * (len(kept) != 1)}"
        raise UserError(f"{folder} holds {held} that match {pattern}{out}; at least {FEWEST} are needed.")
    for path in kept:
        if not path.exists():
            raise UserError(f"{path} is a link to a file that is not here: fetch it first (datalad get, say).")
    return kept, len(found) - len(kept)


def _matching(folder: Path, pattern: str) -> list[Path]:
    try:
        found = sorted(folder.glob(pattern))
    except (ValueError, NotImplementedError) as error:
        raise UserError(f"data.files={pattern}: expected a pattern of paths below the folder, as **/*.nii*.") from error
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def names(word: str, path: Path) -> bool:
    """Whether a path has this word: whole, between slashes, underscores and dots, * standing for anything.

    A word with such signs in it is several in a row: ds000011_sub-08 names ds000011/sub-08/anat/sub-08_T1w.nii.gz too.
    """
    wanted, given = (re.findall(r"[^/\\_.\s]+", str(each)) for each in (word, path))
    places = range(len(given) - len(wanted) + 1) if wanted else ()
    return any(all(map(fnmatchcase, given[place:], wanted)) for place in places)


def shape_of(path: Path) -> Shape:
    """(X, Y, Z) of a scan, by its header.

    Raises:
        UserError: not a NIfTI file that can be read, or several volumes in one.
    """
    shape = stored_shape(path)
    if prod(shape[3:]) > 1:
        raise UserError(
            f"{path} holds {prod(shape[3:])} volumes (4D, as BOLD and diffusion series are), and single ones are learnt"
            " from. Leave such files out by data.files, as **/*T1w.nii*, or data.exclude, as [bold]."
        )
    x, y, z = (*shape, 1)[:3]
    return x, y, z
