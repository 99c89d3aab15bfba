"""scidiff generate, interrupted: nothing half-written, and the same command goes on to the same molecules."""

import os
import signal
import subprocess
import sys

import pytest

import scidiff.cli.generate
import scidiff.cli.pieces
import scidiff.molecules.model
from scidiff.cli.main import main
from scidiff.molecules import files
from scidiff.molecules.model import MoleculeModel

WINDOW = 8
ROOMS = (scidiff.cli.generate, scidiff.cli.pieces, scidiff.molecules.model)
TYPED = ["n=27", "steps=2", "seed=3", "picture=false", "report=false"]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Eight molecules a piece."""
    for room in ROOMS:
        monkeypatch.setattr(room, "WINDOW", WINDOW)


@pytest.fixture
def generate(small_model):
    """Twenty-seven molecules, in four pieces."""

    def run(out, *more):
        return main(["generate", f"model={small_model}", f"out={out}", *TYPED, *more])

    return run


@pytest.fixture
def stops(monkeypatch):
    """Ctrl-C in the third piece, once."""
    make, asked = MoleculeModel.generate, []

    def stop(model, n, *args, **options):
        asked.append(n)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return make(model, n, *args, **options)

    monkeypatch.setattr(MoleculeModel, "generate", stop)
    return asked


@pytest.mark.parametrize("ending", ["sdf", "xyz", "sdf.gz"])
def test_interrupted_by_hand(generate, stops, elsewhere, capsys, ending):
    assert generate(f"a.{ending}") == 130
    assert "16 of 27 molecules are kept in a" in capsys.readouterr().err
    assert sorted(path.name for path in elsewhere.iterdir()) == [f"a.{ending}.unfinished"]
    assert generate(f"a.{ending}") == 0
    assert "Going on: 16 of 27 molecules are there" in capsys.readouterr().out
    assert stops == [8, 8, 8, 8, 3], "only what was missing is made"
    assert generate(f"b.{ending}") == 0
    assert (elsewhere / f"a.{ending}").read_bytes() == (elsewhere / f"b.{ending}").read_bytes()
    assert not list(elsewhere.glob("*.unfinished"))
    assert len(list(files.read(elsewhere / f"a.{ending}"))) == 27


def test_sizes_of_ones_own_are_cut_as_the_pieces_are(generate, stops, elsewhere):
    sizes = [4 + k % 3 for k in range(27)]
    typed = f"sizes={sizes}".replace(" ", "")
    assert generate("a.xyz", typed) == 130 and generate("a.xyz", typed) == 0
    assert [len(molecule) for molecule in files.read(elsewhere / "a.xyz")] == sizes


KILLED = """
import os, signal, sys
import scidiff.cli.generate, scidiff.cli.pieces, scidiff.molecules.model
from scidiff.cli.main import main
for room in (scidiff.cli.generate, scidiff.cli.pieces, scidiff.molecules.model):
    room.WINDOW = 8
keep, kept = scidiff.cli.pieces.np.savez, []
def savez(file, **arrays):
    if len(kept) == 2:
        file.write_bytes(b"half of it")
        os.kill(os.getpid(), signal.SIGKILL)
    kept.append(file)
    keep(file, **arrays)
scidiff.cli.pieces.np.savez = savez
main(sys.argv[1:])
"""


def test_killed_while_a_piece_is_written(generate, small_model, elsewhere):
    typed = ["generate", f"model={small_model}", "out=a.sdf", *TYPED]
    done = subprocess.run([sys.executable, "-c", KILLED, *typed], env={**os.environ}, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (elsewhere / "a.sdf").exists()
    assert len(list((elsewhere / "a.sdf.unfinished").glob("0*.npz"))) == 2
    assert generate("a.sdf") == 0 and generate("b.sdf") == 0
    assert (elsewhere / "a.sdf").read_bytes() == (elsewhere / "b.sdf").read_bytes()


def test_other_settings_are_not_mixed_in(generate, stops, elsewhere, capsys):
    assert generate("a.sdf") == 130
    capsys.readouterr()
    assert generate("a.sdf", "seed=4") == 1
    assert "begun with another seed" in capsys.readouterr().err
    assert generate("a.sdf", "seed=4", "overwrite=true") == 0 and generate("b.sdf", "seed=4") == 0
    assert (elsewhere / "a.sdf").read_bytes() == (elsewhere / "b.sdf").read_bytes()


def test_a_piece_that_is_damaged_is_told(generate, stops, elsewhere, capsys):
    assert generate("a.sdf") == 130
    (elsewhere / "a.sdf.unfinished" / "0000000000.npz").write_bytes(b"damaged")
    assert generate("a.sdf") == 1
    assert "0000000000.npz is damaged: delete it" in capsys.readouterr().err
    assert not (elsewhere / "a.sdf").exists()


@pytest.mark.parametrize("size", [200, 4000], ids=["in a piece", "in the file"])
def test_a_full_disk(generate, elsewhere, full_disk, capsys, size):
    """The pieces that were whole are still there when there is room again."""
    with full_disk(size):
        assert generate("a.sdf") == 1
    error = capsys.readouterr().err
    assert "Cannot write" in error and "unexpected" not in error
    assert not (elsewhere / "a.sdf").exists() and not list(elsewhere.rglob("*.part*"))
    assert generate("a.sdf") == 0 and generate("b.sdf") == 0
    assert (elsewhere / "a.sdf").read_bytes() == (elsewhere / "b.sdf").read_bytes()
