"""A molecule's geometry and make-up as whole numbers: one for each bond, angle, torsion, atom, ring, group, and size.

    code = kind * 2^56 + type * 2^16 + bin

The type says which elements (and which bond order), the bin where the value lies. So a set of molecules of any size
becomes a `Census` of codes, and two sets are compared by their censuses. Bins: lengths 0.001 Angstrom, angles 0.5 and
torsions 1 degree; a value stands at the middle of its bin, so a Wasserstein distance is off by one bin at most.

A torsion enters without its sign: a mirror image is as good a molecule, and a metric that told them apart
would measure the handedness of the data.
"""

from itertools import combinations

import numpy as np

from scidiff.molecules.molecule import Molecule

KINDS = {"size": 1, "element": 2, "bond_length": 3, "bond_angle": 4, "torsion": 5, "ring": 6, "group": 7}
BIN_WIDTHS = {
    "size": 1.0, "element": 1.0, "bond_length": 0.001, "bond_angle": 0.5, "torsion": 1.0, "ring": 1.0, "group": 1.0,
}  # fmt: skip
"""Lengths in Angstrom, angles and torsions in degrees, the rest counted."""

_TYPE_BITS, _BIN_BITS, _ELEMENT_BITS = 40, 16, 7
_STRAIGHT = np.cos(np.radians(175.0))  # beyond this angle a torsion about the bond means nothing


def codes(molecule: Molecule) -> np.ndarray:
    """(k,) int64 codes of everything measurable in the molecule; of sizes and elements alone where bonds are None."""
    numbers = np.asarray(molecule.numbers, dtype=np.int64)
    parts = [code("size", np.zeros(1, int), np.array([len(numbers)])), code("element", 0 * numbers, numbers)]
    if molecule.bonds is not None and len(molecule.bonds):
        bonds = np.asarray(molecule.bonds, dtype=np.int64)
        positions = np.asarray(molecule.positions, dtype=float)
        neighbours = _neighbours(bonds, len(numbers))
        parts += [_lengths(numbers, positions, bonds), _angles(numbers, positions, neighbours)]
        parts += [_torsions(numbers, positions, bonds, neighbours)]
    return np.concatenate(parts)


def select(kind: str, found: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The part of a census that is of one kind: (k,) types, (k,) bins, (k,) counts, sorted by type, then bin."""
    mine = found >> (_TYPE_BITS + _BIN_BITS) == KINDS[kind]
    types = (found[mine] >> _BIN_BITS) & ((1 << _TYPE_BITS) - 1)
    return types, found[mine] & ((1 << _BIN_BITS) - 1), counts[mine]


def code(kind: str, types: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Codes of (k,) values of (k,) types; values that are not finite (no geometry at all) are left out."""
    finite = np.isfinite(values)
    bins = np.clip(np.floor(values[finite] / BIN_WIDTHS[kind] + 1e-9), 0, (1 << _BIN_BITS) - 1).astype(np.int64)
    return (KINDS[kind] << (_TYPE_BITS + _BIN_BITS)) + (types[finite].astype(np.int64) << _BIN_BITS) + bins


def _type(*columns: np.ndarray) -> np.ndarray:
    """(k,) one whole number for (k,) columns of small ones."""
    packed = np.zeros_like(columns[0])
    for column in columns:
        packed = (packed << _ELEMENT_BITS) + column
    return packed


def _neighbours(bonds: np.ndarray, n: int) -> list[list[int]]:
    neighbours: list[list[int]] = [[] for _ in range(n)]
    for i, j, _ in bonds.tolist():
        neighbours[i].append(j)
        neighbours[j].append(i)
    return neighbours


def _lengths(numbers: np.ndarray, positions: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    i, j, order = bonds.T
    pair = np.sort(numbers[bonds[:, :2]], axis=1)
    return code("bond_length", _type(*pair.T, order), np.linalg.norm(positions[i] - positions[j], axis=1))


def _angles(numbers: np.ndarray, positions: np.ndarray, neighbours: list[list[int]]) -> np.ndarray:
    triples = [(a, centre, c) for centre, around in enumerate(neighbours) for a, c in combinations(around, 2)]
    a, b, c = np.array(triples, dtype=np.int64).reshape(-1, 3).T
    ends = np.sort(np.stack([numbers[a], numbers[c]]), axis=0)
    degrees = np.degrees(np.arccos(np.clip(_cosine(positions[a] - positions[b], positions[c] - positions[b]), -1, 1)))
    return code("bond_angle", _type(ends[0], numbers[b], ends[1]), degrees)


def _torsions(numbers: np.ndarray, positions: np.ndarray, bonds: np.ndarray, neighbours: list[list[int]]) -> np.ndarray:
    paths = [
        (a, b, c, d)
        for b, c in bonds[:, :2].tolist()
        for a in neighbours[b]
        for d in neighbours[c]
        if a != c and d != b and a != d
    ]
    a, b, c, d = np.array(paths, dtype=np.int64).reshape(-1, 4).T
    u, v, w = positions[b] - positions[a], positions[c] - positions[b], positions[d] - positions[c]
    degrees = np.degrees(np.arccos(np.clip(_cosine(np.cross(u, v), np.cross(v, w)), -1, 1)))
    bent = (_cosine(-u, v) > _STRAIGHT) & (_cosine(-v, w) > _STRAIGHT)
    forth = _type(*(numbers[k] for k in (a, b, c, d)))
    back = _type(*(numbers[k] for k in (d, c, b, a)))
    return code("torsion", np.minimum(forth, back)[bent], degrees[bent])


def _cosine(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(k,) cosine of the angle between rows; not a number where a row is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (u * v).sum(-1) / (np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1))
