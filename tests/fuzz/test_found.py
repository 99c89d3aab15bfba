"""What the fuzz run has found, each once: files that ended in another exception, in gigabytes or in minutes."""

import io
import lzma
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from scidiff.cli.config import read
from scidiff.molecules import files
from scidiff.molecules.chemistry import MOST_ATOMS
from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.evaluate import reference
from scidiff.molecules.files import Broken
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.perceive import perceive
from scidiff.store import memory
from scidiff.store.arrays import read_array, read_arrays
from scidiff.store.errors import UserError
from scidiff.store.weights import no_larger
from scidiff.volumes.files import read_dicom
from scidiff.volumes.prepare.find import find
from tests.fuzz.seeds import slices


def member(header: bytes, content: bytes = b"") -> bytes:
    """An .npy file of version 1."""
    header = header.ljust(118 - 10) + b"\n"
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + content


MEMBERS = {
    "an open bracket": member(b"{'descr': '<f4', 'shape': (3, "),
    "deep brackets": member(b"(" * 90),
    "more than is there": member(b"{'descr': '<f4', 'fortran_order': False, 'shape': (99,), }", bytes(12)),
    "a product beyond": member(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2**62, 2**62), }"),
    "less than nothing": member(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", bytes(12)),
    "of no size": member(b"{'descr': '<U0', 'fortran_order': False, 'shape': (9999999999,), }"),
    "objects": member(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", bytes(8)),
    "no array": b"text",
    "another version": b"\x93NUMPY\x09\0" + bytes(200),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_of_an_npz(name, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", MEMBERS[name])
    with pytest.raises(UserError):
        read_arrays(tmp_path / "a.npz")
    (tmp_path / "a.npy").write_bytes(MEMBERS[name])
    with pytest.raises(UserError):
        read_array(tmp_path / "a.npy")


def test_good_arrays_are_read_as_numpy_reads_them(tmp_path):
    arrays = {"a": np.arange(6).reshape(2, 3).T, "b": np.array(["x", "yz"]), "c": np.float32(3), "d": np.zeros((0, 3))}
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert all(np.array_equal(found[key], value) and found[key].dtype == value.dtype for key, value in arrays.items())
    assert list(read_arrays(tmp_path / "a.npz", ["c", "z"])) == ["c"]
    np.save(tmp_path / "a.npy", arrays["a"])
    assert np.array_equal(read_array(tmp_path / "a.npy"), arrays["a"])


def test_more_than_memory_holds(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(10**6))
    monkeypatch.setattr("scidiff.store.arrays.free_memory", lambda: 40_000_000)
    with pytest.raises(UserError, match=r"needs 0\.0 GB of memory once unpacked"):
        read_arrays(tmp_path / "a.npz")
    monkeypatch.setattr("scidiff.store.arrays.free_memory", lambda: 50_000_000)
    assert read_arrays(tmp_path / "a.npz")["a"].size == 10**6


def test_free_memory_is_what_the_tightest_leaves(monkeypatch, tmp_path):
    """Of the machine, of the group that a cluster put us in, and of `ulimit -v`."""
    (tmp_path / "job").mkdir()
    for name, text in {"max": "5000000", "current": "3000000", "stat": "anon 5\ninactive_file 400000\n"}.items():
        (tmp_path / "job" / f"memory.{name}").write_text(text)
    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda p: "0::/job\n" if p.name == "cgroup" else read(p))
    assert memory.free_memory() == 2_400_000
    (tmp_path / "job" / "memory.max").write_text("max")
    assert memory.free_memory() > 2_400_000
    taken = int(read(Path("/proc/self/statm")).split()[0]) * resource.getpagesize()
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (taken + 10**6, resource.RLIM_INFINITY))
    assert memory.free_memory() <= 10**6 + 10**7


XYZ = {
    "beyond float32": "1\n\nC 1e39 0 0\n",
    "a count of 5,000 digits": f"{'9' * 5000}\n\nC 0 0 0\n",
    "an element that is no number": "1\n\n² 0 0 0\n",
}


@pytest.mark.parametrize("name", XYZ)
def test_an_xyz(name, tmp_path):
    (tmp_path / "a.xyz").write_text(XYZ[name], encoding="utf-8")
    with pytest.raises(UserError, match="no readable molecule"):
        list(files.read(tmp_path / "a.xyz"))


ATOM = "    0.0000    0.0000    {}.0000 {:<3} 0  0  0  0  0  0  0  0  0  0  0  0\n"


def test_an_sdf_with_a_charge_beyond_all(tmp_path):
    atoms = ATOM.format(0, "C") + ATOM.format(1, "O")
    good = f"a\n b\n\n  2  0  0  0  0  0            999 V2000\n{atoms}M  CHG  1   1   2\nM  END\n$$$$\n"
    (tmp_path / "a.sdf").write_text(good + good.replace("1   2", "1  46"))
    one, other = files.read(tmp_path / "a.sdf")
    assert one.charges.tolist() == [2, 0]
    assert isinstance(other, Broken) and "atom 1 has the charge +46" in other.reason


def test_more_atoms_than_bonds_can_number(tmp_path):
    rows = "".join(f"M  V30 {k + 1} C {k} 0 {k % 7} 0\n" for k in range(MOST_ATOMS + 1))
    counts = f"M  V30 BEGIN CTAB\nM  V30 COUNTS {MOST_ATOMS + 1} 0 0 0 0\nM  V30 BEGIN ATOM\n"
    head, end = "a\n b\n\n  0  0  0     0  0            999 V3000\n", "M  V30 END ATOM\nM  V30 END CTAB\nM  END\n$$$$\n"
    (tmp_path / "a.sdf").write_text(head + counts + rows + end)
    with pytest.raises(UserError, match="it has 32,768 atoms"):
        list(files.read(tmp_path / "a.sdf"))


def test_bonds_are_not_perceived_in_a_crystal():
    places = np.stack(np.meshgrid(*[np.arange(11.0)] * 3), -1).reshape(-1, 3)
    with pytest.raises(Exception, match="1,331 atoms; bonds are perceived for up to 1,000"):
        perceive(Molecule(np.full(len(places), 6), places, np.zeros(len(places), dtype=int)))


def test_a_dicom_tag_of_no_kind(tmp_path):
    path = slices(tmp_path)[1]
    path.write_bytes(path.read_bytes().replace(b"\x28\x00\x30\x00DS", b"\x28\x00\x30\x00DW"))
    with pytest.raises(UserError, match=f"{path.name} is damaged"):
        read_dicom(tmp_path)


@pytest.mark.parametrize("place", ["1E999", "NaN", "2.5E9"])
def test_a_slice_that_is_nowhere(tmp_path, place):
    path = slices(tmp_path)[1]
    content = path.read_bytes()
    path.write_bytes(content.replace(b"-5.0\\3.0\\2.5", f"{place:8}\\3\\2".encode()))  # as long as it was
    assert path.read_bytes() != content
    with pytest.raises(UserError, match=f"{path.name} lacks a sound position"):
        read_dicom(tmp_path)


def test_a_series_number_of_no_kind(tmp_path):
    """The folder is looked through all the same; that slice is a series of its own, which cannot be read."""
    path = slices(tmp_path)[1]
    path.write_bytes(path.read_bytes().replace(b"\x20\x00\x11\x00IS", b"\x20\x00\x11\x00I6"))
    assert sorted(len(each.files) for each in find(tmp_path)) == [1, 3]


def test_a_group_of_another_verb():
    with pytest.raises(UserError, match=r"evaluate has no key 'scheduler'"):
        read("evaluate", ["scheduler=cosine"])


def test_atomic_numbers_that_are_none(tmp_path):
    one = Molecule(np.array([6, 8]), np.eye(3)[:2], np.zeros(2, dtype=int), np.array([[0, 1, 2]]))
    arrays = vars(MoleculeSet.from_molecules([one])).copy()
    arrays.pop("columns")
    for number in (0, 119, 255):
        np.savez(tmp_path / "a.npz", **arrays | {"atomic_numbers": np.array([6, number], dtype=np.uint8)})
        with pytest.raises(UserError, match="atomic numbers must be from 1 to 118"):
            MoleculeSet.load(tmp_path / "a.npz")


def test_a_reference_that_unpacks_to_gigabytes(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "LARGEST", 10_000)
    packed = np.frombuffer(lzma.compress(b"C " * 10_000), dtype=np.uint8)
    np.savez(
        tmp_path / "a.reference.npz", **dict.fromkeys(("about", "smiles", "edm_smiles", "codes", "counts"), packed)
    )
    with pytest.raises(UserError, match="not a reference"):
        reference.Reference.load(tmp_path / "a.reference.npz")


def test_a_network_is_not_made_far_larger_than_its_weights():
    weights = {"a": torch.zeros(10)}
    with no_larger(weights, "too large"):
        torch.nn.Linear(900, 900)  # within what a file need not hold
    with pytest.raises(UserError, match="too large"), no_larger(weights, "too large"):
        torch.nn.Linear(1100, 1100)
    torch.nn.Linear(1100, 1100)


def test_a_member_is_read_from_memory_too():
    """The helper above makes what numpy reads."""
    good = member(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", np.arange(3, dtype="<f4").tobytes())
    assert np.load(io.BytesIO(good)).tolist() == [0, 1, 2]
