"""Are the hydrogens where hydrogens can be? PoseBusters does not look at them, and half of QM9's atoms are hydrogens.

    xh_length   every X-H bond within 0.10 Angstrom of its usual length
    no_clash    no atom nearer to a hydrogen it is not bonded to than atoms ever come: one limit for atoms two bonds
                apart, another beyond

Usual lengths and limits are read off 30,000 of QM9's training molecules (B3LYP geometries). The medians of C-H, N-H and
O-H are 1.094, 1.012 and 0.964 Angstrom, and fewer than 1 bond in 10,000 lies outside the window. The clash limits are a
little below the shortest distances found: two bonds apart H...H 1.61 (1.51 in water), H...heavy 1.79; beyond, H...H
1.77, H...C 2.03, and to acceptors of hydrogen bonds N 1.59, O 1.37. Hydrogen on other elements is expected at the sum
of the covalent radii.
"""

import numpy as np
from rdkit import Chem

from scidiff.molecules.evaluate.judgement import Fact, Findings
from scidiff.molecules.evaluate.protocol import Protocol
from scidiff.molecules.evaluate.subject import Subject
from scidiff.molecules.molecule import Molecule

USUAL_LENGTH = {6: 1.094, 7: 1.012, 8: 0.964}
"""X-H lengths in Angstrom, by X's atomic number."""
WINDOW = 0.10
"""How far from its usual length an X-H bond may be, in Angstrom."""

NEAREST_TWO_BONDS_APART = {1: 1.45}
NEAREST_BEYOND = {1: 1.70, 7: 1.50, 8: 1.35, 9: 1.35}
"""Shortest distance in Angstrom a hydrogen may have to an atom of an element; other elements as `OTHERS` says."""
OTHERS = {"two_bonds_apart": 1.70, "beyond": 1.90}

_RADIUS = Chem.GetPeriodicTable().GetRcovalent


def lengths_usual(molecule: Molecule) -> bool:
    """Whether every bond of a hydrogen has about its usual length."""
    bonds = np.asarray(molecule.bonds, dtype=np.int64).reshape(-1, 3)
    numbers = np.asarray(molecule.numbers, dtype=np.int64)
    i, j = bonds[(numbers[bonds[:, :2]] == 1).any(axis=1), :2].T
    lengths = np.linalg.norm(np.asarray(molecule.positions, dtype=float)[i] - molecule.positions[j], axis=1)
    usual = np.array([_usual(number) for number in np.maximum(numbers[i], numbers[j]).tolist()])
    return bool((np.abs(lengths - usual) <= WINDOW).all())  # false for what is not a number


def free_of_clashes(molecule: Molecule) -> bool:
    """Whether no atom comes too near to a hydrogen it is not bonded to."""
    numbers = np.asarray(molecule.numbers, dtype=np.int64)
    hydrogens = np.flatnonzero(numbers == 1)
    positions = np.asarray(molecule.positions, dtype=float)
    distances = np.linalg.norm(positions[hydrogens, None] - positions[None], axis=-1)
    bonded, second = _steps(molecule)
    near = [NEAREST_TWO_BONDS_APART.get(z, OTHERS["two_bonds_apart"]) for z in numbers.tolist()]
    far = [NEAREST_BEYOND.get(z, OTHERS["beyond"]) for z in numbers.tolist()]
    limits = np.where(second[hydrogens], np.array(near), np.array(far))
    return bool((bonded[hydrogens] | (distances >= limits)).all())


def inspect(subject: Subject) -> dict[str, Fact]:
    """Both checks; a molecule without hydrogens passes (whether it lacks some is `strict`'s question)."""
    return {
        "hydrogens/xh_length": lengths_usual(subject.molecule),
        "hydrogens/no_clash": free_of_clashes(subject.molecule),
    }


def summarise(found: Findings, reference=None) -> dict[str, float]:
    """The rate of each check over everything generated."""
    return {fact: found.rate(fact) for fact in ("hydrogens/xh_length", "hydrogens/no_clash")}


def _usual(number: int) -> float:
    return USUAL_LENGTH.get(number) or _RADIUS(1) + _RADIUS(number)


def _steps(molecule: Molecule) -> tuple[np.ndarray, np.ndarray]:
    """(n, n) bool: bonded or the same atom; two bonds apart."""
    bonded = np.zeros((len(molecule), len(molecule)), dtype=bool)
    i, j = np.asarray(molecule.bonds, dtype=np.int64).reshape(-1, 3)[:, :2].T
    bonded[i, j] = bonded[j, i] = True
    second = (bonded.astype(np.float32) @ bonded.astype(np.float32)) > 0
    return bonded | np.eye(len(molecule), dtype=bool), second


PROTOCOL = Protocol("hydrogens", inspect, summarise)
