"""Wasserstein distances between known sets of bonds, angles and torsions."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from scidiff.molecules.evaluate import build, evaluate
from scidiff.molecules.evaluate.census import Census
from scidiff.molecules.evaluate.distributions import compare
from scidiff.molecules.evaluate.geometry import codes, select


def counted(*molecules):
    census = Census()
    for molecule in molecules:
        census.add(codes(molecule))
    return census.counted()


def chain(made, torsion: float, bend: float = 110.0, symbols: str = "O C C F"):
    """Four atoms in a row with a given torsion and given angles, in degrees."""
    t, b = np.radians([torsion, bend])
    first = 1.4 * np.array([np.cos(np.pi - b), np.sin(np.pi - b), 0])
    last = 1.3 * np.array([-np.cos(np.pi - b), np.sin(np.pi - b) * np.cos(t), np.sin(np.pi - b) * np.sin(t)])
    start, end = np.zeros(3), np.array([-1.5, 0, 0])
    return made(symbols, [start + first, start, end, end + last], [(0, 1, 1), (1, 2, 1), (2, 3, 1)])


def test_a_set_against_itself_is_at_no_distance(of):
    mine = counted(of("CCO"), of("c1ccccc1"), of("CC(=O)N"))
    assert all(value == 0.0 for value in compare(mine, mine).values())


@pytest.mark.parametrize("shift", [0.001, 0.05, 0.3])
def test_a_shift_of_one_bond_length_is_the_distance(made, shift):
    near = [made("C C", [[0, 0, 0], [0, 0, 1.5 + k / 100]], [(0, 1, 1)]) for k in range(5)]
    far = [replace(molecule, positions=molecule.positions + np.array([[0, 0, 0], [0, 0, shift]])) for molecule in near]
    assert compare(counted(*far), counted(*near))["distribution/bond_length"] == pytest.approx(shift, abs=1e-9)


def test_types_weigh_as_often_as_they_occur_in_the_reference(made):
    """Three C-C at no distance and one C-O shifted by 0.2: 0.05, whatever the number generated."""
    cc = made("C C", [[0, 0, 0], [0, 0, 1.5]], [(0, 1, 1)])
    co, far = (made("C O", [[0, 0, 0], [0, 0, z]], [(0, 1, 1)]) for z in (1.4, 1.6))
    generated = counted(cc, *[far] * 10)
    assert compare(generated, counted(cc, cc, cc, co))["distribution/bond_length"] == pytest.approx(0.05)


def test_the_order_is_part_of_the_type_and_a_missing_type_shows_in_the_shares(made):
    single = made("C C", [[0, 0, 0], [0, 0, 1.5]], [(0, 1, 1)])
    double = made("C C", [[0, 0, 0], [0, 0, 1.3]], [(0, 1, 2)])
    figures = compare(counted(single, single), counted(single, double))
    assert figures["distribution/bond_length"] == 0.0
    assert figures["distribution/bond_types"] == pytest.approx(0.5)


def test_sizes_and_elements(hydride):
    methane, water = hydride("C", 4), hydride("O", 2)
    figures = compare(counted(methane), counted(water))
    assert figures["distribution/size"] == 2.0
    assert figures["distribution/elements"] == pytest.approx(1 / 3)  # H: 4/5 and 2/3; C 1/5; O 1/3


def test_an_angle_and_a_torsion_are_what_they_are(made):
    found = counted(chain(made, 60.0))
    _, bins, counts = select("bond_angle", *found)
    assert np.repeat(bins, counts).tolist() == [220, 220]  # halves of a degree
    assert select("torsion", *found)[1].tolist() == [60]


@pytest.mark.parametrize(("a", "b", "distance"), [(30.5, 50.5, 20.0), (179.5, -179.5, 0.0), (60.5, -60.5, 0.0)])
def test_torsions_live_on_a_circle_and_have_no_hand(made, a, b, distance):
    figures = compare(counted(chain(made, a)), counted(chain(made, b)))
    assert figures["distribution/torsion"] == pytest.approx(distance)


def test_no_torsion_about_a_straight_line(made):
    assert not len(select("torsion", *counted(chain(made, 60.0, bend=178.0)))[0])


def test_reading_a_chain_backwards_changes_nothing(made):
    forth = chain(made, 70.0)
    back = replace(forth, numbers=forth.numbers[::-1], positions=forth.positions[::-1])
    assert np.array_equal(np.sort(codes(forth)), np.sort(codes(back)))


@pytest.mark.parametrize("smiles", ["CC(=O)N", "c1ccc2[nH]ccc2c1", "CC#CCO"])
def test_order_place_and_hand_do_not_matter(of, smiles):
    """Permutation, rotation, translation, reflection: the same census (values at a bin's very edge excepted)."""
    molecule, generator = of(smiles), np.random.default_rng(0)
    order = generator.permutation(len(molecule))
    place = np.argsort(order)
    ends = np.sort(place[molecule.bonds[:, :2]], axis=1)
    turn = Rotation.random(rng=generator).as_matrix() * -1.0
    other = replace(
        molecule,
        numbers=molecule.numbers[order],
        charges=molecule.charges[order],
        positions=molecule.positions[order].astype(float) @ turn + 3.0,
        bonds=np.column_stack([ends, molecule.bonds[:, 2]]),
    )
    exact = replace(molecule, positions=molecule.positions.astype(float))
    figures = compare(counted(other), counted(exact))
    assert figures["distribution/bond_types"] == figures["distribution/elements"] == 0.0
    assert figures["distribution/bond_length"] < 1e-4
    assert figures["distribution/bond_angle"] < 0.05
    assert figures["distribution/torsion"] < 0.1


def test_rings_and_groups_through_the_front_door(of):
    reference = build([of("c1ccccc1"), of("c1ccccc1")], "benzene", processes=0)
    same, other = (evaluate([of(s)], reference, ["distribution"], processes=0) for s in ("c1ccccc1", "C1CC1CO"))
    assert same["distribution/rings"] == same["distribution/groups"] == 0.0
    assert other["distribution/rings"] == other["distribution/groups"] == 1.0


def test_without_bonds_only_sizes_and_elements(of):
    reference = build([of("CCO")], "ethanol", processes=0)
    figures = evaluate([replace(of("CCO"), bonds=None)], reference, processes=0)
    assert {key for key in figures if key.startswith("distribution/")} == {
        "distribution/size",
        "distribution/elements",
    }


@given(st.lists(st.lists(st.integers(-(2**40), 2**40), max_size=30), max_size=6))
def test_a_census_counts(batches):
    census = Census()
    for batch in batches:
        census.add(np.array(batch, dtype=np.int64))
    expected = np.unique(np.array([code for batch in batches for code in batch], dtype=np.int64), return_counts=True)
    assert all(np.array_equal(found, wanted) for found, wanted in zip(census.counted(), expected, strict=True))
