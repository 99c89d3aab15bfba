"""Stability by corrected valences: (aromatic bonds, summed order of the others), listed for each element and charge.

Two readings of the same molecule:

    molecule_stability     after RDKit has perceived aromaticity: benzene's carbons are (2, 1)
    kekulised_stability    on Kekule bonds: benzene's carbons are (0, 4)

A charge that is not listed is unstable, as is a molecule whose aromaticity cannot be perceived. `valid_connected`:
sanitises, and is one fragment. Relaxation energies, the third part of that paper, are in `relaxation`.

Nikitin, Dunn, Koes, Isayev: GEOM-Drugs Revisited, Toward More Chemically Accurate Benchmarks for 3D Molecule
Generation (2025).
"""

import numpy as np
from rdkit import Chem

from scidiff.molecules.evaluate.judgement import Fact, Findings
from scidiff.molecules.evaluate.protocol import Protocol
from scidiff.molecules.evaluate.subject import Subject, valences

Tuples = tuple[tuple[int, int], ...]

AROMATIC: dict[str, dict[int, Tuples]] = {
    "H": {0: ((0, 1),)},
    "B": {0: ((0, 3),), -1: ((0, 4),)},
    "C": {0: ((0, 4), (2, 2), (2, 1), (3, 0)), 1: ((0, 3), (2, 1), (3, 0)), -1: ((0, 3), (2, 1), (3, 0))},
    "N": {
        0: ((0, 3), (2, 0), (2, 1), (3, 0)),
        1: ((0, 4), (2, 0), (2, 1), (2, 2), (3, 0)),
        -1: ((0, 2), (2, 0)),
        -2: ((0, 1),),
    },
    "O": {0: ((0, 2), (2, 0)), -1: ((0, 1),), 1: ((0, 3),)},
    "F": {0: ((0, 1),)},
    "Si": {0: ((0, 4),), 1: ((0, 5),)},
    "P": {0: ((0, 3), (0, 5)), 1: ((0, 4),)},
    "S": {
        0: ((0, 2), (0, 3), (0, 6), (2, 0)),
        1: ((0, 3), (2, 0), (2, 1), (3, 0)),
        2: ((0, 4), (2, 1), (2, 2)),
        3: ((0, 2), (0, 5)),
        -1: ((0, 1),),
    },
    "Cl": {0: ((0, 1),), 1: ((0, 2),)},
    "Br": {0: ((0, 1),), 1: ((0, 2),)},
    "I": {0: ((0, 1),), 1: ((0, 2),), 2: ((0, 3),)},
    "Bi": {0: ((0, 3),), 2: ((0, 5),)},
}
"""Element -> charge -> (aromatic bonds, sum of the other orders) called stable."""

KEKULISED: dict[str, dict[int, tuple[int, ...]]] = {
    "H": {0: (1,)},
    "B": {0: (3,), -1: (4,)},
    "C": {0: (4,), 1: (3,), -1: (3,)},
    "N": {0: (3,), 1: (4,), -1: (2,), -2: (1,)},
    "O": {0: (2,), 1: (3,), -1: (1,)},
    "F": {0: (1,)},
    "Si": {0: (4,), 1: (5,)},
    "P": {0: (3, 5), 1: (4,)},
    "S": {0: (2, 3, 6), -1: (1,), 1: (3,), 2: (4,), 3: (2, 5)},
    "Cl": {0: (1,), 1: (2,)},
    "Br": {0: (1,), 1: (2,)},
    "I": {0: (1,), 1: (2,), 2: (3,)},
    "Bi": {0: (3,), 2: (5,)},
}
"""Element -> charge -> summed Kekule orders called stable."""

_NUMBER = Chem.GetPeriodicTable().GetAtomicNumber
_AROMATIC = {
    (_NUMBER(e), q, *pair) for e, charges in AROMATIC.items() for q, pairs in charges.items() for pair in pairs
}
_KEKULISED = {(_NUMBER(e), q, 0, k) for e, charges in KEKULISED.items() for q, sums in charges.items() for k in sums}


def stable_atoms(numbers: np.ndarray, charges: np.ndarray, tally: np.ndarray, kekulised: bool = False) -> np.ndarray:
    """Which atoms the corrected table calls stable.

    Args:
        numbers: (n,) atomic numbers.
        charges: (n,) formal charges.
        tally: (n, 2) number of aromatic bonds and summed order of the others.
        kekulised: whether the bonds are in Kekule form; an aromatic bond is then never stable.

    Returns:
        (n,) bool.
    """
    table = _KEKULISED if kekulised else _AROMATIC
    rows = zip(numbers.tolist(), charges.tolist(), *tally.T.tolist(), strict=True)
    return np.array([row in table for row in rows], dtype=bool)


def inspect(subject: Subject) -> dict[str, Fact]:
    """Stable atoms and stability in both readings, and whether it is one sound piece."""
    molecule = subject.molecule
    kekulised = stable_atoms(molecule.numbers, molecule.charges, valences(molecule), kekulised=True)
    aromatic = np.zeros(len(molecule), dtype=bool)
    if subject.sound is not None:
        aromatic = stable_atoms(molecule.numbers, molecule.charges, perceived_valences(subject.sound))
    return {
        "revisited/stable_atoms": int(aromatic.sum()),
        "revisited/molecule_stability": bool(len(aromatic) and aromatic.all()),
        "revisited/kekulised_stability": bool(len(kekulised) and kekulised.all()),
        "revisited/valid_connected": subject.sound is not None and len(subject.fragments) == 1,
    }


def summarise(found: Findings, reference=None) -> dict[str, float]:
    """The four rates, all over everything generated."""
    facts = ("molecule_stability", "kekulised_stability", "valid_connected")
    stability = {"revisited/atom_stability": found.rate_of_atoms("revisited/stable_atoms")}
    return stability | {f"revisited/{fact}": found.rate(f"revisited/{fact}") for fact in facts}


def perceived_valences(mol: Chem.Mol) -> np.ndarray:
    """(n, 2) aromatic bonds and summed order of the others at each atom of a sanitised molecule."""
    tally = np.zeros((mol.GetNumAtoms(), 2), dtype=np.int64)
    for bond in mol.GetBonds():
        ends = [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
        column, amount = (0, 1) if bond.GetIsAromatic() else (1, int(bond.GetBondTypeAsDouble()))
        tally[ends, column] += amount
    return tally


PROTOCOL = Protocol("revisited", inspect, summarise)
