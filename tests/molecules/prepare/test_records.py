"""One record at a time: what is read, what is left out and why, and what is built of the rest."""

from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from scidiff.molecules.chemistry import canonical_smiles, from_rdkit, sanitise, to_rdkit
from scidiff.molecules.files import Broken
from scidiff.molecules.prepare.build import CONFORMER, GIVEN, HYDROGENS, build
from scidiff.molecules.prepare.policy import Policy
from scidiff.molecules.prepare.screen import Candidate, screen
from scidiff.molecules.prepare.source import Raw, Source
from scidiff.store.errors import UserError

POLICY = Policy()


def smiles(text: str) -> Raw:
    return Raw("list.smi", 1, "it", text, "smiles")


def block(mol: Chem.Mol) -> Raw:
    return Raw("file.sdf", 1, "it", Chem.MolToMolBlock(mol), "block")


def embedded(text: str) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(text))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=1) == 0
    return mol


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("OC(=O)c1ccccc1", "O=C(O)c1ccccc1"),
        ("CC(=O)[O-].[Na+]", "CC(=O)[O-]"),
        ("Cl.C[NH2+]CC[C@H](Oc1ccccc1)C.O", "C[NH2+]CC[C@@H](C)Oc1ccccc1"),
        ("[2H]C([2H])([2H])O", "CO"),
        ("[13CH3][C@H](C)O", "CC(C)O"),
        ("F/C=C\\Cl", "F/C=C\\Cl"),
        ("CCCO.OCCC.c1ccccc1", "c1ccccc1"),
    ],
)
def test_what_is_kept_of_a_record(given, kept):
    assert screen(smiles(given), POLICY).smiles == canonical_smiles(Chem.MolFromSmiles(kept))


@pytest.mark.parametrize(
    ("given", "reason", "policy"),
    [
        ("CXC", "cannot be read", {}),
        ("", "cannot be read: its SMILES is empty", {}),
        ("CC(C)(C)(C)C", "unsound: valence of atom 2", {}),
        ("c1cccc1", "unsound: cannot kekulise", {}),
        ("[Na+].[Cl-]", "no organic fragment", {}),
        ("CC(=O)[O-].[Na+]", "several fragments", {"fragments": "drop"}),
        ("C[CH2]", "unpaired electrons", {}),
        ("C[Se]C", "element not among those asked for: Se", {}),
        ("CS(=O)C", "element not among those asked for: S", {"elements": ("H", "C", "O")}),
        ("[NH3+]CC(=O)[O-]", "charge not among those asked for: +1", {"charges": (-1, 0)}),
        ("CCO", "too small: 3 heavy atoms", {"fewest": 4}),
        ("CCCCC", "too large: 5 heavy atoms", {"most": 4}),
        ("C*", "element not among those asked for: *", {}),
    ],
)
def test_what_is_left_out_and_why(given, reason, policy):
    found = screen(smiles(given), replace(POLICY, **policy))
    assert isinstance(found, Broken) and found.reason.startswith(reason), found
    assert (found.file, found.record, found.name) == ("list.smi", 1, "it")


@pytest.mark.parametrize("text", ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "F/C=C/Cl", "F/C=C\\Cl", "[NH3+]CC(=O)[O-]"])
def test_a_conformer_has_the_stereochemistry_and_the_charges_of_its_smiles(text):
    (structure,) = build(screen(smiles(text), POLICY), POLICY).structures
    assert structure.smiles == canonical_smiles(Chem.MolFromSmiles(text)) and structure.made == CONFORMER
    assert canonical_smiles(sanitise(to_rdkit(structure.molecule))) == structure.smiles
    again = build(screen(smiles(text), POLICY), POLICY).structures[0]
    assert np.array_equal(structure.molecule.positions, again.molecule.positions), "it follows from the molecule"
    other = build(screen(smiles(text), POLICY), replace(POLICY, seed=1)).structures[0]
    assert not np.allclose(structure.molecule.positions, other.molecule.positions)


def test_several_conformers_differ_and_are_not_more_than_asked_for():
    policy = replace(POLICY, conformers=3)
    found = build(screen(smiles("CCCCCCO"), policy), policy)
    places = [structure.molecule.positions for structure in found.structures]
    distances = [np.sort(np.linalg.norm(p[:, None] - p, axis=-1), axis=None) for p in places]
    assert len(places) == 3 and len(found.keys) == 3
    assert all(np.abs(distances[i] - distances[j]).max() > 0.3 for i, j in [(0, 1), (0, 2), (1, 2)])


def test_a_ring_that_mmff_calls_aromatic_otherwise_keeps_its_bonds():
    (structure,) = build(screen(smiles("Cc1cc(=O)[nH]c(C)n1"), POLICY), POLICY).structures
    assert structure.smiles == "Cc1cc(=O)[nH]c(C)n1"


def test_given_coordinates_stay():
    mol = embedded("C[C@H](N)C(=O)O")
    (structure,) = build(screen(block(mol), POLICY), POLICY).structures
    assert structure.made == GIVEN and structure.smiles == "C[C@H](N)C(=O)O"
    assert np.allclose(structure.molecule.positions, mol.GetConformer().GetPositions(), atol=1e-4)
    remade = build(screen(block(mol), replace(POLICY, remake=True)), POLICY).structures[0]
    assert remade.made == CONFORMER and not np.allclose(remade.molecule.positions, structure.molecule.positions)


def test_missing_hydrogens_come_and_nothing_else_moves():
    mol = Chem.RemoveHs(embedded("C[C@H](N)c1ccccc1"))
    (structure,) = build(screen(block(mol), POLICY), POLICY).structures
    heavy = structure.molecule.positions[: mol.GetNumAtoms()]
    assert structure.made == HYDROGENS and structure.smiles == "C[C@H](N)c1ccccc1"
    assert np.allclose(heavy, mol.GetConformer().GetPositions(), atol=2e-4)
    apart = np.linalg.norm(structure.molecule.positions[:, None] - structure.molecule.positions, axis=-1)
    assert np.sort(apart, axis=1)[:, 1].min() > 0.9, "no hydrogen lies on another atom"


def test_a_drawing_is_given_a_conformer_with_the_stereochemistry_of_its_wedges():
    mol = Chem.MolFromSmiles("C[C@H](N)C(=O)O")
    Chem.rdDepictor.Compute2DCoords(mol)
    (structure,) = build(screen(block(mol), POLICY), POLICY).structures
    assert structure.made == CONFORMER and structure.smiles == "C[C@H](N)C(=O)O"


def test_coordinates_in_another_unit_are_told():
    mol = embedded("CCO")
    mol.GetConformer().SetPositions(mol.GetConformer().GetPositions() / 0.529177)
    assert "another unit" in screen(block(mol), POLICY).reason


def test_scaffolds_and_molecules_as_groups():
    def group(text: str, split: str) -> int:
        return screen(smiles(text), replace(POLICY, split=split)).group

    assert group("Cc1ccccc1", "scaffold") == group("OCCc1ccccc1", "scaffold") != group("C1CCCCC1", "scaffold")
    assert group("CCO", "scaffold") != group("CCN", "scaffold"), "what has no ring is its own scaffold"
    assert group("Cc1ccccc1", "random") != group("OCCc1ccccc1", "random")
    assert group("C[C@H](N)O", "random") == group("C[C@@H](N)O", "random")


def test_a_molecule_of_a_prepared_set_or_an_xyz_frame():
    molecule = from_rdkit(embedded("CC(=O)N"))
    for given in (molecule, replace(molecule, bonds=None)):
        found = screen(Raw("set.npz", 1, "", given, "molecule"), POLICY)
        assert isinstance(found, Candidate) and found.given and found.smiles == "CC(N)=O"


def test_lists_and_tables(tmp_path):
    (tmp_path / "a.smi").write_text("smiles name\nCCO ethanol of wine\n\n# none\nCC\n")
    (tmp_path / "b.csv").write_text('id;Canonical_SMILES;x\n7;CCN;1\n"8";"CC;O";2\n')
    (tmp_path / "c.tsv").write_text("structure\tvalue\nCCC\t1\n")
    source = Source(tmp_path)
    with pytest.raises(UserError, match=r"c.tsv has the columns structure, value, and none is called smiles"):
        source.count()
    (tmp_path / "c.tsv").unlink()
    found = [(raw.file, raw.record, raw.name, raw.content) for raw in source.records()]
    assert found == [
        ("a.smi", 2, "ethanol of wine", "CCO"),
        ("a.smi", 5, "", "CC"),
        ("b.csv", 1, "7", "CCN"),
        ("b.csv", 2, "8", "CC;O"),
    ]
    with pytest.raises(UserError, match=r"there is no 'X'. Did you mean 'x'"):
        Source(tmp_path / "b.csv", "X").count()
    assert [raw.content for raw in Source(tmp_path / "b.csv", "x").records()] == ["1", "2"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fragments": "bigest"}, "expected one of largest, drop, refuse"),
        ({"split": "scafold"}, "Did you mean 'scaffold'"),
        ({"elements": ("H", "Xx")}, "'Xx' is not a chemical element"),
        ({"elements": ("C",)}, "lacks H"),
        ({"fewest": 9, "most": 8}, "no molecule is so"),
    ],
)
def test_a_policy_that_cannot_be(changes, said):
    with pytest.raises(UserError, match=said):
        Policy(**changes)
