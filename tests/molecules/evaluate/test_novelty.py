"""Uniqueness, novelty and the nearest neighbour."""

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from scidiff.molecules.evaluate import build, evaluate
from scidiff.molecules.evaluate.tanimoto import Neighbours

SMILES = ("CCO", "CCN", "c1ccccc1", "CC(=O)O", "C1CC1", "OCC(O)CO", "c1ccncc1C", "CC#N", "C")


@pytest.fixture(scope="module")
def reference(of):
    return build([of(smiles) for smiles in ("CCO", "CCN", "c1ccccc1")], "three", processes=0)


def novelty(molecules, reference=None) -> dict:
    return evaluate(molecules, reference, protocols=["novelty"], processes=0)


def test_figures_of_a_known_mixture(of, hydride, reference):
    """Of six records: a known molecule twice, two new ones, one unsound, one unreadable."""
    molecules = [of("CCO"), of("OCC"), of("C1CC1"), of("CC#N"), hydride("C", 3), None]
    figures = novelty(molecules, reference)
    assert figures["novelty/uniqueness"] == 3 / 4
    assert figures["novelty/novelty"] == pytest.approx(2 / 3)
    assert figures["novelty/valid_unique_novel"] == pytest.approx(2 / 6)
    assert figures["novelty/tanimoto_identical"] == pytest.approx(1 / 3)


def test_a_set_against_itself_is_all_memory(of, reference):
    figures = novelty([of("CCO"), of("CCN"), of("c1ccccc1")], reference)
    assert figures["novelty/novelty"] == 0.0
    assert figures["novelty/valid_unique_novel"] == 0.0
    assert figures["novelty/tanimoto_median"] == figures["novelty/tanimoto_mean"] == 1.0
    assert figures["novelty/tanimoto_identical"] == 1.0


def test_a_mirror_image_is_not_new(of):
    reference = build([of("C[C@H](O)F")], "hand", processes=0)
    assert novelty([of("C[C@@H](O)F")], reference)["novelty/novelty"] == 0.0


def test_only_uniqueness_without_a_reference(of):
    figures = novelty([of("CCO"), of("CCO")])
    assert [key for key in figures if key.startswith("novelty/")] == ["novelty/uniqueness"]
    assert figures["novelty/uniqueness"] == 1 / 2


def test_the_nearest_neighbour_is_rdkits():
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    prints = [generator.GetFingerprint(Chem.MolFromSmiles(smiles)) for smiles in SMILES]
    for asked, mine in zip(SMILES, prints, strict=True):
        others = [smiles for smiles in SMILES if smiles != asked]
        bulk = DataStructs.BulkTanimotoSimilarity(mine, [p for p in prints if p is not mine])
        assert Neighbours(others).nearest(asked) == pytest.approx(max(bulk))
        assert Neighbours(SMILES).nearest(asked) == 1.0


def test_what_cannot_be_read_is_left_out():
    assert Neighbours(["CCO", "no molecule"]).nearest("CCO") == 1.0
    assert np.isnan(Neighbours(["CCO"]).nearest("no molecule"))
    assert np.isnan(Neighbours([]).nearest("CCO"))
