"""Every reason for not being one whole, sound molecule."""

import numpy as np
import pytest

from scidiff.molecules.evaluate import evaluate
from scidiff.molecules.evaluate.strict import REASONS


def strict(*molecules) -> dict:
    return evaluate(molecules, protocols=["strict", "midi"], processes=0)


def reasons(figures: dict) -> dict:
    return {key.rsplit("/", 1)[1]: value for key, value in figures.items() if "reason" in key and value}


@pytest.mark.parametrize("smiles", ["C", "CCO", "c1ccccc1", "c1cc[nH]c1", "C[NH3+]", "CC(=O)[O-]", "C[N+](=O)[O-]"])
def test_whole_molecules_pass(of, smiles):
    figures = strict(of(smiles))
    assert figures["strict/valid_connected"] == 1.0
    assert not reasons(figures)


def test_a_missing_hydrogen_is_not_forgiven(of):
    """RDKit would fill it in, and the usual validity would count the molecule."""
    ethanol = of("CCO")
    last = len(ethanol) - 1
    short = type(ethanol)(
        ethanol.numbers[:last],
        ethanol.positions[:last],
        ethanol.charges[:last],
        ethanol.bonds[(ethanol.bonds[:, :2] < last).all(axis=1)],
    )
    figures = strict(short)
    assert figures["midi/validity"] == 1.0
    assert figures["strict/valid_connected"] == 0.0
    assert reasons(figures) == {"missing_hydrogens": 1.0}


@pytest.mark.parametrize(
    ("symbol", "hydrogens", "charge", "why"),
    [
        ("F", 3, 0, "valence"),
        ("N", 4, 0, "valence"),
        ("C", 3, 0, "missing_hydrogens"),
        ("N", 3, 1, "missing_hydrogens"),
        ("C", 4, 3, "radicals"),  # no carbon carries three charges; RDKit alone lets it pass
        ("C", 3, 1, None),
        ("C", 3, -1, None),
        ("N", 4, 1, None),
    ],
)
def test_single_atoms(hydride, symbol, hydrogens, charge, why):
    assert reasons(strict(hydride(symbol, hydrogens, charge))) == ({why: 1.0} if why else {})


def test_two_pieces_are_not_one(of, together):
    figures = strict(together(of("CCO"), of("C")))
    assert reasons(figures) == {"fragments": 1.0}


def test_reasons_and_the_rate_add_up_to_one(of, hydride, together, made):
    unbonded = made("H H", np.eye(3)[:2], None)
    whole = of("CCO")
    figures = strict(
        whole, hydride("F", 3), hydride("C", 3), together(whole, whole), hydride("C", 4, 3), None, unbonded
    )
    assert set(reasons(figures)) == {"valence", "missing_hydrogens", "fragments", "radicals", "unreadable", "no_bonds"}
    assert figures["strict/valid_connected"] == pytest.approx(1 / 7)
    total = sum(figures[f"strict/reason/{name}"] for name in REASONS)
    assert total + figures["strict/valid_connected"] == pytest.approx(1.0)
