"""MiDi's protocol, for comparability only: the bonds and charges as predicted, the legacy valence table.

An atom is stable where the sum of its bond orders is listed for its element and charge; a charge the table does not
know falls back to the neutral list. An aromatic bond counts as 1: an accident of an integer tensor in the original,
which the odd entries (C 3, N 2) were tuned around, kept because published figures contain it. Kekulised bonds count as
they are. Validity is that of the largest fragment; connectivity is counted apart.

Vignac, Osman, Toni, Frossard: MiDi, mixed graph and 3D denoising diffusion (2023), https://arxiv.org/abs/2302.09048.
"""

import numpy as np
from rdkit import Chem

from scidiff.molecules.evaluate.judgement import Fact, Findings
from scidiff.molecules.evaluate.protocol import Protocol
from scidiff.molecules.evaluate.subject import Subject, sanitise_fault, valences
from scidiff.molecules.molecule import Molecule

ALLOWED: dict[str, dict[int, tuple[int, ...]]] = {
    "H": {0: (1,), 1: (0,), -1: (0,)},
    "C": {0: (3, 4), 1: (3,), -1: (3,)},
    "N": {0: (2, 3), 1: (2, 3, 4), -1: (2,)},
    "O": {0: (2,), 1: (3,), -1: (1,)},
    "F": {0: (1,), -1: (0,)},
    "B": {0: (3,)},
    "Al": {0: (3,)},
    "Si": {0: (4,)},
    "P": {0: (3, 5), 1: (4,)},
    "S": {0: (2, 6), 1: (2, 3), 2: (4,), 3: (5,), -1: (3,)},
    "Cl": {0: (1,)},
    "As": {0: (3,)},
    "Br": {0: (1,), 1: (2,)},
    "I": {0: (1,)},
    "Hg": {0: (1, 2)},
    "Bi": {0: (3, 5)},
    "Se": {0: (2, 4, 6)},
}
"""Element -> charge -> summed bond orders called stable."""

_BY_NUMBER = {Chem.GetPeriodicTable().GetAtomicNumber(symbol): by_charge for symbol, by_charge in ALLOWED.items()}


def stable_atoms(molecule: Molecule) -> np.ndarray:
    """(n,) bool: which atoms the legacy table calls stable. An element it does not list never is."""
    sums = valences(molecule).sum(axis=1)
    atoms = zip(molecule.numbers.tolist(), molecule.charges.tolist(), sums.tolist(), strict=True)
    return np.array([total in _allowed(number, charge) for number, charge, total in atoms], dtype=bool)


def inspect(subject: Subject) -> dict[str, Fact]:
    """Stable atoms, stability, connectivity and the largest fragment's SMILES of one molecule."""
    stable = stable_atoms(subject.molecule)
    smiles = _largest_fragment(subject)
    return {
        "midi/stable_atoms": int(stable.sum()),
        "midi/molecule_stability": bool(len(stable) and stable.all()),
        "midi/validity": bool(smiles),
        "midi/connectivity": len(subject.fragments) == 1,
        "midi/smiles": smiles,
    }


def summarise(found: Findings, reference=None) -> dict[str, float]:
    """Atom and molecule stability, validity, connectivity (over all), uniqueness (distinct SMILES / valid)."""
    smiles = found.strings("midi/smiles")
    return {
        "midi/atom_stability": found.rate_of_atoms("midi/stable_atoms"),
        "midi/molecule_stability": found.rate("midi/molecule_stability"),
        "midi/validity": found.rate("midi/validity"),
        "midi/connectivity": found.rate("midi/connectivity"),
        "midi/uniqueness": len(set(smiles)) / max(len(smiles), 1),
    }


def _allowed(number: int, charge: int) -> tuple[int, ...]:
    by_charge = _BY_NUMBER.get(number, {0: ()})
    return by_charge.get(charge, by_charge[0])


def _largest_fragment(subject: Subject) -> str:
    """Canonical SMILES of the largest fragment, without stereo; empty where RDKit refuses it."""
    if len(subject.fragments) == 1:  # the usual case, already sanitised for the other protocols
        return Chem.MolToSmiles(subject.sound, isomericSmiles=False) if subject.sound else ""
    pieces = Chem.GetMolFrags(subject.mol, asMols=True, sanitizeFrags=False)
    largest = max(pieces, key=lambda piece: piece.GetNumAtoms())
    return "" if sanitise_fault(largest) else Chem.MolToSmiles(largest, isomericSmiles=False)


PROTOCOL = Protocol("midi", inspect, summarise)
