"""Molecules put in rows come out as they went in; files that are no sets are refused; users' files become sets."""

from dataclasses import replace

import numpy as np
import pytest

from scidiff.molecules.chemistry import canonical_smiles, sanitise, to_rdkit
from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.files import write_sdf, write_xyz
from scidiff.molecules.gather import gather
from scidiff.molecules.molecule import Molecule
from scidiff.store.errors import UserError
from tests.molecules.awkward import SMILES, molecule

ARRAYS = ("atomic_numbers", "formal_charges", "positions", "offsets", "bonds", "bond_offsets")


@pytest.fixture
def awkward():
    """A set of the awkward molecules, in three splits."""
    molecules = [replace(molecule(s), name=s, properties={"weight": 1.5 * k, "k": k}) for k, s in enumerate(SMILES)]
    return MoleculeSet.from_molecules(molecules, split=np.arange(len(SMILES), dtype=np.int8) % 3)


def _same(a: MoleculeSet, b: MoleculeSet) -> bool:
    arrays = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ARRAYS)
    return (
        arrays and a.columns.keys() == b.columns.keys() and all((a.columns[k] == b.columns[k]).all() for k in a.columns)
    )


def test_molecules_come_out_as_they_went_in(awkward):
    assert len(awkward) == len(SMILES)
    for k, item in enumerate(awkward):
        known = molecule(SMILES[k])
        assert np.array_equal(item.numbers, known.numbers)
        assert np.array_equal(item.positions, known.positions)
        assert np.array_equal(item.charges, known.charges)
        assert np.array_equal(item.bonds, known.bonds)
        assert (item.name, item.properties["k"], item.properties["weight"]) == (SMILES[k], k, 1.5 * k)
    with pytest.raises(IndexError):
        awkward.molecule(len(SMILES))


def test_saving_and_loading_changes_nothing(tmp_path, awkward):
    awkward.save(tmp_path / "a.npz")
    loaded = MoleculeSet.load(tmp_path / "a.npz")
    assert _same(loaded, awkward)
    assert [getattr(loaded, name).dtype for name in ARRAYS] == [getattr(awkward, name).dtype for name in ARRAYS]
    with pytest.raises(UserError, match="exists already"):
        awkward.save(tmp_path / "a.npz")
    with pytest.raises(UserError, match="is written as"):
        awkward.save(tmp_path / "a.sdf")


def test_a_property_called_split_divides_nothing():
    """Only what was prepared is divided: a file's own numbers may mean anything."""
    molecules = [replace(molecule(smiles), properties={"split": 1, "logP": 0.5}) for smiles in ("CCO", "CCN")]
    assert MoleculeSet.from_molecules(molecules).columns.keys() == {"names", "logP"}


def test_splits_are_a_partition(awkward):
    parts = [awkward.subset(name) for name in ("train", "valid", "test")]
    assert sum(map(len, parts)) == len(awkward)
    names = np.concatenate([part.columns["names"] for part in parts])
    assert set(names) == set(SMILES)
    assert parts[1].molecule(0).name == SMILES[1]
    with pytest.raises(UserError, match="no split 'tests'; expected one of train, valid, test"):
        awkward.subset("tests")
    with pytest.raises(UserError, match="no column 'split'"):
        replace(awkward, columns={}).subset("train")


def test_a_subset_is_its_molecules_in_the_given_order(awkward):
    chosen = [5, 0, 5, 17]
    part = awkward.subset(np.array(chosen))
    for place, i in enumerate(chosen):
        assert np.array_equal(part.molecule(place).bonds, awkward.molecule(i).bonds)
        assert np.array_equal(part.molecule(place).positions, awkward.molecule(i).positions)
    assert len(awkward.subset([])) == 0
    assert _same(awkward.subset(np.ones(len(awkward), dtype=bool)), awkward)


def test_the_size_histogram_counts_every_molecule(awkward):
    histogram = awkward.size_histogram()
    assert sum(histogram.values()) == len(awkward)
    assert sum(size * count for size, count in histogram.items()) == len(awkward.atomic_numbers)
    assert list(histogram) == sorted(histogram)


def test_data_for_torch_geometric(awkward):
    import torch

    data, item = awkward.to_data(1), awkward.molecule(1)
    assert data.validate()
    assert data.is_undirected()
    assert data.z.tolist() == item.numbers.tolist()
    assert data.charge.tolist() == item.charges.tolist()
    assert torch.equal(data.pos, torch.tensor(item.positions))
    assert data.edge_attr.sum() == 2 * item.bonds[:, 2].sum()
    assert data.edge_index.shape == (2, 2 * len(item.bonds))


def test_a_set_without_molecules_and_one_without_bonds(tmp_path):
    MoleculeSet.from_molecules([]).save(tmp_path / "none.npz")
    assert len(MoleculeSet.load(tmp_path / "none.npz")) == 0
    with pytest.raises(UserError, match="bonds of CO are unknown"):
        MoleculeSet.from_molecules([replace(molecule("CO"), name="CO", bonds=None)])


def _arrays(awkward: MoleculeSet) -> dict[str, np.ndarray]:
    return {name: getattr(awkward, name).copy() for name in ARRAYS} | awkward.columns


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("bonds", None, "lacks bonds"),
        ("offsets", lambda a: a[:-1], "offsets must ascend from 0 to"),
        ("offsets", lambda a: a[::-1], "offsets must ascend"),
        ("bond_offsets", lambda a: a + 1, "bond_offsets must ascend"),
        ("positions", lambda a: a[:-1], "one row for each of the"),
        ("positions", lambda a: a * np.nan, "positions must be finite"),
        ("formal_charges", lambda a: a[:3], "one row for each of the"),
        ("bonds", lambda a: a * np.int16([1, 1, 0]), "order 1, 2 or 3"),
        ("bonds", lambda a: a + np.int16([0, 40, 0]), "join atoms i < j of its own molecule"),
        ("bonds", lambda a: a[:, [0, 0, 2]], "join atoms i < j"),
        ("bonds", lambda a: a[:, :2], "rows"),
        ("offsets", lambda a: a[0], "offsets must ascend"),
        ("atomic_numbers", lambda a: a[0], ""),
        ("atomic_numbers", lambda a: np.full(len(a), "C"), ""),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, awkward, name, change, reason):
    arrays = _arrays(awkward)
    arrays = {k: v for k, v in arrays.items() if k != name} if change is None else arrays | {name: change(arrays[name])}
    np.savez_compressed(tmp_path / "bad.npz", **arrays)
    with pytest.raises(UserError, match=rf"bad.npz.*{reason}"):
        MoleculeSet.load(tmp_path / "bad.npz")


def test_files_that_are_no_sets_are_refused(tmp_path, awkward):
    awkward.save(tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    np.savez(tmp_path / "pickled.npz", **{**_arrays(awkward), "names": np.array([{}] * len(awkward), dtype=object)})
    np.save(tmp_path / "single.npy", np.zeros(3))
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    damaged = bytearray(whole)
    damaged[200:400] = bytes(200)
    for name, content in (
        ("cut", whole[: len(whole) // 2]),
        ("text", b"hello"),
        ("damaged", bytes(damaged)),
        ("empty", b""),
    ):
        (tmp_path / f"{name}.npz").write_bytes(content)
    for name in ("cut", "text", "damaged", "empty", "single", "pickled"):
        with pytest.raises(UserError, match=rf"{name}.npz is no"):
            MoleculeSet.load(tmp_path / f"{name}.npz")
    with pytest.raises(UserError, match="There is no file"):
        MoleculeSet.load(tmp_path / "missing.npz")


def test_text_columns_of_bytes_become_text(tmp_path, awkward):
    arrays = _arrays(awkward)
    np.savez_compressed(tmp_path / "bytes.npz", **(arrays | {"names": np.char.encode(arrays["names"])}))
    assert _same(MoleculeSet.load(tmp_path / "bytes.npz"), awkward)


def test_bonds_written_the_other_way_round_are_the_same_bonds(tmp_path, awkward):
    arrays = _arrays(awkward)
    np.savez_compressed(tmp_path / "turned.npz", **(arrays | {"bonds": arrays["bonds"][:, [1, 0, 2]]}))
    assert _same(MoleculeSet.load(tmp_path / "turned.npz"), awkward)


def test_a_folder_of_files_becomes_a_set_and_the_unsound_are_named(tmp_path):
    sound = [replace(molecule(s), name=s) for s in ("CCO", "c1ccncc1", "CC(=O)[O-]")]
    ends = np.array([[0, 0, 0], [1.5, 0, 0]], dtype=np.float32)
    hydrogenless = Molecule(np.array([6, 6]), ends, np.zeros(2), np.array([[0, 1, 1]]), "bare")
    crowded = replace(sound[0], name="crowded", charges=np.full(9, 1))
    write_sdf(tmp_path / "a.sdf", [sound[0], hydrogenless, crowded])
    write_xyz(tmp_path / "b.xyz", sound[1:])
    (tmp_path / "notes.txt").write_text("not a molecule")
    found, broken = gather(tmp_path)
    assert found.columns["names"].tolist() == ["CCO", "c1ccncc1", "CC(=O)[O-] charge=-1"]
    assert found.columns["smiles"].tolist() == ["CCO", "c1ccncc1", "CC(=O)[O-]"]
    assert [canonical_smiles(sanitise(to_rdkit(item))) for item in found] == found.columns["smiles"].tolist()
    assert [(item.file, item.record, item.name) for item in broken] == [("a.sdf", 2, "bare"), ("a.sdf", 3, "crowded")]
    assert "hydrogens are missing" in broken[0].reason
    assert "valence of atom" in broken[1].reason


def test_gathering_nothing_is_refused(tmp_path, awkward):
    with pytest.raises(UserError, match="holds no molecule file"):
        gather(tmp_path)
    write_xyz(tmp_path / "a.xyz", [replace(molecule("C"), numbers=np.array([6, 9, 9, 9, 8]))])
    with pytest.raises(UserError, match="no sound molecule"):
        gather(tmp_path / "a.xyz")
    awkward.save(tmp_path / "a.npz")
    assert _same(gather(tmp_path / "a.npz")[0], awkward)
