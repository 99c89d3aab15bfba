"""Both layouts of QM9 give the same molecules; what does not agree with its published SMILES is dropped and counted."""

from pathlib import Path

import numpy as np
import pytest

from scidiff.molecules import qm9
from scidiff.molecules.chemistry import canonical_smiles, sanitise, to_rdkit
from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.files import write_sdf
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.qm9 import edm_split, prepare_qm9, read_qm9
from scidiff.store.errors import UserError

FIXTURE = Path(__file__).parents[2] / "datasets" / "qm9" / "fixture.npz"


@pytest.fixture(scope="module")
def arrays():
    """The fixture's arrays."""
    return dict(np.load(FIXTURE))


@pytest.fixture(scope="module")
def prepared():
    """The fixture with bonds, and what was dropped."""
    return read_qm9(FIXTURE, processes=1)


def _same(a: MoleculeSet, b: MoleculeSet) -> bool:
    names = ("atomic_numbers", "formal_charges", "positions", "offsets", "bonds", "bond_offsets")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def test_every_molecule_of_the_fixture_has_its_published_smiles(arrays, prepared):
    molecules, dropped = prepared
    assert dropped == {}
    assert molecules.columns["smiles"].tolist() == np.char.decode(arrays["smiles"]).tolist()
    assert np.array_equal(molecules.columns["index"], arrays["index"])
    assert np.array_equal(molecules.columns["alpha"], arrays["alpha"])
    assert np.array_equal(molecules.positions, arrays["positions"])
    for molecule in molecules.subset(range(0, 200, 10)):
        assert canonical_smiles(sanitise(to_rdkit(molecule))) == molecule.properties["smiles"]
        assert molecule.charges.sum() == 0
    assert len(molecules.subset("test")) == 200


def test_the_fixture_holds_the_awkward_kinds(prepared):
    molecules, _ = prepared
    assert (molecules.formal_charges != 0).any(), "zwitterions"
    assert 9 in molecules.atomic_numbers, "fluorine"
    assert molecules.bonds[:, 2].max() == 3


def test_many_processes_do_what_one_does(prepared, monkeypatch):
    monkeypatch.setattr(qm9, "_CHUNK", 50)
    calls = []
    molecules, dropped = read_qm9(FIXTURE, processes=2, progress=lambda done, total: calls.append((done, total)))
    assert _same(molecules, prepared[0])
    assert dropped == {}
    assert calls == [(50, 200), (100, 200), (150, 200), (200, 200)]


def test_what_disagrees_is_dropped_and_counted(tmp_path, arrays):
    changed = {**arrays, "smiles": arrays["smiles"].copy(), "positions": arrays["positions"].copy()}
    changed["smiles"][3] = b"CCCCCCC"
    start, stop = arrays["offsets"][7:9]
    changed["positions"][start:stop] *= 3
    np.savez(tmp_path / "odd.npz", **changed)
    molecules, dropped = read_qm9(tmp_path / "odd.npz", processes=1)
    assert dropped == {"SMILES differs from the published one": 1, "no bonds fit the geometry": 1}
    assert set(arrays["index"][[3, 7]]).isdisjoint(molecules.columns["index"])
    assert len(molecules) == 198


def test_a_difference_of_stereo_labels_alone_is_no_reason_to_drop(tmp_path, arrays):
    chiral = next(i for i, s in enumerate(arrays["smiles"]) if s.count(b"@@") == 1 and s.count(b"@") == 2)
    changed = {**arrays, "smiles": arrays["smiles"].copy()}
    changed["smiles"][chiral] = arrays["smiles"][chiral].replace(b"@@", b"@")
    np.savez(tmp_path / "mirrored.npz", **changed)
    molecules, dropped = read_qm9(tmp_path / "mirrored.npz", processes=1)
    assert dropped == {}
    assert molecules.columns["smiles"][chiral] == arrays["smiles"][chiral].decode()


@pytest.fixture
def folder(tmp_path, arrays):
    """The fixture in the layout that is downloaded, its bond table useless; ten molecules called uncharacterised."""
    raw = tmp_path / "raw"
    raw.mkdir()
    spans = list(zip(arrays["offsets"], arrays["offsets"][1:], strict=False))
    write_sdf(raw / "gdb9.sdf", (_geometry(arrays, i, slice(*span)) for i, span in enumerate(spans)))
    rows = [f"gdb_{n},{alpha!r}" for n, alpha in zip(arrays["index"], arrays["alpha"].tolist(), strict=True)]
    (raw / "gdb9.sdf.csv").write_text("mol_id,alpha\n" + "\n".join(rows) + "\n")
    others = np.setdiff1d(np.arange(1, qm9.ALL + 1), arrays["index"])[: qm9.UNCHARACTERISED - 10]
    bad = [*arrays["index"][:10].tolist(), *others.tolist()]
    (raw / "uncharacterized.txt").write_text("3054 heading\n" * 9 + "".join(f"  {n}  C  x\n" for n in bad) + "\n\n")
    return tmp_path


def _geometry(arrays: dict, i: int, rows: slice) -> Molecule:
    """The i-th molecule without a bond, as a record of gdb9.sdf names it."""
    numbers, nothing = arrays["atomic_numbers"][rows], np.zeros((0, 3), dtype=np.int16)
    return Molecule(numbers, arrays["positions"][rows], np.zeros(len(numbers)), nothing, f"gdb_{arrays['index'][i]}")


def test_the_downloaded_layout_gives_the_same_molecules(folder, arrays, prepared):
    molecules, dropped = read_qm9(folder, processes=1)
    assert dropped == {"uncharacterised": 10}
    assert molecules.columns["smiles"].tolist() == prepared[0].columns["smiles"][10:].tolist()
    assert np.allclose(molecules.columns["alpha"], arrays["alpha"][10:])
    assert np.isnan(molecules.columns["mu"]).all()
    assert np.abs(molecules.positions - prepared[0].subset(range(10, 200)).positions).max() < 1e-4
    assert len(read_qm9(folder / "raw", processes=1)[0]) == 190


def test_the_published_smiles_of_a_table_are_believed(folder, arrays):
    table = folder / "raw" / "gdb9.sdf.csv"
    rows = table.read_text().splitlines()
    smiles = ["smiles", *np.char.decode(arrays["smiles"]).tolist()]
    smiles[50] = "CCCCCC"
    table.write_text("\n".join(f"{row},{text}" for row, text in zip(rows, smiles, strict=True)) + "\n")
    molecules, dropped = read_qm9(folder, processes=1)
    assert dropped == {"uncharacterised": 10, "SMILES differs from the published one": 1}
    assert len(molecules) == 189


def test_the_split_is_a_seeded_permutation_of_the_characterised():
    gone = np.arange(5, 5 + qm9.UNCHARACTERISED)
    split = edm_split(gone)
    assert [np.count_nonzero(split == part) for part in (0, 1, 2)] == [100_000, 17_748, 13_083]
    assert (split[gone] == -1).all()
    np.random.seed(0)
    order = np.random.permutation(130_831)
    left = [n for n in range(1, 133_886) if not 5 <= n < 5 + qm9.UNCHARACTERISED]
    assert [split[left[k]] for k in order[:5]] == [0] * 5
    assert [split[left[k]] for k in order[100_000:100_005]] == [1] * 5
    assert [split[left[k]] for k in order[-13_083:-13_078]] == [2] * 5


def test_preparing_twice_reads_once(tmp_path, prepared, monkeypatch):
    first = prepare_qm9(FIXTURE, tmp_path / "cache" / "qm9.npz", processes=1)
    monkeypatch.setattr(qm9, "read_qm9", None)
    second = prepare_qm9("nowhere", tmp_path / "cache" / "qm9.npz")
    assert _same(first, second)
    assert _same(first, prepared[0])


def test_what_is_missing_is_named(tmp_path, folder, arrays):
    with pytest.raises(UserError, match=r"There is no file .*uncharacterized\.txt"):
        read_qm9(tmp_path / "nowhere")
    np.savez(tmp_path / "part.npz", index=arrays["index"], offsets=arrays["offsets"])
    with pytest.raises(UserError, match=r"lacks atomic_numbers, positions, split"):
        read_qm9(tmp_path / "part.npz")
    (folder / "raw" / "uncharacterized.txt").write_text("x\n" * 9 + "1 C\n2 N\n")
    with pytest.raises(UserError, match="lists 2 molecules, expected 3054"):
        read_qm9(folder)
