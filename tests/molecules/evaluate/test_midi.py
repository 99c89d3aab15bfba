"""The legacy valence table and MiDi's validity."""

import numpy as np
import pytest

from scidiff.molecules.evaluate import evaluate
from scidiff.molecules.evaluate.midi import stable_atoms


def midi(*molecules) -> dict:
    return evaluate(molecules, protocols=["midi"], processes=0)


@pytest.mark.parametrize(
    ("symbol", "hydrogens", "charge", "stable"),
    [
        ("C", 4, 0, True),
        ("C", 3, 0, True),  # the accident of the legacy table
        ("C", 2, 0, False),
        ("C", 3, 1, True),
        ("C", 4, 1, False),
        ("C", 4, 2, True),  # an unknown charge falls back to the neutral list
        ("N", 3, 0, True),
        ("N", 2, 0, True),
        ("N", 4, 0, False),
        ("N", 4, 1, True),
        ("N", 2, -1, True),
        ("O", 1, -1, True),
        ("O", 1, 0, False),
        ("O", 3, 1, True),
        ("S", 2, 0, True),
        ("S", 3, -1, True),
        ("S", 1, -1, False),
        ("Cl", 1, 0, True),
        ("Se", 2, 0, True),
        ("Xe", 2, 0, False),  # not listed
    ],
)
def test_table(hydride, symbol, hydrogens, charge, stable):
    assert stable_atoms(hydride(symbol, hydrogens, charge))[0] == stable


def test_an_aromatic_bond_counts_as_one(of, made):
    """Benzene's carbons: 1 + 1 + 1 with aromatic bonds, 1 + 2 + 1 in Kekule form; both are on the list."""
    benzene = of("c1ccccc1")
    ring = (benzene.bonds[:, :2] < 6).all(axis=1)
    aromatic = benzene.bonds.copy()
    aromatic[ring, 2] = 4
    for bonds in (benzene.bonds, aromatic):
        assert stable_atoms(made("C C C C C C H H H H H H", benzene.positions, bonds)).all()
    nitrogens = made("N N N N N N H H H H H H", benzene.positions, aromatic)
    assert stable_atoms(nitrogens).all()  # 3 each; a true sum of 1.5 + 1.5 + 1 would be 4


def test_validity_is_the_largest_fragments_and_connectivity_apart(of, hydride, together):
    impossible = hydride("F", 3)
    figures = midi(together(of("CCO"), impossible), together(of("CCO"), hydride("C", 4)), impossible, of("CCO"))
    assert figures["midi/validity"] == 3 / 4
    assert figures["midi/connectivity"] == 2 / 4
    assert figures["midi/uniqueness"] == 1 / 3


def test_atoms_are_counted_over_atoms(hydride):
    """A carbon with two hydrogens (2 of 3 atoms stable) and methane (5 of 5)."""
    figures = midi(hydride("C", 2), hydride("C", 4))
    assert figures["midi/atom_stability"] == pytest.approx(7 / 8)
    assert figures["midi/molecule_stability"] == 1 / 2


def test_nothing_is_said_without_bonds(made):
    figures = midi(made("H H", np.eye(3)[:2], None))
    assert not [key for key in figures if key.startswith("midi/")]
