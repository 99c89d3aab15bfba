"""Whole sets: repeats, splits, interruptions, several processes."""

import csv

import numpy as np
import pytest

from scidiff.molecules.chemistry import canonical_smiles, sanitise, to_rdkit
from scidiff.molecules.dataset import SPLITS, MoleculeSet
from scidiff.molecules.gather import PREPARED, gather
from scidiff.molecules.prepare import run
from scidiff.molecules.prepare.policy import Policy
from scidiff.molecules.prepare.run import DROPPED, prepare
from scidiff.molecules.prepare.source import Source
from scidiff.store.errors import UserError

LIST = [
    *("CCO", "OCC", "c1ccccc1C", "CX", "CC(N)C(=O)O", "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "CC(=O)[O-].[Na+]"),
    *("CCC", "CCCC", "CCN", "c1ccccc1O", "C[Se]C", "CC#N", "OCC", "C1CC1", "CC(C)=O", "N#CC#N", "CCS", "CCF", "CO"),
]
SHARES = (0.8, 0.1, 0.1)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "list.smi"
    path.write_text("".join(f"{smiles} m{k}\n" for k, smiles in enumerate(LIST, start=1)))
    return Source(path)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(run, "_SHARD", 4)


def fill(source, folder, policy=None, **options):
    folder.mkdir(exist_ok=True)
    return prepare(source, policy or Policy(), SHARES, folder, **{"processes": 0, **options})


def dropped(folder):
    with (folder / DROPPED).open() as text:
        return {int(row["record"]): row["reason"] for row in csv.DictReader(text)}


def test_a_set_and_what_is_missing_from_it(source, tmp_path):
    found = fill(source, tmp_path / "set")
    molecules, broken = gather(tmp_path / "set")
    reasons = dropped(tmp_path / "set")
    assert not broken and len(molecules) + len(reasons) == len(LIST) == found.records
    assert {record: reason.partition(":")[0] for record, reason in reasons.items() if record not in (6, 7)} == {
        2: "duplicate",
        4: "cannot be read",
        13: "element not among those asked for",
        15: "duplicate",
    }
    assert sum(found.dropped.values()) == len(reasons)
    for molecule, smiles in zip(molecules, molecules.columns["smiles"], strict=True):
        assert canonical_smiles(sanitise(to_rdkit(molecule))) == smiles
    assert len(set(molecules.columns["smiles"])) == len(molecules)
    assert len(molecules.subset("train")) == (found.parts == SPLITS["train"]).sum() >= 0.7 * len(molecules)
    assert molecules.columns["names"][0] == "m1" and found.vocabulary.elements == ("H", "C", "N", "O", "F", "S")
    assert found.vocabulary.charges == (-1, 0)


def test_a_repeat_is_known_by_what_its_coordinates_say(source, tmp_path):
    """Alanine without its hand becomes one of the two hands, and that one is dropped when it comes itself."""
    fill(source, tmp_path / "set")
    reasons = dropped(tmp_path / "set")
    assert len(reasons.keys() & {6, 7}) == 1
    assert "duplicate: " in next(reasons[k] for k in (6, 7) if k in reasons)


def test_an_interrupted_run_gives_the_same_bytes(source, tmp_path):
    """Stopped within the third shard; what was done is not done again."""
    fill(source, tmp_path / "whole")

    def stop(done, total):
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(source, tmp_path / "halves", progress=stop)
    assert not (tmp_path / "halves" / PREPARED).exists()
    told = []
    fill(source, tmp_path / "halves", progress=lambda done, total: told.append(done))
    assert told[0] == 8
    for name in (PREPARED, DROPPED):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "halves" / name).read_bytes()


def test_other_processes_give_the_same_bytes(source, tmp_path):
    fill(source, tmp_path / "one")
    fill(source, tmp_path / "two", processes=1)
    assert (tmp_path / "one" / PREPARED).read_bytes() == (tmp_path / "two" / PREPARED).read_bytes()


def test_at_most_so_many_structures_of_a_molecule(source, tmp_path):
    fill(source, tmp_path / "set", Policy(conformers=2))
    smiles = MoleculeSet.load(tmp_path / "set" / PREPARED).columns["smiles"]
    _, counts = np.unique(smiles, return_counts=True)
    assert counts.max() == 2


def test_conformers_of_a_prepared_set_are_kept_up_to_that_number(source, tmp_path):
    fill(source, tmp_path / "set")
    again = fill(Source(tmp_path / "set"), tmp_path / "again")
    before, after = (MoleculeSet.load(tmp_path / name / PREPARED) for name in ("set", "again"))
    assert np.array_equal(before.positions, after.positions) and set(again.made.tolist()) == {0}


def test_a_salt_may_be_refused(source, tmp_path):
    with pytest.raises(UserError, match=r"list.smi, record 8: several fragments: CC\(=O\)\[O-\].\[Na\+\]"):
        fill(source, tmp_path / "set", Policy(fragments="refuse"))


def test_nothing_to_keep_is_told(source, tmp_path):
    with pytest.raises(UserError, match=r"Of 21 records .* none could be kept \(list.smi, record 1: too small"):
        fill(source, tmp_path / "set", Policy(fewest=50))


def test_a_molecule_that_takes_too_long_is_dropped_and_its_process_ended(tmp_path):
    path = tmp_path / "list.smi"
    path.write_text("C" * 70 + "\n")
    with pytest.raises(UserError, match=r"no conformer: building it took longer than 0.02 s"):
        fill(Source(path), tmp_path / "set", Policy(seconds=0.02), processes=1)
