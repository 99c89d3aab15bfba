"""Charges that a shift of double bonds makes vanish:  X(+)=A-Y(-)  is  X-A=Y.

xyz2mol counts sulfur and its like as trivalent cations when that balances an oxide elsewhere. Along a path that
starts at a cation with a double bond, alternates double and single bonds and ends at an anion, every double bond
becomes single and every single one double; the two charges cancel and no atom between changes its valence.

Phosphorus and sulfur take more bonds instead: X(+)-Y(-) is X=Y, so that sulfoxides read S=O.
"""

from collections import deque
from dataclasses import replace
from itertools import pairwise

import numpy as np

from scidiff.molecules.chemistry import Unsound, radicals, sanitise, to_rdkit
from scidiff.molecules.molecule import Molecule

_HYPERVALENT = (15, 16)


def recombined(molecule: Molecule) -> Molecule:
    """The molecule (bonds known) with every such pair of charges removed where sound chemistry remains."""
    for cation in np.repeat(np.arange(len(molecule)), np.maximum(molecule.charges, 0)).tolist():
        path = _beside(molecule, cation) or _path(molecule, cation)
        if path and _is_sound(shifted := _shift(molecule, path)):
            molecule = shifted
    return molecule


def _beside(molecule: Molecule, cation: int) -> list[int] | None:
    """A hypervalent cation and an anion it holds by a single bond."""
    if molecule.numbers[cation] not in _HYPERVALENT:
        return None
    singles = _neighbours(molecule)[1].get(cation, ())
    return next(([cation, other] for other in singles if molecule.charges[other] < 0), None)


def _path(molecule: Molecule, cation: int) -> list[int] | None:
    """Atoms of the shortest alternating path from the cation to an anion."""
    neighbours = _neighbours(molecule)
    queue = deque([[cation]])
    seen = {(cation, 0)}
    while queue:
        path = queue.popleft()
        step = len(path) % 2  # 1: leave by a double bond, 0: by a single one
        if step and len(path) > 1 and molecule.charges[path[-1]] < 0:
            return path
        for other in neighbours[2 if step else 1].get(path[-1], ()):
            if other not in path and (other, step) not in seen:
                seen.add((other, step))
                queue.append([*path, other])
    return None


def _neighbours(molecule: Molecule) -> dict[int, dict[int, list[int]]]:
    """Order (1 or 2) -> atom -> the atoms bonded to it in that order."""
    found: dict[int, dict[int, list[int]]] = {1: {}, 2: {}}
    for i, j, order in np.asarray(molecule.bonds).tolist():
        if order in found:
            found[order].setdefault(i, []).append(j)
            found[order].setdefault(j, []).append(i)
    return found


def _shift(molecule: Molecule, path: list[int]) -> Molecule:
    """The molecule with single and double bonds exchanged along the path, one charge less at either end."""
    edges = {tuple(sorted(pair)) for pair in pairwise(path)}
    bonds = [(i, j, 3 - order if (i, j) in edges else order) for i, j, order in np.asarray(molecule.bonds).tolist()]
    charges = np.array(molecule.charges)
    charges[path[0]] -= 1
    charges[path[-1]] += 1
    return replace(molecule, bonds=np.array(bonds, dtype=np.int16), charges=charges)


def _is_sound(molecule: Molecule) -> bool:
    """Whether it sanitises without unpaired electrons."""
    try:
        return not radicals(sanitise(to_rdkit(molecule)))
    except Unsound:
        return False
