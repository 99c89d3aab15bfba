"""Relaxation: superposition always, energies where tblite is installed."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from scidiff.molecules.evaluate import evaluate, relaxation
from scidiff.store.errors import UserError

needs_tblite = pytest.mark.skipif(importlib.util.find_spec("tblite") is None, reason="tblite is not installed")


def test_displacement_is_free_of_place_and_turn():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(7, 3))
    turned = Rotation.random(rng=generator).apply(points) + 5.0
    assert relaxation.displacement(points, turned) == pytest.approx(0.0, abs=1e-6)


def test_displacement_of_a_breathing_square():
    """Every corner 0.1 farther out."""
    square = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]], dtype=float)
    assert relaxation.displacement(square, 1.1 * square) == pytest.approx(0.1)


def test_the_extra_is_named(of, monkeypatch):
    monkeypatch.setattr(relaxation.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"scidiff\[xtb\]"):
        evaluate([of("CCO")], protocols=["relaxation"], processes=0)


@needs_tblite
def test_a_relaxed_molecule_has_nothing_left_to_give(of):
    molecule = of("CCO")
    energy, positions = relaxation.relax(molecule)
    again, _ = relaxation.relax(replace(molecule, positions=positions))
    assert energy > 0.1
    assert 0 <= again < 0.05


@needs_tblite
def test_a_stretched_molecule_gives_more(of, hydride):
    near = relaxation.relax(hydride("C", 4, length=1.12))[0]
    far = relaxation.relax(hydride("C", 4, length=1.25))[0]
    assert 0 < near < far
    assert relaxation.relax(hydride("N", 4, charge=1, length=1.03))[0] >= 0


@needs_tblite
def test_only_sound_molecules_are_relaxed(of, hydride):
    figures = evaluate([of("CCO"), hydride("C", 3), None], protocols=["relaxation"], processes=0)
    assert figures["relaxation/relaxed"] == pytest.approx(1 / 3)
    assert figures["relaxation/energy_median"] > 0
    assert figures["relaxation/rmsd_median"] > 0
