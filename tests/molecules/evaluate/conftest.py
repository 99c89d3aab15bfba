"""Molecules made by hand, with answers known beforehand."""

from collections.abc import Callable

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from scidiff.molecules.chemistry import from_rdkit
from scidiff.molecules.molecule import Molecule

_NUMBER = Chem.GetPeriodicTable().GetAtomicNumber
_CORNERS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)


@pytest.fixture(scope="session")
def of() -> Callable[[str], Molecule]:
    """SMILES -> a reasonable geometry with all hydrogens, the same every time."""

    def embedded(smiles: str) -> Molecule:
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        AllChem.EmbedMolecule(mol, randomSeed=7)
        if AllChem.MMFFHasAllMoleculeParams(mol):
            AllChem.MMFFOptimizeMolecule(mol)
        return from_rdkit(mol)

    return embedded


@pytest.fixture(scope="session")
def made() -> Callable[..., Molecule]:
    """Symbols, positions, bonds and charges -> molecule, in double precision so that a margin can be met exactly."""

    def made(symbols: str, positions, bonds=(), charges=None) -> Molecule:
        numbers = np.array([_NUMBER(symbol) for symbol in symbols.split()])
        charges = np.zeros(len(numbers), int) if charges is None else np.array(charges)
        bonds = None if bonds is None else np.array(bonds, dtype=int).reshape(-1, 3)
        return Molecule(numbers, np.array(positions, dtype=float), charges, bonds)

    return made


@pytest.fixture(scope="session")
def hydride(made) -> Callable[..., Molecule]:
    """One atom with up to four hydrogens at the corners of a tetrahedron."""

    def hydride(symbol: str, hydrogens: int, charge: int = 0, length: float = 1.09) -> Molecule:
        positions = np.concatenate([np.zeros((1, 3)), length * _CORNERS[:hydrogens]])
        bonds = [(0, k + 1, 1) for k in range(hydrogens)]
        return made(" ".join([symbol, *"H" * hydrogens]), positions, bonds, [charge] + [0] * hydrogens)

    return hydride


@pytest.fixture(scope="session")
def together(made) -> Callable[..., Molecule]:
    """Two molecules in one record, 20 Angstrom apart."""

    def together(a: Molecule, b: Molecule) -> Molecule:
        bonds = np.concatenate([a.bonds, b.bonds + np.array([len(a), len(a), 0])])
        positions = np.concatenate([a.positions, b.positions + np.array([20.0, 0.0, 0.0])])
        return Molecule(
            np.concatenate([a.numbers, b.numbers]), positions, np.concatenate([a.charges, b.charges]), bonds
        )

    return together
