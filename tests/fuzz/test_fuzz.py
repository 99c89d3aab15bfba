"""A few hundred of the fuzz run's inputs, always the same; `python -m tests.fuzz` tries them by the thousand."""

import pytest

from scidiff.molecules import files
from tests.fuzz.bombs import BOMBS
from tests.fuzz.mutate import mutant
from tests.fuzz.readers import READERS
from tests.fuzz.watch import watch

SLOW = {"model file", "run to resume", "command line", "k-space", "sinogram"}
QUICK = {  # those that need no gigabytes to be packed first
    "SDF": ["3 GB in one line", "3 GB in one record", "9223372036854775808 promised"],
    "XYZ": ["3 GB in one line", "20,000 atoms", "columns beyond"],
    "own molecules, XYZ": ["charged beyond all"],
    "prepared molecules": ["a huge shape", "long words", "objects", "names that lead out"],
    "NIfTI": ["a huge shape", "3 GB of zeros", "3 GB behind a scan", "below memory, packed"],
    "DICOM": ["65,535 rows"],
    "k-space": ["a huge shape"],
    "sinogram": ["many voxels", "small voxels"],
    "k-space mask": ["a huge .npy"],
    "model file": ["width 1000000000000", "blocks 1000000", "a deep header", "a huge tensor", "scale a"],
    "run to resume": ["a billion laughs", "deep", "itself"],
}


@pytest.mark.parametrize("name", READERS)
def test_a_broken_file_is_read_or_refused(name):
    tally = watch(name, [*QUICK.get(name, []), *range(4 if name in SLOW else 35)])
    assert not tally.defects
    assert tally.refused > 0


def test_a_number_makes_the_same_input_again(tmp_path):
    seeds = READERS["SDF"].make(tmp_path)
    some = [mutant(seeds, k)[1] for k in range(40)]
    assert some == [mutant(seeds, k)[1] for k in range(40)]
    assert len({*some, *(seed.read_bytes() for seed in seeds)}) > 38, "hardly one is another again, or a good file"


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda path: 1 / 0, "ZeroDivisionError"),
        (lambda path: [bytearray(2**30), bytearray(2**30)], "MemoryError"),
        (lambda path: __import__("os")._exit(9), "the process died"),
        (lambda path: __import__("time").sleep(60), "too long"),
    ],
    ids=["another error", "memory", "crash", "hang"],
)
def test_what_the_watch_calls_a_defect(read, said, monkeypatch):
    """Two inputs, so that the watch is seen to go on."""
    monkeypatch.setattr("tests.fuzz.watch.PATIENCE", 0.3 if said == "too long" else 60.0)
    monkeypatch.setitem(READERS, "bad", type(READERS["SDF"])(READERS["SDF"].make, read))
    tally = watch("bad", [0, 1])
    assert len(tally.defects) == 2 and all(said in told for told in tally.defects.values())


def test_bombs_are_of_readers_that_there_are():
    assert set(BOMBS) <= set(READERS) and set(QUICK) <= set(BOMBS)
    assert all(set(names) <= set(BOMBS[reader]) for reader, names in QUICK.items())
    assert set(files.READERS) >= {".sdf", ".xyz"}
