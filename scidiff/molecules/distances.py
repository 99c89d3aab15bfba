"""Bonds read off distances alone, by EDM's tables.

A pair of elements (a, b) at distance d (in pm) has

    order 0  unless  d < single(a, b) + 10,
    order 2  if then d < double(a, b) + 5,
    order 3  if then also d < triple(a, b) + 3,
    order 1  otherwise,

every `<` strict, a pair missing from a table never passing it, and triple asked only where double passed.
An atom is stable when its summed order is one of its element's allowed valences.

Hoogeboom, Satorras, Vignac, Welling: Equivariant Diffusion for Molecule Generation in 3D (2022),
https://arxiv.org/abs/2203.17003, appendix E.
"""

import numpy as np

from scidiff.molecules.vocabulary import element_number

SINGLE = {
    "H H": 74, "H C": 109, "H N": 101, "H O": 96, "H F": 92, "H B": 119, "H Si": 148, "H P": 144, "H As": 152,
    "H S": 134, "H Cl": 127, "H Br": 141, "H I": 161,
    "C C": 154, "C N": 147, "C O": 143, "C F": 135, "C Si": 185, "C P": 184, "C S": 182, "C Cl": 177, "C Br": 194,
    "C I": 214,
    "N N": 145, "N O": 140, "N F": 136, "N Cl": 175, "N Br": 214, "N S": 168, "N I": 222, "N P": 177,
    "O O": 148, "O F": 142, "O Br": 172, "O S": 151, "O P": 163, "O Si": 163, "O Cl": 164, "O I": 194,
    "F F": 142, "F S": 158, "F Si": 160, "F Cl": 166, "F Br": 178, "F P": 156, "F I": 187,
    "B Cl": 175,
    "Si Si": 233, "Si S": 200, "Si Cl": 202, "Si Br": 215, "Si I": 243,
    "Cl Cl": 199, "Cl P": 203, "Cl S": 207, "Cl Br": 214,
    "S S": 204, "S Br": 225, "S P": 210, "S I": 234,
    "Br Br": 228, "Br P": 222, "P P": 221, "I I": 266,
}  # fmt: skip
DOUBLE = {
    "C C": 134, "C N": 129, "C O": 120, "C S": 160, "N N": 125, "N O": 121, "O O": 121, "O P": 150, "P S": 186,
}  # fmt: skip
TRIPLE = {"C C": 120, "C N": 116, "C O": 113, "N N": 110}
MARGINS = {1: 10, 2: 5, 3: 3}

ALLOWED_VALENCE: dict[int, tuple[int, ...]] = {
    1: (1,), 6: (4,), 7: (3,), 8: (2,), 9: (1,), 5: (3,), 13: (3,), 14: (4,), 15: (3, 5), 16: (4,), 17: (1,),
    33: (3,), 35: (1,), 53: (1,), 80: (1, 2), 83: (3, 5),
}  # fmt: skip
"""Atomic number -> the summed bond orders EDM calls stable. An element not listed is never stable."""

_ROWS = max(ALLOWED_VALENCE) + 2  # one row beyond the heaviest element stands for every element not listed


def _limits(table: dict[str, int], margin: int) -> np.ndarray:
    """(z, z) symmetric limits in pm; minus infinity where the table says nothing, so that no distance passes."""
    limits = np.full((_ROWS, _ROWS), -np.inf)
    for pair, length in table.items():
        a, b = (element_number(symbol) for symbol in pair.split())
        limits[a, b] = limits[b, a] = length + margin
    return limits


_LIMITS = {k: _limits(table, MARGINS[k]) for k, table in ((1, SINGLE), (2, DOUBLE), (3, TRIPLE))}
_STABLE = np.zeros((_ROWS, 64), dtype=bool)
for _number, _valences in ALLOWED_VALENCE.items():
    _STABLE[_number, list(_valences)] = True


def bond_orders(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Bond order of every pair by distance.

    Args:
        numbers: (..., n) atomic numbers.
        positions: (..., n, 3) in Angstrom.

    Returns:
        (..., n, n) int8, symmetric, 0 to 3, zero on the diagonal.
    """
    rows = np.minimum(np.asarray(numbers, dtype=np.int64), _ROWS - 1)
    pair = (rows[..., :, None], rows[..., None, :])
    distances = 100.0 * pair_distances(positions)
    first, second, third = (distances < _LIMITS[k][pair] for k in (1, 2, 3))
    orders = first.astype(np.int8) + (first & second) + (first & second & third)
    n = rows.shape[-1]
    orders[..., np.arange(n), np.arange(n)] = 0
    return orders


def has_limit(numbers: np.ndarray) -> np.ndarray:
    """(..., n, n) bool: whether the tables know a single bond between the elements of each pair."""
    rows = np.minimum(np.asarray(numbers, dtype=np.int64), _ROWS - 1)
    return np.isfinite(_LIMITS[1][rows[..., :, None], rows[..., None, :]])


def pair_distances(positions: np.ndarray) -> np.ndarray:
    """(..., n, n) distances of (..., n, 3) positions, in float64 and the unit of the positions."""
    positions = np.asarray(positions, dtype=np.float64)
    return np.linalg.norm(positions[..., :, None, :] - positions[..., None, :, :], axis=-1)


def stable_atoms(numbers: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Which atoms have an allowed valence.

    Args:
        numbers: (..., n) atomic numbers.
        orders: (..., n, n) bond orders, as `bond_orders` gives them.

    Returns:
        (..., n) bool.
    """
    rows = np.minimum(np.asarray(numbers, dtype=np.int64), _ROWS - 1)
    valence = np.minimum(np.asarray(orders).sum(axis=-1, dtype=np.int64), _STABLE.shape[1] - 1)
    return _STABLE[rows, valence]
