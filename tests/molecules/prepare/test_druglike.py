"""The drug-like data set: its fixture, its configuration and its script speak of the same molecules."""

from pathlib import Path

import numpy as np

from scidiff.cli.config import read
from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.prepare.policy import Policy
from scidiff.molecules.prepare.run import prepare
from scidiff.molecules.prepare.source import Source

FIXTURE = Path(__file__).parents[3] / "datasets" / "druglike" / "fixture.npz"


def test_the_configuration_has_classes_for_the_molecules():
    config = read("train", ["experiment=druglike", f"data.source={FIXTURE}"])
    molecules = MoleculeSet.load(FIXTURE)
    assert config.network.atoms == len(config.data.elements) == len(np.unique(molecules.atomic_numbers)) == 10
    assert config.network.charges == len(config.data.charges) and config.name == config.recipe == "druglike"
    assert set(config.data.charges) == set(molecules.formal_charges.tolist())


def test_prepared_once_more_they_stay_as_they_are(tmp_path):
    before = MoleculeSet.load(FIXTURE)
    policy = Policy(
        elements=("H", "C", "N", "O", "F", "P", "S", "Cl", "Br", "I"), charges=(-1, 0, 1), fewest=8, most=36
    )
    found = prepare(Source(FIXTURE), policy, (1, 0, 0), tmp_path, processes=0)
    after = MoleculeSet.load(tmp_path / "molecules.npz")
    assert not found.dropped and np.array_equal(before.positions, after.positions)
    assert np.array_equal(before.columns["smiles"], after.columns["smiles"])
