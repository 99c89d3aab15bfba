"""Molecules that repeat training molecules are told from fresh ones of the same law: chains, grown at random."""

from dataclasses import replace

import numpy as np
import pytest

from scidiff.molecules.evaluate.memorisation import COPY, Known, audit, distance, graph, matched
from scidiff.molecules.molecule import Molecule
from scidiff.store.errors import UserError

COUNT, LONG = 80, 12
BONDS = np.array([[k, k + 1, 1] for k in range(LONG - 1)])


def grown(random: np.random.Generator) -> Molecule:
    """A chain of C, N and O with its hydrogens; no two heteroatoms are neighbours."""
    numbers = random.choice([6, 7, 8], LONG)
    numbers[1:][numbers[:-1] != 6] = 6
    heavy = np.cumsum(random.normal(size=(LONG, 3)), 0) + np.arange(LONG)[:, None]
    free = {6: 4, 7: 3, 8: 2}
    owners = [k for k, number in enumerate(numbers) for _ in range(free[number] - (1 if k in (0, LONG - 1) else 2))]
    positions = np.concatenate([heavy, heavy[owners] + random.normal(size=(len(owners), 3))]).astype(np.float32)
    bonds = np.concatenate([BONDS, [[owner, LONG + k, 1] for k, owner in enumerate(owners)]])
    elements = np.concatenate([numbers, np.ones(len(owners), int)])
    return Molecule(elements, positions, np.zeros(len(elements), int), bonds)


def copied(molecule: Molecule, random: np.random.Generator, jitter: float = 0.02) -> Molecule:
    """Turned, mirrored, its atoms in another order, every coordinate off by `jitter` Angstrom."""
    turn, order = np.linalg.qr(random.normal(size=(3, 3)))[0], random.permutation(len(molecule))
    moved = molecule.positions @ turn + 3 + jitter * random.normal(size=molecule.positions.shape)
    ends = np.sort(np.argsort(order)[molecule.bonds[:, :2]], 1)
    bonds = np.concatenate([ends, molecule.bonds[:, 2:]], 1)
    return replace(molecule, numbers=molecule.numbers[order], positions=moved[order].astype(np.float32), bonds=bonds)


@pytest.fixture(scope="module")
def law() -> dict[str, list[Molecule]]:
    """Training, held-out and fresh molecules, no graph twice, as in most data sets."""
    random, seen = np.random.default_rng(4), {}
    while len(seen) < 4 * COUNT:
        molecule = grown(random)
        seen.setdefault(graph(molecule), molecule)
    every = list(seen.values())
    return {name: every[k * COUNT : (k + 1) * COUNT] for k, name in enumerate(("train", "held", "fresh", "more"))}


def known(molecules: list, name: str = "some") -> Known:
    return Known.of(name, molecules, processes=0)


def audited(law, made):
    return audit(known(made), known(law["train"]), known(law["held"]), processes=0)


def test_copies_are_found(law):
    random = np.random.default_rng(0)
    found = audited(law, [copied(each, random) for each in law["train"][:60]])
    assert found.identical == 1 and found.control_identical == 0
    assert found.graphs.p < 1e-3 and found.copies.p < 1e-3
    assert found.copies.excess / found.distinct > 0.95 and max(found.distances[0]) < COPY


def test_fresh_molecules_are_not_called_copies(law):
    for name in ("fresh", "more"):
        found = audited(law, law[name])
        assert found.identical == 0 and found.copies.train == 0
        assert found.graphs.p == 1 and 0.01 < found.neighbours.p < 0.99


def test_a_generator_that_knows_the_whole_law_is_no_copyist(law):
    """It meets training and held-out molecules alike, to their last coordinate: the data hold all there is."""
    random = np.random.default_rng(1)
    found = audited(law, [copied(each, random) for each in law["train"][:40] + law["held"][:40]])
    assert found.identical == 0.5 and found.copies.train == found.copies.held == 40
    assert found.graphs.p > 0.3 and found.copies.p > 0.3 and found.rmsd.p > 0.01
    assert abs(found.copies.excess) < 1


def test_a_fifth_of_copies_is_found_and_counted(law):
    random = np.random.default_rng(2)
    made = [copied(each, random) for each in law["train"][:20]] + law["fresh"]
    found = audited(law, made)
    assert found.graphs.p < 1e-3 and found.copies.p < 1e-3
    assert found.copies.excess / found.distinct == pytest.approx(0.2)
    assert found.neighbours.p > 0.01  # the others are as new as held-out ones


def test_near_copies_are_nearer_than_held_out_ones(law):
    """Training molecules with one carbon more at the end: no graph is met, but all have a neighbour."""
    found = audited(law, [longer(each) for each in law["train"]])
    assert found.identical == 0 and found.neighbours.p < 1e-3 and found.neighbours.low > 0.5


def longer(molecule: Molecule) -> Molecule:
    """A methyl group for the last atom's last hydrogen."""
    n = len(molecule)
    numbers, charges = np.concatenate([molecule.numbers, [1, 1, 1]]), np.zeros(n + 3, int)
    numbers[n - 1] = 6
    positions = np.concatenate([molecule.positions, molecule.positions[-1] + np.eye(3)])
    bonds = np.concatenate([molecule.bonds, [[n - 1, n + k, 1] for k in range(3)]])
    return Molecule(numbers, positions, charges, bonds)


def test_coordinates_learnt_by_heart_are_told_from_graphs(law):
    """Both halves met, but only the training half with its coordinates."""
    random = np.random.default_rng(3)
    loose = [copied(each, random, jitter=0.5) for each in law["held"][:40]]
    found = audited(law, [copied(each, random) for each in law["train"][:40]] + loose)
    assert found.graphs.p > 0.3
    assert found.copies.p < 1e-3 and found.rmsd.p < 1e-3 and found.copies.excess == 40


def test_distance_is_that_of_the_heavy_atoms(law):
    one, random = law["train"][0], np.random.default_rng(5)
    off = replace(one, positions=one.positions + 1.0 * (one.numbers == 1)[:, None])
    assert distance(([off], [one])) == pytest.approx(0, abs=1e-3)
    assert distance(([copied(one, random, 0.0)], [one])) == pytest.approx(0, abs=1e-3)
    assert 0.1 < distance(([copied(one, random, 0.3)], [one])) < 0.6


def test_the_control_is_as_large(of):
    ours, control = ["CCC", "CC", "CCCC", "CCO"], ["CO", "NCC", "OCCO", "CCCCCCC", "OCO", "CCCCCC"]
    found = matched(ours, control)
    sizes = sorted(smiles.count("C") + smiles.count("O") + smiles.count("N") for smiles in found)
    assert sizes == [2, 3, 3, 4] and set(found) <= set(control)
    assert len(matched(control, ours)) == len(ours)


def test_nothing_to_audit_is_said(law):
    train, held = known(law["train"][:3], "mine"), known(law["held"][:3], "theirs")
    with pytest.raises(UserError, match="no sound molecule"):
        audit(known([None]), train, held, 0)
    with pytest.raises(UserError, match="what was not trained on"):
        audit(train, train, known(law["train"][:2], "theirs"), 0)


def test_texts_and_structures_have_the_same_graph(of):
    molecules = [of(smiles) for smiles in ("OCC", "C[C@H](O)F", "c1ccccc1", "N=CC")]
    texts = Known.of("a", molecules, ["CCO", "C[C@@H](O)F", "C1=CC=CC=C1", "[H]/N=C/C"])
    assert texts.rows == Known.of("b", molecules, processes=0).rows and len(texts.rows) == 4
