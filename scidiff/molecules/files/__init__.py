"""Molecule files, read record by record and written whole or not at all."""

from collections.abc import Iterator
from pathlib import Path

from scidiff.molecules.files.records import Broken, sidecar, write_sidecar
from scidiff.molecules.files.sdf import read_sdf, write_sdf
from scidiff.molecules.files.xyz import read_xyz, write_xyz
from scidiff.molecules.molecule import Molecule
from scidiff.store.errors import UserError

READERS = {
    ".sdf": read_sdf, ".sd": read_sdf, ".mol": read_sdf, ".xyz": read_xyz, ".extxyz": read_xyz,
}  # fmt: skip

__all__ = [
    "READERS",
    "Broken",
    "ending",
    "read",
    "read_sdf",
    "read_xyz",
    "sidecar",
    "write_sdf",
    "write_sidecar",
    "write_xyz",
]


def ending(path: str | Path) -> str:
    """The lower-case ending that tells the format, looking through a final .gz."""
    path = Path(path)
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def read(path: str | Path) -> Iterator[Molecule | Broken]:
    """The records of a molecule file, one at a time: a `Molecule`, or `Broken` where one cannot be read.

    The format follows from the ending: .sdf, .sd, .mol (V2000 or V3000), .xyz, .extxyz, each also with .gz.

    Raises:
        UserError: unknown ending, missing or empty file; while reading: cut short, wrong units, nothing readable.
    """
    if ending(path) not in READERS:
        known = ", ".join(READERS)
        raise UserError(f"Cannot tell what {path} is from its ending; expected one of {known} (also with .gz).")
    return READERS[ending(path)](path)
