"""Through RDKit and back nothing changes; what chemistry forbids is refused with its reason."""

from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem

from scidiff.molecules.chemistry import Unsound, canonical_smiles, from_rdkit, radicals, sanitise, to_rdkit
from scidiff.molecules.molecule import Molecule
from scidiff.store.errors import UserError
from tests.molecules.awkward import SMILES, embedded, molecule


@pytest.mark.parametrize("smiles", SMILES)
def test_round_trip_keeps_the_canonical_smiles(smiles):
    canonical = canonical_smiles(sanitise(embedded(smiles)))
    assert Chem.CanonSmiles(canonical) == Chem.CanonSmiles(smiles)
    assert canonical_smiles(sanitise(to_rdkit(molecule(smiles)))) == canonical


@pytest.mark.parametrize("smiles", SMILES)
def test_round_trip_keeps_every_array(smiles):
    first = molecule(smiles)
    second = from_rdkit(sanitise(to_rdkit(first)))
    assert np.array_equal(first.numbers, second.numbers)
    assert np.array_equal(first.charges, second.charges)
    assert np.array_equal(first.positions, second.positions)
    assert {(i, j) for i, j, _ in first.bonds.tolist()} == {(i, j) for i, j, _ in second.bonds.tolist()}
    assert set(np.unique(second.bonds[:, 2])) <= {1, 2, 3}


def test_stereochemistry_comes_from_the_coordinates():
    mirrored = molecule("C[C@H](N)C(=O)O")
    mirrored = replace(mirrored, positions=mirrored.positions * np.float32([1, 1, -1]))
    assert canonical_smiles(sanitise(to_rdkit(mirrored))) == Chem.CanonSmiles("C[C@@H](N)C(=O)O")


def test_no_hydrogen_is_added_silently():
    methyl = _methane(hydrogens=3)
    mol = sanitise(to_rdkit(methyl))
    assert sum(atom.GetTotalNumHs(includeNeighbors=False) for atom in mol.GetAtoms()) == 0
    assert Chem.AddHs(mol).GetNumAtoms() == 4
    assert radicals(mol) == 1


def test_hydrogens_are_added_with_coordinates_only_when_asked():
    heavy = Chem.RemoveHs(embedded("CCO"))
    assert len(from_rdkit(heavy)) == 3
    full = from_rdkit(heavy, add_hydrogens=True)
    assert len(full) == 9
    assert len(np.unique(full.positions, axis=0)) == 9


def test_names_and_properties_travel():
    named = replace(molecule("CCO"), name="ethanol", properties={"mu": 1.5})
    back = from_rdkit(to_rdkit(named))
    assert back.name == "ethanol"
    assert back.properties == {"mu": "1.5"}


def test_hydrogens_can_be_written():
    assert canonical_smiles(sanitise(to_rdkit(_methane(4))), hydrogens=True) == "[H]C([H])([H])[H]"


def test_too_many_bonds_are_named_with_atom_and_element():
    with pytest.raises(Unsound, match=r"valence of atom 1 \(C\): its bonds sum to 5"):
        sanitise(to_rdkit(_methane(hydrogens=5)))


def test_a_charge_that_does_not_fit_is_named():
    charged = replace(_methane(4), charges=np.array([1, 0, 0, 0, 0]))
    with pytest.raises(Unsound, match=r"valence of atom 1 \(C\) with charge \+1"):
        sanitise(to_rdkit(charged))


def test_an_impossible_aromatic_ring_is_named():
    mol = Chem.MolFromSmiles("c1cccc1", sanitize=False)
    mol.AddConformer(Chem.Conformer(5))
    with pytest.raises(Unsound, match="cannot kekulise the aromatic atoms"):
        sanitise(mol)
    with pytest.raises(Unsound, match="cannot kekulise"):
        from_rdkit(mol)


def test_sanitising_leaves_the_original_alone():
    mol = to_rdkit(molecule("c1ccncc1"))
    sanitise(mol)
    assert not any(bond.GetIsAromatic() for bond in mol.GetBonds())


def test_what_is_no_molecule_is_refused():
    with pytest.raises(UserError, match="no coordinates"):
        from_rdkit(Chem.MolFromSmiles("C"))
    with pytest.raises(UserError, match="bonds of water are unknown"):
        to_rdkit(Molecule(np.array([8]), np.zeros((1, 3)), np.array([0]), name="water"))
    mol = Chem.MolFromSmiles("C*")
    mol.AddConformer(Chem.Conformer(2))
    with pytest.raises(Unsound, match=r"atom 2 .* is not a chemical element"):
        from_rdkit(mol)
    mol = Chem.MolFromSmiles("N->[Fe]", sanitize=False)
    mol.AddConformer(Chem.Conformer(2))
    with pytest.raises(Unsound, match="bond between atoms 1 and 2 is dative"):
        from_rdkit(mol)


def _methane(hydrogens: int) -> Molecule:
    """A carbon with that many hydrogens around it."""
    angles = np.linspace(0, 2 * np.pi, hydrogens, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    positions = np.concatenate([np.zeros((1, 3)), ring]).astype(np.float32)
    bonds = np.array([(0, k + 1, 1) for k in range(hydrogens)], dtype=np.int16)
    return Molecule(np.array([6] + [1] * hydrogens), positions, np.zeros(hydrogens + 1, dtype=np.int8), bonds)
