"""XYZ files of one or many frames, plain or extended: elements and coordinates, nothing of bonds.

A frame is a line with the number of atoms, a comment, and one line per atom. A frame ends where the next line
holding one whole number begins, so a wrong count spoils its own frame and no other.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from scidiff.molecules.chemistry import Unsound
from scidiff.molecules.files.records import Broken, existing, grown, guarded, lines, write_all
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.vocabulary import element_number, element_symbol
from scidiff.store.errors import UserError

_FARTHEST = 1e30  # Angstrom, and what float32 can hold
_COUNT = re.compile(r"\s*[0-9]{1,18}\s*$")
_ENTRY = re.compile(r"([\w.-]+)=(\"[^\"]*\"|\S+)")
_LABEL = re.compile(r"([A-Za-z]{1,3})\d*$")


def read_xyz(path: str | Path) -> Iterator[Molecule | Broken]:
    """The frames of an XYZ or extended XYZ file, bonds unknown (None) and charges zero.

    The comment is the name; the key=value entries of an extended comment, and `charge=`, become properties.

    Args:
        path: .xyz or .extxyz, also with .gz; lengths in Angstrom.

    Raises:
        UserError: missing or empty file; while reading: cut short, wrong units, nothing readable.
    """
    path = existing(path)
    return guarded((_parse(n, frame, path.name) for n, frame in enumerate(_frames(path), start=1)), path)


def write_xyz(path: str | Path, molecules: Iterable[Molecule], overwrite: bool = False) -> int:
    """Write molecules as frames (Angstrom, five decimals), one at a time; returns how many.

    Bonds and properties are lost; a total charge other than zero is kept in the comment.

    Raises:
        UserError: the file exists already or cannot be written.
    """
    return write_all(path, map(to_text, molecules), overwrite)


def to_text(molecule: Molecule) -> str:
    """One frame."""
    total = int(np.sum(molecule.charges))
    comment = " ".join(molecule.name.split())
    if total and "charge=" not in comment:
        comment = f"{comment} charge={total}".strip()
    rows = zip(molecule.numbers, np.asarray(molecule.positions, dtype=np.float64), strict=True)
    body = "".join(f"{element_symbol(z):<2} {x:12.5f} {y:12.5f} {w:12.5f}\n" for z, (x, y, w) in rows)
    return f"{len(molecule)}\n{comment}\n{body}"


def _frames(path: Path) -> Iterator[list[str]]:
    """The lines of each frame, blank ones at its end left out."""
    frame: list[str] = []
    size = 0
    for line in lines(path):
        if len(frame) > 1 and _COUNT.match(line):  # the second line is a comment, whatever it says
            yield _trimmed(frame)
            frame, size = [], 0
        if frame or line.strip():
            frame.append(line)
            size = grown(size, line, path)
    if frame:
        yield _trimmed(frame)


def _trimmed(frame: list[str]) -> list[str]:
    """The frame without blank lines at its end; the comment may be blank."""
    while len(frame) > 2 and not frame[-1].strip():
        frame.pop()
    return frame


def _parse(place: int, frame: list[str], file: str) -> Molecule | Broken:
    """A molecule, or why there is none."""
    comment = frame[1].strip() if len(frame) > 1 else ""
    entries = {key: value.strip('"') for key, value in _ENTRY.findall(comment)}
    extended = "Properties" in entries
    name = entries.get("name", "") if extended else comment
    try:
        numbers, positions = _atoms(frame, _columns(entries.get("Properties", "species:S:1:pos:R:3")))
    except (Unsound, UserError) as error:
        return Broken(place, name, str(error).rstrip("."), file)
    kept = entries if extended else {key: value for key, value in entries.items() if key == "charge"}
    charges = np.zeros(len(numbers), dtype=np.int8)
    return Molecule(numbers, positions, charges, None, name, {k: v for k, v in kept.items() if k != "Properties"})


def _columns(layout: str) -> tuple[int, int]:
    """Columns where the element and the coordinates stand, by an extended comment's Properties entry."""
    words = layout.split(":")
    starts, at = {}, 0
    for key, width in zip(words[::3], words[2::3], strict=False):
        starts[key.lower()] = at
        at += int(width) if _COUNT.match(width) else 1
    element = starts.get("species", starts.get("z"))
    if element is None or "pos" not in starts:
        raise Unsound("its Properties entry names no species or no pos")
    return element, starts["pos"]


def _atoms(frame: list[str], columns: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(n,) uint8 atomic numbers and (n, 3) float32 positions."""
    if not _COUNT.match(frame[0]):
        raise Unsound(f"expected a line with the number of atoms, found '{frame[0].strip()[:40]}'")
    count, rows = int(frame[0]), frame[2:]
    if count != len(rows):
        raise Unsound(f"its first line promises {count} atoms, but {len(rows)} atom lines follow")
    if not count:
        raise Unsound("it has no atoms")
    atoms = [_atom(k, line, *columns) for k, line in enumerate(rows, start=1)]
    positions = np.array([place for _, place in atoms], dtype=np.float32)
    if len(positions) > 1 and not np.ptp(positions, axis=0).any():
        raise Unsound("all its atoms lie at one point: it has no 3D structure")
    return np.array([number for number, _ in atoms], dtype=np.uint8), positions


def _atom(k: int, line: str, element: int, start: int) -> tuple[int, list[float]]:
    """Atomic number and coordinates of the k-th atom line."""
    words = line.split()
    if len(words) <= max(element, start + 2):
        raise Unsound(f"atom line {k} ('{line.strip()[:40]}') is not an element and three coordinates")
    try:
        place = [float(word) for word in words[start : start + 3]]
    except ValueError as error:
        raise Unsound(f"the coordinates of atom {k} cannot be read ('{line.strip()[:40]}')") from error
    if not all(abs(number) < _FARTHEST for number in place):  # false for NaN too
        raise Unsound(f"the coordinates of atom {k} are not finite numbers")
    return _number(k, words[element]), place


def _number(k: int, word: str) -> int:
    """Atomic number of a symbol (perhaps with a running number behind it) or of a number."""
    if _COUNT.match(word) and 0 < int(word) <= 118:
        return int(word)
    label = _LABEL.match(word)
    try:
        return element_number(label[1] if label else word)
    except UserError as error:
        raise Unsound(f"atom {k}: {error}") from error
