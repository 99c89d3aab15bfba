"""PoseBusters' checks and our own on hydrogens, on sound and spoilt geometries."""

import io
from dataclasses import replace

import numpy as np
import pytest
import rdkit

from scidiff.molecules.evaluate import evaluate
from scidiff.molecules.evaluate.hydrogens import USUAL_LENGTH, WINDOW, free_of_clashes, lengths_usual


def judged(*molecules) -> dict:
    return evaluate(molecules, protocols=["posebusters", "hydrogens"], processes=0)


def moved(molecule, atom: int, by) -> object:
    positions = np.array(molecule.positions, dtype=float)
    positions[atom] += by
    return replace(molecule, positions=positions)


def stretched_to(molecule, length: float):
    """The molecule's last hydrogen at another distance from what it is bonded to."""
    i, j = next(row[:2] for row in molecule.bonds if len(molecule) - 1 in row[:2])
    positions = np.array(molecule.positions, dtype=float)
    step = positions[j] - positions[i]
    positions[j] = positions[i] + step * length / np.linalg.norm(step)
    return replace(molecule, positions=positions)


def test_a_sound_geometry_passes_everything(of):
    figures = judged(of("CCO"), of("c1ccccc1"), of("CC(=O)N"))
    assert all(value == 1.0 for key, value in figures.items() if key.startswith(("posebusters/", "hydrogens/")))


def test_a_stretched_bond_and_an_unreadable_record_fail(of):
    ethanol = of("CCO")
    figures = judged(ethanol, moved(ethanol, 2, [1.5, 1.5, 1.5]), None, None)
    assert figures["posebusters/pass"] == 1 / 4
    assert figures["posebusters/bond_lengths"] == 1 / 4
    assert figures["posebusters/sanitization"] == 2 / 4


def test_two_pieces_and_impossible_valences_fail_their_own_checks(of, hydride, together):
    figures = judged(together(of("CCO"), of("C")), hydride("F", 3))
    assert figures["posebusters/all_atoms_connected"] == 1 / 2
    assert figures["posebusters/sanitization"] == 1 / 2
    assert figures["posebusters/pass"] == 0.0


def test_a_bent_ring_is_not_flat(of):
    benzene = of("c1ccccc1")
    centred = benzene.positions - benzene.positions.mean(axis=0)
    normal = np.linalg.svd(centred)[2][2]
    assert judged(moved(benzene, 0, 0.9 * normal))["posebusters/aromatic_ring_flatness"] == 0.0


@pytest.mark.parametrize(("symbol", "number", "hydrogens"), [("C", 6, 4), ("N", 7, 3), ("O", 8, 2)])
def test_the_window_of_hydrogen_bonds_is_where_it_is_said_to_be(hydride, symbol, number, hydrogens):
    molecule = hydride(symbol, hydrogens, length=USUAL_LENGTH[number])
    for shift, passes in ((0.0, True), (0.99, True), (1.01, False), (-0.99, True), (-1.01, False)):
        assert lengths_usual(stretched_to(molecule, USUAL_LENGTH[number] + shift * WINDOW)) == passes


def test_posebusters_does_not_see_a_hydrogen_that_we_see(of):
    """A methyl hydrogen pulled to 1.6 Angstrom."""
    far = stretched_to(of("CC"), 1.6)
    figures = judged(far)
    assert figures["posebusters/pass"] == 1.0
    assert figures["hydrogens/xh_length"] == 0.0


@pytest.mark.parametrize(
    ("other", "distance", "free"), [("H", 1.72, True), ("H", 1.68, False), ("C", 1.95, True), ("C", 1.85, False),
                                    ("O", 1.40, True), ("O", 1.30, False), ("N", 1.45, False)]
)  # fmt: skip
def test_clash_limits_beyond_two_bonds(made, other, distance, free):
    assert free_of_clashes(made(f"H {other}", [[0, 0, 0], [0, 0, distance]])) == free


def test_bonded_and_geminal_atoms_do_not_clash(hydride):
    """Methane's hydrogens are 1.79 apart, water's 1.51: real, and two bonds apart."""
    assert free_of_clashes(hydride("C", 4))
    assert free_of_clashes(hydride("O", 2, length=0.93))  # 1.52 at a tetrahedron's angle
    assert not free_of_clashes(hydride("O", 2, length=0.85))


def test_a_log_that_was_closed_changes_no_verdict(of, monkeypatch):
    """PoseBusters keeps writing to the standard error it met first, and took InChI for failed once that was closed."""
    judged(of("CCO"))
    monkeypatch.setattr(rdkit.log_handler, "stream", closed := io.StringIO())
    closed.close()
    assert judged(of("CCO"))["posebusters/pass"] == 1.0


def test_coordinates_that_are_no_numbers_fail_and_harm_nothing(of):
    ethanol = of("CCO")
    figures = judged(moved(ethanol, 0, np.nan), ethanol)
    assert figures["posebusters/pass"] == 1 / 2
    assert figures["hydrogens/xh_length"] == 1 / 2
