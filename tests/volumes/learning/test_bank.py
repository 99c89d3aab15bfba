"""Examples are made once, each by itself: an interrupted preparation goes on, a changed scan counts as another."""

import hashlib
import os
import shutil

import numpy as np
import pytest
import torch
from small import write_heads
from volumes.deadly import Deadly

from scidiff.store.errors import UserError
from scidiff.volumes.intensity import Percentiles
from scidiff.volumes.learning import bank as module
from scidiff.volumes.learning.bank import CUBE, SLAB, Bank, Example, cut, is_made
from scidiff.volumes.problem import TASKS


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Two small heads."""
    return sorted(write_heads(tmp_path_factory.mktemp("scans"), 2, (20, 24, 18)).rglob("*.nii.gz"))


@pytest.fixture(scope="module")
def made(scans, tmp_path_factory):
    """Their examples, made in this process."""
    bank = Bank(tmp_path_factory.mktemp("bank"), TASKS, 1, 0, Percentiles())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "workers", lambda count, space: 1)
        return bank, bank.prepare(scans)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """To start other processes takes seconds."""
    monkeypatch.setattr(module, "workers", lambda count, space: 1)


def contents(paths) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def copied(made, folder) -> tuple[Bank, list]:
    """Where things may be broken."""
    bank, paths = made
    shutil.copytree(bank.folder, folder)
    return Bank(folder, TASKS, 1, 0, Percentiles()), [folder / path.name for path in paths]


def test_an_example_holds_a_problem_and_its_truth(made):
    """The classical answer is nearer to the truth than nothing is; it comes back from its file to the bit."""
    for path, task in zip(made[1], [*TASKS, *TASKS], strict=True):
        each = Example.load(path)
        assert each.task == task and each.clean.shape == each.estimate.shape == each.mismatch.shape
        assert each.clean.dtype == each.estimate.dtype == np.float16 and each.mask.dtype == bool
        assert each.error < 0.6 * float(np.sqrt(np.mean(each.clean.astype(np.float32) ** 2)))
        assert (each.mask.shape == each.clean.shape) == (task == "inpaint")
        each.save(path.parent / "again.npz", "x")
        again = Example.load(path.parent / "again.npz")
        assert all(np.array_equal(value, vars(again)[key]) for key, value in vars(each).items())
        (path.parent / "again.npz").unlink()


def test_all_that_is_there_is_not_made_again(made, scans, monkeypatch):
    bank, paths = made
    monkeypatch.setattr(Bank, "make", lambda *_: pytest.fail("made again"))
    assert bank.prepare(scans) == paths and len(set(paths)) == 2 * len(TASKS)


def test_only_what_is_missing_is_made(made, scans, tmp_path):
    """And it is what it was, to the bit: an example depends on its own name alone."""
    bank, paths = copied(made, tmp_path / "bank")
    before, told = contents(paths), []
    paths[3].unlink()
    others = {path: path.stat().st_mtime_ns for path in paths if path.exists()}
    assert bank.prepare(scans, lambda done, total: told.append((done, total))) == paths
    assert told == [(1, 1)] and contents(paths) == before
    assert others == {path: path.stat().st_mtime_ns for path in others}


def test_a_file_cut_short_is_made_again(made, scans, tmp_path):
    bank, paths = copied(made, tmp_path / "bank")
    before = contents(paths)
    paths[0].write_bytes(paths[0].read_bytes()[:500])
    bank.prepare(scans)
    assert contents(paths) == before


def test_damaged_numbers_are_told(made, tmp_path):
    """The table of contents is whole, so that it is noticed on loading only."""
    path = copied(made, tmp_path / "bank")[1][0]
    whole = bytearray(path.read_bytes())
    whole[4000:4100] = bytes(100)
    path.write_bytes(whole)
    with pytest.raises(UserError, match=f"{path.name} is damaged: delete it"):
        Example.load(path)


def test_an_interrupted_write_leaves_no_half_file(made, tmp_path, monkeypatch):
    each = Example.load(made[1][0])
    monkeypatch.setattr(module.np, "savez", _stop)
    with pytest.raises(KeyboardInterrupt):
        each.save(tmp_path / "example.npz")
    assert not list(tmp_path.iterdir())


def _stop(file, **_):
    file.write(b"half")
    raise KeyboardInterrupt


def test_the_random_numbers_of_others_are_not_touched(made, scans, tmp_path):
    """The weights of a network do not depend on whether its examples were there already."""
    bank = Bank(tmp_path, ["denoise", "mri"], 1, 0, Percentiles())
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    bank.prepare(scans[:1])
    assert torch.equal(torch.rand(3), wanted)


def test_names_tell_all_that_an_example_depends_on(made, scans):
    bank = made[0]
    others = [Bank(bank.folder, TASKS, 1, 1, Percentiles()), Bank(bank.folder, TASKS, 1, 0, Percentiles(1.0))]
    names = {bank.path(scan, task, k).name for scan in scans for task in TASKS for k in range(2)}
    names |= {other.path(scans[0], "ct", 0).name for other in others}
    assert len(names) == 4 * len(TASKS) + 2


def test_names_are_those_of_older_banks(tmp_path):
    """sha256 of name, size, seed and intensity: examples that took hours must not be made again."""
    scan = tmp_path / "sub-01_T1w.nii.gz"
    scan.write_bytes(bytes(10))
    found = Bank(tmp_path, TASKS, 1, 0, Percentiles()).path(scan, "mri", 2)
    facts = b"sub-01_T1w.nii.gz 10 0 Percentiles(low=0.5, high=99.5)"
    assert found.name == f"{hashlib.sha256(facts).hexdigest()[:16]}-mri-2.npz"


def test_an_older_bank_is_taken_as_it_is(made, scans, tmp_path, monkeypatch):
    """Its examples do not tell of which content they were made."""
    bank, paths = copied(made, tmp_path / "bank")
    for path in paths:
        np.savez(path, **vars(Example.load(path)))
    monkeypatch.setattr(Bank, "make", lambda *_: pytest.fail("made again"))
    assert bank.prepare(scans) == paths


def test_scans_of_one_name_and_size_are_told_apart(tmp_path):
    """patient_1/t1.nii and patient_2/t1.nii, unpacked: of one size, whatever they show."""
    for number in (1, 2):
        folder = tmp_path / "scans" / f"patient_{number}"
        folder.mkdir(parents=True)
        data = np.random.default_rng(number).integers(0, 99, (9, 9, 9))
        _write(folder / "t1.nii", data)
    scans = sorted((tmp_path / "scans").rglob("*.nii"))
    assert scans[0].stat().st_size == scans[1].stat().st_size
    one, other = (Example.load(p).clean for p in Bank(tmp_path, ["denoise"], 1, 0, Percentiles()).prepare(scans))
    assert not np.array_equal(one, other)


def test_a_changed_scan_is_learnt_from_anew(tmp_path):
    """Of the same name and size, as after another correction of its shading."""
    scan, bank = tmp_path / "t1.nii", Bank(tmp_path / "bank", ["denoise"], 1, 0, Percentiles())
    found = []
    for seed in (1, 2):
        _write(scan, np.random.default_rng(seed).integers(0, 99, (9, 9, 9)))
        os.utime(scan, ns=(seed, seed))
        found.append(Example.load(bank.prepare([scan])[0]).clean)
        assert is_made(bank.path(scan, "denoise", 0), scan)
    assert not np.array_equal(*found)


def _write(path, data) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(data.astype(np.float32), np.eye(4)), path)


@pytest.mark.parametrize("shape", [(130, 40, 110), (8, 9, 10)])
def test_pieces_are_cubes_or_whole_slices(shape):
    """As large as the scan allows; slices lie across a random axis, which comes first."""
    x = np.arange(np.prod(shape)).reshape(shape)
    random, first = np.random.default_rng(0), set()
    for _ in range(12):
        assert cut(x, "denoise", random).shape == tuple(min(n, CUBE) for n in shape)
        depth, *slice_ = cut(x, "mri", random).shape
        first.add(tuple(slice_))
        axis = next(a for a in range(3) if tuple(np.delete(shape, a)) == tuple(slice_))
        assert depth == min(shape[axis], SLAB)
    assert len(first) == 3


def test_a_scan_that_cannot_be_read_is_named(scans, tmp_path):
    broken = tmp_path / "sub-09_T1w.nii.gz"
    broken.write_bytes(scans[0].read_bytes()[:3000])
    with pytest.raises(UserError, match=r"sub-09_T1w.nii.gz is damaged or cut short"):
        Bank(tmp_path / "bank", ["denoise"], 1, 0, Percentiles()).prepare([scans[0], broken])
    assert len(list((tmp_path / "bank").glob("*.npz"))) == 1, "what was made stays"


def test_a_scan_of_which_nothing_can_be_made_is_named(scans, tmp_path, monkeypatch):
    monkeypatch.setitem(module.DRAW, "denoise", lambda *_: 1 / 0)
    with pytest.raises(UserError, match=r"No example of denoise can be made of .*sub-01_T1w.nii.gz: division by zero"):
        Bank(tmp_path, ["denoise"], 1, 0, Percentiles()).prepare(scans)


def test_as_many_processes_as_cores_and_memory_allow(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: range(8), raising=False)
    for free, wanted in {100e9: 8, None: 8, 4e9: 4, 0.0: 1}.items():
        monkeypatch.setattr(module, "free_memory", lambda free=free: free)
        assert module.workers(99, 1e9) == wanted and module.workers(2, 1e9) == min(wanted, 2)


def test_a_process_that_dies_is_told_by_its_scan(scans, tmp_path, monkeypatch):
    """Two die, one of them tries again, alone; what others made stays."""
    monkeypatch.setattr(module, "workers", lambda count, space: 2)
    bank = Bank(tmp_path / "bank", ["denoise"], 1, 0, Deadly(name="sub-02"))
    with pytest.raises(UserError, match=r"prepared .*sub-02_T1w.nii.gz for denoise was ended by the system"):
        bank.prepare(scans)
    assert len(list((tmp_path / "bank").glob("[!.]*.npz"))) == 1  # beside it, perhaps, what the other had begun
