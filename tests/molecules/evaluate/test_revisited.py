"""The corrected valences, on aromatic and Kekule readings of the same molecules."""

import numpy as np
import pytest

from scidiff.molecules.evaluate import evaluate
from scidiff.molecules.evaluate.revisited import AROMATIC, KEKULISED, stable_atoms


def revisited(*molecules) -> dict:
    return evaluate(molecules, protocols=["revisited"], processes=0)


SOUND = (
    "C", "CC#N", "c1ccccc1", "c1ccncc1", "c1cc[nH]c1", "c1ccoc1", "c1ccsc1", "c1ccc2ccccc2c1", "O=c1cc[nH]cc1",
    "c1c[nH]c[nH+]1", "C[N+](=O)[O-]", "CS(=O)(=O)C", "C[NH3+]", "CC(=O)[O-]", "c1ccc2[nH]ccc2c1",
    "Cn1cnc2c1c(=O)[nH]c(=O)n2C",
    "ClC(Br)I", "CP(=O)(C)C", "C[Si](C)(C)C", "CB(O)O",
)  # fmt: skip


@pytest.mark.parametrize("smiles", SOUND)
def test_sound_molecules_are_stable_in_both_readings(of, smiles):
    figures = revisited(of(smiles))
    for name in ("atom_stability", "molecule_stability", "kekulised_stability", "valid_connected"):
        assert figures[f"revisited/{name}"] == 1.0


@pytest.mark.parametrize(
    ("symbol", "hydrogens", "charge", "stable"),
    [
        ("C", 4, 0, True),
        ("C", 3, 0, False),  # the legacy table lets this pass
        ("C", 3, 1, True),
        ("C", 4, 2, False),  # a charge that is not listed
        ("N", 2, 0, False),
        ("N", 4, 1, True),
        ("O", 2, 0, True),
        ("O", 3, 1, True),
        ("S", 3, -1, False),
        ("S", 1, -1, True),
    ],
)
def test_table(hydride, symbol, hydrogens, charge, stable):
    molecule = hydride(symbol, hydrogens, charge)
    tally = np.array([[0, hydrogens]] + [[0, 1]] * hydrogens)
    for kekulised in (False, True):
        assert stable_atoms(molecule.numbers, molecule.charges, tally, kekulised)[0] == stable


def test_an_aromatic_bond_is_no_single_bond():
    """Carbon with two aromatic bonds and a hydrogen is (2, 1): stable, but never as a sum of Kekule orders."""
    carbon, neutral, tally = np.array([6]), np.array([0]), np.array([[2, 1]])
    assert stable_atoms(carbon, neutral, tally).all()
    assert not stable_atoms(carbon, neutral, tally, kekulised=True).any()
    assert not stable_atoms(carbon, neutral, np.array([[1, 2]])).any()


def test_the_tables_agree_where_nothing_is_aromatic():
    """Without aromatic bonds the two tables list the same sums, but for those the paper itself lists differently."""
    for element, charges in KEKULISED.items():
        for charge, sums in charges.items():
            plain = {total for aromatic, total in AROMATIC[element][charge] if aromatic == 0}
            assert plain == set(sums), (element, charge)


def test_pieces_and_unsound_molecules(of, hydride, together):
    figures = revisited(of("CCO"), together(of("CCO"), hydride("C", 4)), hydride("F", 3), None)
    assert figures["revisited/valid_connected"] == 1 / 4
    assert figures["revisited/molecule_stability"] == 2 / 4
