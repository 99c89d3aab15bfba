"""One molecule under judgement, and what several protocols ask of it, worked out once."""

from functools import cached_property

import numpy as np
from rdkit import Chem

from scidiff.molecules.chemistry import radicals, to_rdkit
from scidiff.molecules.distances import bond_orders
from scidiff.molecules.molecule import Molecule

_KEKULISATION = {Chem.SanitizeFlags.SANITIZE_KEKULIZE, Chem.SanitizeFlags.SANITIZE_SETAROMATICITY}
_VALENCE = {Chem.SanitizeFlags.SANITIZE_PROPERTIES}


class Subject:
    """A molecule with lazily worked out views of it.

    RDKit may fill missing hydrogens in here, as it does when it reads a file: how often it has to is itself measured.
    """

    def __init__(self, molecule: Molecule) -> None:
        self.molecule = molecule

    @cached_property
    def orders_by_distance(self) -> np.ndarray:
        """(n, n) bond orders by EDM's table, whatever the record says of bonds."""
        return bond_orders(self.molecule.numbers, self.molecule.positions)

    @cached_property
    def mol(self) -> Chem.Mol:
        """The molecule as RDKit would read it from a file: not sanitised, free to take implicit hydrogens."""
        mol = to_rdkit(self.molecule)
        for atom in mol.GetAtoms():
            atom.SetNoImplicit(False)
        return mol

    @cached_property
    def fragments(self) -> tuple[tuple[int, ...], ...]:
        """Atom indices of each connected piece."""
        return Chem.GetMolFrags(self.mol)

    @cached_property
    def _sanitised(self) -> tuple[Chem.Mol, str]:
        mol = Chem.Mol(self.mol)
        return mol, sanitise_fault(mol)

    @property
    def sound(self) -> Chem.Mol | None:
        """The sanitised molecule, aromaticity perceived; None where RDKit refuses it."""
        mol, fault = self._sanitised
        return None if fault else mol

    @property
    def fault(self) -> str:
        """Why RDKit refuses the molecule: "valence", "kekulisation", "other"; empty where it does not."""
        return self._sanitised[1]

    @cached_property
    def unpaired(self) -> int:
        """Unpaired electrons when nothing may be filled in: what a sound molecule's odd charges really mean."""
        mol = to_rdkit(self.molecule)
        return 0 if sanitise_fault(mol) else radicals(mol)


def sanitise_fault(mol: Chem.Mol) -> str:
    """Sanitise in place; return "valence", "kekulisation" or "other" where that fails, else the empty string."""
    flag = Chem.SanitizeMol(mol, catchErrors=True)
    if flag == Chem.SanitizeFlags.SANITIZE_NONE:
        return ""
    return "valence" if flag in _VALENCE else "kekulisation" if flag in _KEKULISATION else "other"


def valences(molecule: Molecule) -> np.ndarray:
    """(n, 2) for each atom: how many aromatic bonds (order 4) it has, and the sum of its other bonds' orders."""
    tally = np.zeros((len(molecule), 2), dtype=np.int64)
    for i, j, order in np.asarray(molecule.bonds, dtype=np.int64).tolist():
        column, amount = (0, 1) if order == 4 else (1, order)
        tally[[i, j], column] += amount
    return tally
