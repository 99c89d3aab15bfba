"""SDF and MOL files, V2000 and V3000, plain or packed.

RDKit reads and writes the connection table; we cut the file into records, keep the data fields, and say what is wrong
with a record that RDKit refuses. What we write has no date and no program version: the same molecules, the same bytes.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase

from scidiff.molecules.chemistry import Unsound, from_rdkit, to_rdkit
from scidiff.molecules.files.records import Broken, existing, grown, guarded, lines, write_all
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.vocabulary import element_number
from scidiff.store.errors import UserError

_END = "M  END"
_FIELD = re.compile(r"^>.*?<(.+)>")


def read_sdf(path: str | Path) -> Iterator[Molecule | Broken]:
    """The records of an SDF or MOL file, with their data fields as text.

    Args:
        path: .sdf, .sd or .mol, also with .gz.

    Raises:
        UserError: missing or empty file; while reading: cut short, wrong units, nothing readable.
    """
    path = existing(path)
    return guarded((_parse(n, record, path.name) for n, record in enumerate(_records(path), start=1)), path)


def write_sdf(path: str | Path, molecules: Iterable[Molecule], overwrite: bool = False) -> int:
    """Write molecules (bonds known) as an SDF, V2000 where that can hold them, one at a time; returns how many.

    Raises:
        UserError: the file exists already or cannot be written, or a molecule's bonds are unknown.
    """
    return write_all(path, map(to_text, molecules), overwrite)


def to_text(molecule: Molecule) -> str:
    """One record of an SDF, to its closing $$$$ line."""
    name, charges = " ".join(molecule.name.split()), np.asarray(molecule.charges)
    bare = charges > molecule.numbers  # RDKit does not write an atom with more charge than electrons: we do
    named = replace(molecule, name=name, charges=np.where(bare, 0, charges))
    table, end, _ = Chem.MolToMolBlock(to_rdkit(named), includeStereo=False, kekulize=False).rpartition(_END)
    further = "".join(f"M  CHG  1 {k + 1:3} {charges[k]:3}\n" for k in np.flatnonzero(bare))
    fields = "".join(_field_text(key, value) for key, value in molecule.properties.items())
    return f"{table}{further}{end}\n{fields}$$$$\n"


def _field_text(key: str, value: object) -> str:
    """A data field; blank lines, which would end it early, are left out."""
    content = "\n".join(line for line in str(value).splitlines() if line.strip())
    return f">  <{re.sub(r'[<>]', '', ' '.join(str(key).split()))}>\n{content}\n\n"


def _records(path: Path) -> Iterator[list[str]]:
    """The lines of each record, without the $$$$ line; blank lines after the last one are no record."""
    record: list[str] = []
    size = 0
    for line in lines(path):
        if line.startswith("$$$$"):
            yield record
            record, size = [], 0
        else:
            record.append(line)
            size = grown(size, line, path)
    if any(line.strip() for line in record):
        yield record


def _parse(place: int, record: list[str], file: str) -> Molecule | Broken:
    """A molecule, or why there is none."""
    title = record[0].strip() if record else ""
    try:
        return replace(_molecule(record), name=title, properties=_fields(record))
    except (Unsound, UserError) as error:
        return Broken(place, title, str(error).rstrip("."), file)


def _molecule(record: list[str]) -> Molecule:
    """The connection table of a record."""
    end = next((k for k, line in enumerate(record) if line.startswith(_END)), None)
    if end is None:
        raise Unsound(f"it has no '{_END}' line: cut short, or not an SDF record")
    with rdBase.BlockLogs():
        mol = Chem.MolFromMolBlock("\n".join(record[: end + 1]), sanitize=False, removeHs=False)
    if mol is None:
        raise Unsound(_diagnose(record[: end + 1]))
    molecule = from_rdkit(mol)
    _check_space(molecule, flat="2D" in record[1][20:22])
    return molecule


def _check_space(molecule: Molecule, flat: bool) -> None:
    """Refuse what is no structure in space."""
    if not len(molecule):
        raise Unsound("it has no atoms")
    if not np.isfinite(molecule.positions).all():
        raise Unsound("its coordinates are not all finite numbers")
    if flat and not molecule.positions[:, 2].any():
        raise Unsound("it is a flat 2D drawing, not a 3D structure; embed it in 3D first")
    if len(molecule) > 1 and not np.ptp(molecule.positions, axis=0).any():
        raise Unsound("all its atoms lie at one point: it has no 3D structure")


def _fields(record: list[str]) -> dict[str, str]:
    """The data fields: '>  <name>', value lines, a blank line."""
    fields: dict[str, list[str]] = {}
    name = None
    for line in record:
        if name is None and (match := _FIELD.match(line)):
            name = match[1]
            fields[name] = []
        elif not line.strip():
            name = None
        elif name is not None:
            fields[name].append(line)
    return {key: "\n".join(value) for key, value in fields.items()}


def _diagnose(block: list[str]) -> str:
    """What is wrong with a connection table that RDKit refuses."""
    if len(block) < 5 or ("V2000" not in block[3] and "V3000" not in block[3]):
        return "its fourth line is no counts line ending in V2000 or V3000"
    v3000 = "V3000" in block[3]
    try:
        promised = _promised(block, v3000)
    except (ValueError, IndexError, StopIteration):
        return f"its counts line '{block[3].strip()}' cannot be read"
    atoms, bonds = _tables(block, v3000)
    reason = next((reason for k, line in enumerate(atoms, start=1) if (reason := _atom_fault(k, line))), None)
    if (len(atoms), len(bonds)) != promised:
        found = f"{len(atoms)} atoms and {len(bonds)} bonds are listed"
        return f"its counts line promises {promised[0]} atoms and {promised[1]} bonds, but {found}"
    return reason or "its connection table cannot be read"


def _promised(block: list[str], v3000: bool) -> tuple[int, int]:
    """Atoms and bonds by the counts line."""
    if not v3000:
        return int(block[3][:3]), int(block[3][3:6])
    counts = next(line for line in block if line.startswith("M  V30 COUNTS")).split()
    return int(counts[3]), int(counts[4])


def _tables(block: list[str], v3000: bool) -> tuple[list[list[str]], list[list[str]]]:
    """Atom rows (x, y, z, symbol) and bond rows, told apart by their shape rather than by the counts line."""
    if v3000:
        rows, part = {"ATOM": [], "BOND": []}, None
        for words in (line.split()[2:] for line in block if line.startswith("M  V30")):
            if words[:1] in (["BEGIN"], ["END"]):
                part = words[1] if words[0] == "BEGIN" else None
            elif part in rows:
                rows[part].append([*words[2:5], words[1]] if part == "ATOM" and len(words) > 4 else words)
        return rows["ATOM"], rows["BOND"]
    body = [line for line in block[4:] if line.strip() and not line.startswith(("M  ", "A  ", "V  "))]
    atoms = [[line[0:10], line[10:20], line[20:30], line[31:34]] for line in body if _is_atom(line)]
    return atoms, [[line] for line in body if not _is_atom(line)]


def _is_atom(line: str) -> bool:
    """Whether a V2000 line is an atom's: its fourth word is no number."""
    words = line.split()
    return len(words) > 3 and not re.fullmatch(r"[-+]?\d+", words[3])


def _atom_fault(k: int, row: list[str]) -> str | None:
    """What is wrong with the k-th atom row, if anything."""
    try:
        place = [float(word) for word in row[:3]]
    except ValueError:
        return f"the coordinates of atom {k} cannot be read"
    if len(row) < 4 or not np.isfinite(place).all():
        return f"the coordinates of atom {k} are not finite numbers"
    try:
        element_number(row[3].strip())
    except UserError as error:
        return f"atom {k}: {str(error).rstrip('.')}"
    return None
