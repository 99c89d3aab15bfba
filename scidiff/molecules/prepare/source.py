"""The records of SMILES lists, tables, SDF and XYZ files and prepared sets, raw: what they mean is found out later.

A raw record is cheap to make and to send to another process, so that one process can feed many.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.files import READERS, Broken, ending, read
from scidiff.molecules.files.records import existing, lines
from scidiff.molecules.gather import PREPARED
from scidiff.molecules.molecule import Molecule
from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean

LISTS = (".smi", ".smiles", ".ism", ".txt")
TABLES = (".csv", ".tsv")
BLOCKS = (".sdf", ".sd", ".mol")
SET = ".npz"
ENDINGS = (*LISTS, *TABLES, *READERS, SET)
_SMILES = ("smiles", "canonical_smiles", "isomeric_smiles", "can_smiles", "smi")
_NAMES = ("name", "names", "id", "title", "mol_id", "molecule_id", "compound_id", "chembl_id", "zinc_id")


@dataclass(frozen=True)
class Raw:
    """A record as it stands in its file.

    Attributes:
        file: its name, or its path from the folder that was given.
        record: its line in a list, its row in a table, else its place; from 1.
        name: its title.
        content: SMILES, the text of a connection table, or a molecule.
        kind: "smiles", "block" or "molecule".
    """

    file: str
    record: int
    name: str
    content: str | Molecule
    kind: str


def find(path: str | Path) -> list[Path]:
    """The file itself, the set of a folder that was prepared, or all molecule files of one with its subfolders.

    Raises:
        UserError: no such place, another ending, or an empty folder.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no file or folder {path}.")
    known = f"expected {', '.join(ENDINGS)} (also with .gz)"
    if not path.is_dir():
        if ending(path) not in ENDINGS:
            raise UserError(f"Cannot tell what {path} is from its ending; {known}.")
        return [path]
    if (path / PREPARED).is_file():
        return [path / PREPARED]
    found = sorted(each for each in path.rglob("*") if each.is_file() and ending(each) in ENDINGS)
    found = [each for each in found if not any(part.startswith(".") for part in each.relative_to(path).parts)]
    if not found:
        raise UserError(f"The folder {path} holds no molecule file; {known}.")
    return found


@dataclass(frozen=True)
class Source:
    """Molecule files.

    Args:
        path: a file, or a folder of them with its subfolders.
        column: of a table, which one holds SMILES; None looks for a usual name.
    """

    path: Path
    column: str | None = None

    @property
    def files(self) -> list[Path]:
        """In order.

        Raises:
            UserError: as `find`.
        """
        return find(self.path)

    def named(self, file: Path) -> str:
        """What a file is called in tables: its path from the folder on, or its name."""
        return str(file.relative_to(self.path)) if self.path.is_dir() else file.name

    def records(self) -> Iterator[Raw | Broken]:
        """All records, one at a time.

        Raises:
            UserError: a file is empty, damaged, or a table has no column of SMILES.
        """
        for file in self.files:
            yield from self._records(file)

    def count(self) -> int:
        """How many records there are; reads everything once, so that what cannot be read is told before the work.

        Raises:
            UserError: as `records`.
        """
        return sum(1 for _ in self.records())

    def _records(self, file: Path) -> Iterator[Raw | Broken]:
        kind, named = ending(file), self.named(file)
        existing(file)
        if kind in LISTS:
            return _list(file, named)
        if kind in TABLES:
            return _table(file, named, self.column)
        if kind in BLOCKS:
            return _blocks(file, named)
        return _molecules(MoleculeSet.load(file) if kind == SET else read(file), named)


def _list(file: Path, named: str) -> Iterator[Raw]:
    """A SMILES a line, perhaps with a name behind it; a first line that says "smiles" is a heading."""
    for number, line in enumerate(lines(file), start=1):
        words = line.split(None, 1)
        if words and not line.startswith("#") and not (number == 1 and words[0].lower() in _SMILES):
            yield Raw(named, number, words[1].strip() if len(words) > 1 else "", words[0], "smiles")


def _table(file: Path, named: str, column: str | None) -> Iterator[Raw]:
    """The rows of a table with a heading; its cells are parted by tabs, semicolons or commas."""
    text = lines(file)
    first = next(text, "")
    delimiter = next((sign for sign in "\t;" if sign in first), ",")
    header = [cell.strip().removeprefix("\ufeff") for cell in next(csv.reader([first], delimiter=delimiter), [])]
    place = _column(header, column, file)
    title = next((header.index(cell) for cell in header if cell.lower() in _NAMES), None)
    rows = csv.reader(text, delimiter=delimiter)
    for number in range(1, 1 << 62):
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise UserError(f"{file}: row {number} cannot be read ({error}). Save the table again as CSV.") from error
        if row is None:
            return
        if any(cell.strip() for cell in row):
            name = row[title].strip() if title is not None and title < len(row) else ""
            yield Raw(named, number, name, row[place].strip() if place < len(row) else "", "smiles")


def _column(header: Sequence[str], wanted: str | None, file: Path) -> int:
    """Where the SMILES stand."""
    listed = f"{file} has the columns {', '.join(header)}"
    if wanted is not None:
        if wanted not in header:
            raise UserError(f"{listed}; there is no '{wanted}'.{did_you_mean(wanted, header)}")
        return header.index(wanted)
    lower = [cell.lower() for cell in header]
    found = [name for name in _SMILES if name in lower] or [cell for cell in lower if "smiles" in cell]
    if not found:
        raise UserError(f"{listed}, and none is called smiles. Add column=<the one that holds SMILES>.")
    return lower.index(found[0])


def _blocks(file: Path, named: str) -> Iterator[Raw]:
    """The connection tables of an SDF, without their data fields."""
    for number, block in enumerate(_cut(lines(file)), start=1):
        yield Raw(named, number, block[0].strip() if block else "", "\n".join(block), "block")


def _cut(text: Iterable[str]) -> Iterator[list[str]]:
    """The lines of each record to its M  END; blank lines behind the last record are none."""
    record: list[str] = []
    ended = False
    for line in text:
        if line.startswith("$$$$"):
            yield record
            record, ended = [], False
        elif not ended:
            record.append(line)
            ended = line.startswith("M  END")
    if any(line.strip() for line in record):
        yield record


def _molecules(found: Iterable[Molecule | Broken], named: str) -> Iterator[Raw | Broken]:
    for number, item in enumerate(found, start=1):
        if isinstance(item, Broken):
            yield Broken(item.record, item.name, f"cannot be read: {item.reason}", named)
        else:
            yield Raw(named, number, item.name, item, "molecule")
