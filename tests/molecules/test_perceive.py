"""EDM's distance rules hold to the picometre; bonds from geometry give the published molecules."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from scidiff.molecules import distances
from scidiff.molecules.chemistry import Unsound, canonical_smiles, sanitise, to_rdkit
from scidiff.molecules.distances import ALLOWED_VALENCE, bond_orders, stable_atoms
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.perceive import neighbour_ratios, perceive
from scidiff.molecules.resonance import recombined
from scidiff.molecules.vocabulary import element_number
from tests.molecules.awkward import molecule

FIXTURE = Path(__file__).parents[2] / "datasets" / "qm9" / "fixture.npz"
RULES = [(distances.SINGLE, 10, 1), (distances.DOUBLE, 5, 2), (distances.TRIPLE, 3, 3)]
LIMITS = [(pair, length + margin, order) for table, margin, order in RULES for pair, length in table.items()]


def _order(pair: str, picometres: float) -> int:
    numbers = np.array([element_number(symbol) for symbol in pair.split()])
    orders = bond_orders(numbers, np.array([[0.0, 0, 0], [picometres / 100, 0, 0]]))
    assert np.array_equal(orders, orders.T)
    return int(orders[0, 1])


@pytest.mark.parametrize(("pair", "limit", "order"), LIMITS)
def test_a_bond_order_ends_at_its_limit(pair, limit, order):
    assert _order(pair, limit - 1e-4) == order
    assert _order(pair, limit + 1e-4) == order - 1


def test_limits_are_strict():
    exactly = np.array([[0.0, 0, 0], [0.75 + 0.09, 0, 0]])  # H-H: 74 + 10 pm; representable below and at the limit
    exactly[1, 0] = 84 / 100
    assert 100.0 * exactly[1, 0] == 84.0
    assert bond_orders(np.array([1, 1]), exactly)[0, 1] == 0


@pytest.mark.parametrize(
    ("pair", "picometres", "order"),
    [("C C", 138.99, 2), ("C C", 163.9, 1), ("C C", 122.9, 3), ("C O", 124.99, 2), ("N O", 125.9, 2), ("O P", 154.9, 2),
     ("S S", 190.0, 1), ("H C", 118.9, 1), ("H C", 20.0, 1), ("B C", 150.0, 0), ("H Bi", 150.0, 0), ("Fe C", 150.0, 0)],
)  # fmt: skip
def test_some_distances_by_hand(pair, picometres, order):
    assert _order(pair, picometres) == order


def test_allowed_valences_as_published():
    expected = {"H": (1,), "C": (4,), "N": (3,), "O": (2,), "F": (1,), "B": (3,), "Al": (3,), "Si": (4,), "P": (3, 5),
                "S": (4,), "Cl": (1,), "As": (3,), "Br": (1,), "I": (1,), "Hg": (1, 2), "Bi": (3, 5)}  # fmt: skip
    assert {element_number(symbol): valence for symbol, valence in expected.items()} == ALLOWED_VALENCE


def test_a_batch_is_its_molecules_one_by_one():
    rng = np.random.default_rng(0)
    numbers, positions = rng.choice([1, 6, 7, 8, 92], (5, 9)), rng.normal(size=(5, 9, 3))
    together = bond_orders(numbers, positions)
    assert together.max() == 3
    for k in range(5):
        assert np.array_equal(together[k], bond_orders(numbers[k], positions[k]))
        assert np.array_equal(stable_atoms(numbers, together)[k], stable_atoms(numbers[k], together[k]))


def test_stability_of_the_fixture_is_as_recorded():
    data = dict(np.load(FIXTURE))
    for i, (start, stop) in enumerate(zip(data["offsets"], data["offsets"][1:], strict=False)):
        numbers = data["atomic_numbers"][start:stop]
        stable = stable_atoms(numbers, bond_orders(numbers, data["positions"][start:stop]))
        assert stable.all() == data["edm_stable"][i]


def test_fixture_geometry_gives_the_published_smiles():
    data, wrong = dict(np.load(FIXTURE)), []
    for i, (start, stop) in enumerate(zip(data["offsets"], data["offsets"][1:], strict=False)):
        blank = Molecule(data["atomic_numbers"][start:stop], data["positions"][start:stop], np.zeros(stop - start))
        perceived = perceive(blank)
        assert perceived.charges.sum() == 0
        smiles = canonical_smiles(sanitise(to_rdkit(perceived)))
        if smiles != data["smiles"][i].decode():
            wrong.append((smiles, data["smiles"][i]))
    assert not wrong


@pytest.mark.parametrize(
    ("smiles", "charge"),
    [("CC(=O)[O-]", -1), ("C[NH3+]", 1), ("[NH3+]CC(=O)[O-]", 0), ("C[N+](=O)[O-]", 0), ("CSC(=O)N", 0),
     ("C[S@](=O)CC", 0),
     ("c1ccsc1C(=O)O", 0), ("CS(=O)(=O)N", 0), ("Cn1cnc2c1c(=O)n(C)c(=O)n2C", 0), ("OB(O)c1ccccc1", 0), ("C#CC#N", 0)],
)  # fmt: skip
def test_bonds_and_charges_of_other_molecules(smiles, charge):
    known = molecule(smiles)
    perceived = perceive(replace(known, charges=np.zeros(len(known)), bonds=None), charge)
    assert perceived.charges.sum() == charge
    assert np.array_equal(perceived.positions, known.positions)
    assert canonical_smiles(sanitise(to_rdkit(perceived))) == Chem.CanonSmiles(smiles)


def test_charges_that_a_shift_of_bonds_removes():
    odd = replace(molecule("CSC(=O)N"))  # the same skeleton written C-S(+)=C(-O(-))-N
    rows = {tuple(sorted((i, j))): order for i, j, order in odd.bonds.tolist()}
    charges = np.zeros(len(odd), dtype=np.int8)
    rows[1, 2], rows[2, 3], charges[1], charges[3] = 2, 1, 1, -1
    odd = replace(
        odd, charges=charges, bonds=np.array([(*pair, order) for pair, order in rows.items()], dtype=np.int16)
    )
    assert canonical_smiles(sanitise(to_rdkit(recombined(odd)))) == "CSC(N)=O"
    for kept in ("C[N+](=O)[O-]", "[NH3+]CC(=O)[O-]", "c1cc[n+]([O-])cc1", "[N-]=[N+]=Nc1ccccc1"):
        assert recombined(molecule(kept)) is not None
        assert np.array_equal(recombined(molecule(kept)).charges, molecule(kept).charges)


def test_nonsense_is_refused():
    apart = Molecule(np.array([6, 6]), np.array([[0.0, 0, 0], [9, 0, 0]], dtype=np.float32), np.zeros(2))
    crowd = Molecule(np.full(9, 6), np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32), np.zeros(9))
    for nonsense in (apart, crowd):
        with pytest.raises(Unsound, match="no bonds and formal charges summing to"):
            perceive(nonsense, charge=1)


def test_neighbours_are_about_one_covalent_distance_away():
    ratios = neighbour_ratios(molecule("Cn1cnc2c1c(=O)n(C)c(=O)n2C"))
    assert 0.85 < ratios.min() < ratios.max() < 1.15
