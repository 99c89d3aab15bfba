"""What all readers share: broken records, lines of perhaps packed text, and guards over a whole file.

A large file with a few bad records is normal: they are named, counted and skipped. A file with nothing readable in
it, or in another unit than Angstrom, is a mistake to be told at once.
"""

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from scidiff.molecules.molecule import Molecule
from scidiff.molecules.perceive import neighbour_ratios
from scidiff.store.atomic import whole
from scidiff.store.errors import UserError

# Nearest-neighbour distance over the sum of covalent radii when a length in Angstrom is written in another unit.
_UNITS = {"nanometres": (0.06, 0.16, 10.0), "picometres": (60.0, 160.0, 0.01), "Bohr": (1.6, 2.3, 0.529177)}
_LOOK_AHEAD = 20  # records judged together before the first is handed out
_LONGEST_LINE = 2**20  # characters
_LARGEST_RECORD = 2**24  # characters, and 64 for each line


@dataclass(frozen=True)
class Broken:
    """A record that cannot be read.

    Attributes:
        record: its place in the file, from 1.
        name: its title, where that much is legible.
        reason: what is wrong with it.
        file: the file's name.
    """

    record: int
    name: str
    reason: str
    file: str = ""


def existing(path: str | Path) -> Path:
    """The path of a file that is there and not empty.

    Raises:
        UserError: otherwise.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file.")
    if not path.exists():
        raise UserError(f"There is no file {path}.")
    if not path.stat().st_size:
        raise UserError(f"{path} is empty; expected at least one molecule.")
    return path


def lines(path: Path) -> Iterator[str]:
    """The lines of a text file, unpacked when its name ends in .gz, without line ends.

    Raises:
        UserError: it cannot be opened, a packed file is damaged or cut short, or a line has no end.
    """
    try:
        with _opened(path) as text:
            while line := text.readline(_LONGEST_LINE):
                if len(line) == _LONGEST_LINE:
                    raise UserError(f"{path} has a line of more than a million characters: it is no molecule file.")
                yield line.rstrip("\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged or cut short: it cannot be unpacked to its end. Copy it again.") from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error


def grown(size: int, line: str, path: Path) -> int:
    """The size of a record that began with `size` and gets one more line.

    Raises:
        UserError: no molecule is so large.
    """
    size += len(line) + 64
    if size > _LARGEST_RECORD:
        raise UserError(f"{path} has a record that does not end; expected molecules. Check the file and its ending.")
    return size


def _opened(path: Path) -> TextIO:
    """Text for reading; a byte that is no UTF-8 spoils a title, not the file."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    return opener(path, "rt", encoding="utf-8", errors="replace")


def write_all(path: str | Path, texts: Iterable[str], overwrite: bool) -> int:
    """Write the texts of all records, one at a time, whole or not at all; returns how many."""
    count = 0
    with writing(path, overwrite) as file:
        for text in texts:
            file.write(text)
            count += 1
    return count


@contextmanager
def writing(path: str | Path, overwrite: bool) -> Iterator[TextIO]:
    """A text to fill, renamed to `path` when all went well; packed, without a date, when the name ends in .gz."""
    with whole(path, overwrite) as temporary, ExitStack() as stack:
        raw = stack.enter_context(temporary.open("wb"))
        if temporary.suffix.lower() == ".gz":
            raw = stack.enter_context(gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0))
        yield stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline="\n"))


def guarded(records: Iterable[Molecule | Broken], path: Path) -> Iterator[Molecule | Broken]:
    """The same records, once their units and at least one readable molecule are made sure of.

    Raises:
        UserError: lengths are not in Angstrom, or (at the end) there was not one molecule.
    """
    records = iter(records)
    head = list(itertools.islice(records, _LOOK_AHEAD))
    _check_units(head, path)
    first, found = next((r for r in head if isinstance(r, Broken)), None), False
    for record in itertools.chain(head, records):
        found = found or isinstance(record, Molecule)
        yield record
    if not found:
        why = f"record {first.record}: {first.reason}" if first else "it has no record"
        raise UserError(f"{path} holds no readable molecule ({why}). Check the file and its ending.")


def _check_units(records: list[Molecule | Broken], path: Path) -> None:
    """Refuse a file whose atoms are all too near or too far by the factor of another unit."""
    molecules = [record for record in records if isinstance(record, Molecule) and len(record) > 1]
    if sum(map(len, molecules)) < 3:
        return
    ratios = np.concatenate([neighbour_ratios(molecule) for molecule in molecules])
    for unit, (low, high, factor) in _UNITS.items():
        if np.mean((ratios > low) & (ratios < high)) > 0.9:
            raise UserError(
                f"The coordinates of {path} look like {unit}: neighbours are {np.median(ratios):.2g} times as far apart"
                f" as atoms in Angstrom would be. Multiply them by {factor:g}."
            )


def sidecar(path: str | Path, folder: str | Path | None = None) -> Path:
    """Where the broken records of an input file are named: `<input-name>.skipped.csv`, beside it or in `folder`."""
    path = Path(path)
    return (Path(folder) if folder else path.parent) / f"{path.name}.skipped.csv"


def write_sidecar(path: str | Path, broken: Iterable[Broken], folder: str | Path | None = None) -> Path | None:
    """Name the broken records of the input file `path` in its sidecar CSV; nothing is written when there are none.

    Returns:
        The CSV's path (file, record, name, reason), or None.

    Raises:
        UserError: it cannot be written.
    """
    rows = [(item.file or Path(path).name, item.record, item.name, item.reason) for item in broken]
    if not rows:
        return None
    target = sidecar(path, folder)
    with whole(target, overwrite=True) as temporary, temporary.open("w", newline="", encoding="utf-8") as text:
        csv.writer(text, lineterminator="\n").writerows([("file", "record", "name", "reason"), *rows])
    return target
