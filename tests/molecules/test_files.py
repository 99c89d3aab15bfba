"""What is written is read back to the byte; what is broken is named, and a file of another kind is refused."""

import csv
import gzip
from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem

from scidiff.molecules.chemistry import canonical_smiles, sanitise, to_rdkit
from scidiff.molecules.files import Broken, read, write_sdf, write_sidecar, write_xyz
from scidiff.molecules.molecule import Molecule
from scidiff.store.errors import UserError
from tests.molecules.awkward import SMILES, embedded, molecule

WATER = "3\nwater\nO 0.0 0.0 0.117\nH 0.0 0.757 -0.471\nH 0.0 -0.757 -0.471\n"


@pytest.fixture
def awkward():
    """The awkward molecules with names and properties."""
    return [replace(molecule(s), name=f"number {k}", properties={"smiles": s, "k": k}) for k, s in enumerate(SMILES)]


def _smiles(item: Molecule) -> str:
    return canonical_smiles(sanitise(to_rdkit(item)))


@pytest.mark.parametrize("ending", [".sdf", ".sdf.gz"])
def test_sdf_to_molecule_to_sdf_byte_for_byte(tmp_path, awkward, ending):
    first, second = tmp_path / f"first{ending}", tmp_path / f"second{ending}"
    assert write_sdf(first, awkward) == len(SMILES)
    back = list(read(first))
    write_sdf(second, back)
    assert first.read_bytes() == second.read_bytes()
    for before, after in zip(awkward, back, strict=True):
        assert _smiles(before) == _smiles(after)
        assert np.array_equal(before.bonds, after.bonds)
        assert np.array_equal(before.charges, after.charges)
        assert np.allclose(before.positions, after.positions, atol=0.5e-4 + 1e-6)  # four decimals
        assert after.name == before.name
        assert after.properties == {"smiles": before.properties["smiles"], "k": str(before.properties["k"])}


def test_xyz_to_molecule_to_xyz_byte_for_byte(tmp_path, awkward):
    write_xyz(tmp_path / "first.xyz", awkward)
    back = list(read(tmp_path / "first.xyz"))
    write_xyz(tmp_path / "second.xyz", back)
    assert (tmp_path / "first.xyz").read_bytes() == (tmp_path / "second.xyz").read_bytes()
    assert all(item.bonds is None for item in back)
    totals = [int(item.properties.get("charge", 0)) for item in back]
    assert totals == [int(item.charges.sum()) for item in awkward]


def test_v3000_says_the_same_as_v2000(tmp_path, awkward):
    text = "".join(Chem.MolToMolBlock(to_rdkit(m), forceV3000=True, includeStereo=False) + "$$$$\n" for m in awkward)
    (tmp_path / "new.sdf").write_text(text)
    assert [_smiles(item) for item in read(tmp_path / "new.sdf")] == [_smiles(item) for item in awkward]


def test_what_v2000_cannot_hold_is_written_as_v3000(tmp_path):
    grid = np.stack(np.meshgrid(*[np.arange(10)] * 3), axis=-1).reshape(-1, 3).astype(np.float32) * 3
    crowd = Molecule(np.full(1000, 18), grid, np.zeros(1000), np.zeros((0, 3), dtype=np.int16))
    write_sdf(tmp_path / "crowd.sdf", [crowd])
    assert "V3000" in (tmp_path / "crowd.sdf").read_text()
    assert len(next(read(tmp_path / "crowd.sdf"))) == 1000


def test_aromatic_bonds_become_single_and_double(tmp_path):
    block = Chem.MolToMolBlock(embedded("c1cc[nH]c1"), kekulize=False)
    assert "  1  2  4" in block
    (tmp_path / "pyrrole.mol").write_text(block)
    (item,) = read(tmp_path / "pyrrole.mol")
    assert sorted(item.bonds[:, 2].tolist()).count(2) == 2
    assert _smiles(item) == "c1cc[nH]c1"


def test_another_tools_line_ends_titles_and_many_lined_fields(tmp_path):
    block = Chem.MolToMolBlock(embedded("CCO"))
    text = f"caf\xe9{block}>  <note> (1)\nfirst\nsecond\n\n> <empty>\n\n$$$$\n\n".replace("\n", "\r\n")
    (tmp_path / "windows.sdf").write_bytes(text.encode("latin-1"))
    (item,) = read(tmp_path / "windows.sdf")
    assert item.properties == {"note": "first\nsecond", "empty": ""}
    assert _smiles(item) == "CCO"


def test_nonsense_molecules_can_be_written_all_the_same(tmp_path):
    wild = Molecule(
        np.array([6, 1, 1, 1, 1, 1, 8]),
        np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32),
        np.array([1, 0, 0, 0, 0, 0, -2]),
        np.array([(0, k, 3) for k in range(1, 6)], dtype=np.int16),
    )
    write_sdf(tmp_path / "wild.sdf", [wild])
    (back,) = read(tmp_path / "wild.sdf")
    assert np.array_equal(back.bonds, wild.bonds)
    assert np.array_equal(back.charges, wild.charges)


def test_extended_xyz_columns_and_entries(tmp_path):
    comment = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=id:I:1:pos:R:3:species:S:1 energy=-76.4 name=water'
    rows = "1 0.0 0.0 0.117 O\n2 0.0 0.757 -0.471 H\n3 0.0 -0.757 -0.471 H\n"
    (tmp_path / "a.extxyz").write_text(f"3\n{comment}\n{rows}\n\n")
    (item,) = read(tmp_path / "a.extxyz")
    assert item.numbers.tolist() == [8, 1, 1]
    assert item.name == "water"
    assert item.properties["energy"] == "-76.4"
    assert item.positions[1, 1] == np.float32(0.757)


def test_elements_as_numbers_and_as_labels(tmp_path):
    (tmp_path / "a.xyz").write_text(WATER.replace("O ", "8 ").replace("H ", "H12 ", 1))
    assert next(read(tmp_path / "a.xyz")).numbers.tolist() == [8, 1, 1]


XYZ_FAULTS = [
    (WATER.replace("3\n", "4\n", 1), "promises 4 atoms, but 3 atom lines follow"),
    (WATER.replace("3\n", "2\n", 1), "promises 2 atoms, but 3 atom lines follow"),
    (WATER.replace("O ", "Xx "), "atom 1: 'Xx' is not a chemical element"),
    (WATER.replace("0.117", "nan"), "coordinates of atom 1 are not finite"),
    (WATER.replace("0.117", "0,117"), "coordinates of atom 1 cannot be read"),
    (WATER.replace(" 0.117", ""), "atom line 1 .* is not an element and three coordinates"),
    ("3\nflat\n" + "H 1 1 1\n" * 3, "all its atoms lie at one point"),
]


@pytest.mark.parametrize(("frame", "reason"), XYZ_FAULTS)
def test_a_broken_frame_is_named_and_its_neighbours_are_read(tmp_path, frame, reason):
    path = tmp_path / "many.xyz"
    path.write_text(WATER + frame + WATER)
    first, broken, last = read(path)
    assert isinstance(first, Molecule)
    assert isinstance(last, Molecule)
    assert (broken.record, broken.file) == (2, "many.xyz")
    with pytest.raises(UserError, match=reason):
        raise UserError(broken.reason)
    path.write_text(frame)
    with pytest.raises(UserError, match=rf"many.xyz holds no readable molecule \(record 1: .*{reason}"):
        list(read(path))


def _sdf_faults():
    block = Chem.MolToMolBlock(embedded("CCO"))
    flat = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    new = Chem.MolToMolBlock(embedded("CCO"), forceV3000=True)
    return [
        (block.replace("  9  8", " 10  8"), "promises 10 atoms and 8 bonds, but 9 atoms and 8 bonds"),
        (block.replace(" C  ", " Xx ", 1), "atom 1: 'Xx' is not a chemical element"),
        (block.replace(" C  ", " R# ", 1), "atom 1 .* is not a chemical element"),
        (block[:-7], "no 'M  END' line"),
        (block.replace(block.splitlines()[4][:10], "       nan"), "coordinates of atom 1 are not finite"),
        (block.replace(block.splitlines()[4][:10], "   oops   "), "coordinates of atom 1 cannot be read"),
        (block.replace("V2000", "     "), "no counts line ending in V2000 or V3000"),
        (block.replace("  1  2  1", "  1  2  8"), "bond between atoms 1 and 2"),
        (flat, "flat 2D drawing"),
        (new.replace("COUNTS 9 8", "COUNTS 9 7"), "promises 9 atoms and 7 bonds, but 9 atoms and 8 bonds"),
        (new.replace("V30 1 C", "V30 1 Xx"), "atom 1: 'Xx' is not a chemical element"),
        ("<html>not found</html>\n" * 6, "no 'M  END' line"),
        (Chem.MolToMolBlock(Chem.Mol()), "no atoms"),
    ]


@pytest.mark.parametrize("fault", range(13))
def test_a_broken_record_is_named_and_its_neighbours_are_read(tmp_path, fault):
    block, reason = _sdf_faults()[fault]
    good, path = Chem.MolToMolBlock(embedded("CCO")), tmp_path / "many.sdf"
    path.write_text(f"{good}$$$$\n{block}$$$$\n{good}$$$$\n")
    first, broken, last = read(path)
    assert isinstance(first, Molecule)
    assert isinstance(last, Molecule)
    assert broken.record == 2
    path.write_text(block)
    with pytest.raises(UserError, match=rf"many.sdf holds no readable molecule \(record 1: .*{reason}"):
        list(read(path))


@pytest.mark.parametrize(("unit", "factor"), [("nanometres", 0.1), ("picometres", 100), ("Bohr", 1 / 0.529177)])
def test_another_unit_of_length_is_recognised(tmp_path, awkward, unit, factor):
    scaled = [replace(item, positions=item.positions * np.float32(factor)) for item in awkward]
    write_xyz(tmp_path / "a.xyz", scaled)
    with pytest.raises(UserError, match=f"look like {unit}.*Multiply them by"):
        next(read(tmp_path / "a.xyz"))
    write_sdf(tmp_path / "a.sdf", scaled)
    with pytest.raises(UserError, match=f"look like {unit}"):
        next(read(tmp_path / "a.sdf"))


def test_files_that_are_none(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        read(tmp_path / "missing.sdf")
    (tmp_path / "empty.xyz").touch()
    with pytest.raises(UserError, match="is empty"):
        read(tmp_path / "empty.xyz")
    (tmp_path / "blank.sdf").write_text("\n\n\n")
    with pytest.raises(UserError, match="holds no readable molecule"):
        list(read(tmp_path / "blank.sdf"))
    with pytest.raises(UserError, match=r"Cannot tell what .*\.pdf is from its ending; expected one of \.sdf"):
        read(tmp_path / "paper.pdf")
    (tmp_path / "folder.sdf").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        read(tmp_path / "folder.sdf")


def test_a_packed_file_cut_short_is_told(tmp_path, awkward):
    write_sdf(tmp_path / "whole.sdf.gz", awkward)
    packed = (tmp_path / "whole.sdf.gz").read_bytes()
    (tmp_path / "cut.sdf.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "no.sdf.gz").write_bytes(gzip.decompress(packed))
    for name in ("cut.sdf.gz", "no.sdf.gz"):
        with pytest.raises(UserError, match="damaged or cut short"):
            list(read(tmp_path / name))


def test_a_failed_write_leaves_nothing_and_an_existing_file_is_kept(tmp_path, awkward):
    def failing():
        yield awkward[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_sdf(tmp_path / "a.sdf", failing())
    assert not list(tmp_path.iterdir())
    write_sdf(tmp_path / "a.sdf", awkward[:1])
    with pytest.raises(UserError, match="exists already"):
        write_sdf(tmp_path / "a.sdf", awkward)
    assert write_sdf(tmp_path / "a.sdf", awkward, overwrite=True) == len(SMILES)
    with pytest.raises(UserError, match=r"bonds of .* are unknown"):
        write_sdf(tmp_path / "b.sdf", [replace(awkward[0], bonds=None)])


def test_fields_cannot_break_out_of_their_record(tmp_path):
    sly = replace(molecule("CCO"), name="two\nlines", properties={"a<b>\n": "x\n\n\ny", "empty": ""})
    write_sdf(tmp_path / "a.sdf", [sly, sly])
    first, second = read(tmp_path / "a.sdf")
    assert first.name == second.name == "two lines"
    assert first.properties == {"ab": "x\ny", "empty": ""}


def test_the_sidecar_names_what_was_skipped(tmp_path):
    path = tmp_path / "many.sdf"
    assert write_sidecar(path, []) is None
    written = write_sidecar(path, [Broken(7, "a, b", "no atoms"), Broken(9, "", "cut short", "other.sdf")])
    assert written == tmp_path / "many.sdf.skipped.csv"
    rows = list(csv.DictReader(written.open()))
    assert [(row["file"], row["record"], row["name"], row["reason"]) for row in rows] == [
        ("many.sdf", "7", "a, b", "no atoms"),
        ("other.sdf", "9", "", "cut short"),
    ]
    assert (
        write_sidecar(path, [Broken(1, "", "x")], folder=tmp_path / "out") == tmp_path / "out" / "many.sdf.skipped.csv"
    )
