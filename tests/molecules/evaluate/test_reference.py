"""References: built, saved, found."""

from dataclasses import replace

import numpy as np
import pytest

from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.evaluate import Reference, build, evaluate, find, shipped
from scidiff.molecules.files import write_sdf
from scidiff.store.errors import UserError


@pytest.fixture(scope="module")
def molecules(of):
    return [of(smiles) for smiles in ("CCO", "CCN", "c1ccccc1", "CC(=O)N", "C1CC1")]


@pytest.fixture(scope="module")
def reference(molecules):
    return build(molecules, "five", sample=3, processes=0, about={"licence": "none"})


def test_what_is_built(reference):
    assert reference.n == 5
    assert reference.smiles == {"CCO", "CCN", "c1ccccc1", "CC(N)=O", "C1CC1"}
    assert len(reference.edm_smiles) == 5
    assert reference.scores["n"] == 3
    assert reference.scores["strict/valid_connected"] == 1.0
    assert not [key for key in reference.scores if "/novel" in key or "_novel" in key or "tanimoto" in key]


def test_round_trip(reference, tmp_path):
    path = tmp_path / "five.reference.npz"
    reference.save(path)
    again = Reference.load(path)
    assert all(np.array_equal(a, b) for a, b in zip(again.census, reference.census, strict=True))
    for name in ("name", "n", "smiles", "edm_smiles", "scores", "about"):
        assert getattr(again, name) == getattr(reference, name)


def test_the_same_reference_is_the_same_file(reference, tmp_path):
    for name in ("a.npz", "b.npz"):
        reference.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_its_own_scores_stand_beside_ours(molecules, reference):
    figures = evaluate([*molecules, None], reference, processes=0)
    assert figures["strict/valid_connected"] == pytest.approx(5 / 6)
    assert figures["reference"]["strict/valid_connected"] == 1.0
    assert figures["reference"]["name"] == "five"
    assert set(figures["reference"]) - {"name"} <= set(figures)


def test_unsound_training_molecules_are_not_remembered(molecules, hydride):
    assert build([*molecules, hydride("F", 3)], "six", processes=0).smiles == build(molecules, "5", processes=0).smiles


def test_a_file_of_molecules_is_a_reference(molecules, reference, tmp_path):
    path = tmp_path / "mine.sdf"
    write_sdf(path, [replace(molecule, name="") for molecule in molecules])
    found = find(path, processes=0)
    assert found.name == "mine"
    assert found.smiles == reference.smiles


def test_a_saved_one_is_found(reference, tmp_path):
    for name in ("five.reference.npz", "whatever.npz"):
        reference.save(tmp_path / name)
        assert find(tmp_path / name).smiles == reference.smiles


def test_of_a_split_set_only_the_training_part_is_the_reference(molecules, tmp_path):
    split = np.array([0, 0, 2, 1, 0])
    MoleculeSet.from_molecules(molecules, split=split).save(tmp_path / "set.npz")
    assert find(tmp_path / "set.npz", processes=0).smiles == {"CCO", "CCN", "C1CC1"}


def test_mistakes_are_told(tmp_path):
    with pytest.raises(UserError, match="no reference or file"):
        find("nowhere")
    (tmp_path / "bad.reference.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"is not an \.npz file"):
        find(tmp_path / "bad.reference.npz")
    np.savez(tmp_path / "other.npz", smiles=np.zeros(3))
    with pytest.raises(UserError, match="is not a reference"):
        Reference.load(tmp_path / "other.npz")
    with pytest.raises(UserError, match="no molecules"):
        build([], "none", processes=0)


def test_the_shipped_reference(of):
    """QM9's training split: small enough to ship, complete enough to know benzene, with the right figures."""
    if "qm9" not in shipped():
        pytest.skip("not built yet")
    qm9 = find("qm9")
    assert qm9.n > 98_000
    assert {"c1ccccc1", "C"} <= qm9.smiles
    assert qm9.scores["strict/valid_connected"] > 0.99
    assert qm9.scores["edm/molecule_stability"] == pytest.approx(0.957, abs=0.01)
