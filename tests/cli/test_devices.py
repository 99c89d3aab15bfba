"""Many processes make what one does: the same molecules, the same volumes, to the bit."""

import gc
import itertools
import multiprocessing
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import scidiff.cli.generate
import scidiff.cli.pieces
import scidiff.molecules.model
from scidiff.cli.deal import Spread, deal, device_of
from scidiff.cli.main import main
from scidiff.cli.pieces import Pieces
from scidiff.molecules.molecule import Molecule
from scidiff.store.errors import UserError
from scidiff.training import shards
from scidiff.volumes import files
from scidiff.volumes.volume import Volume
from tests.small import words, write_sixty
from tests.volumes.heads import head
from tests.volumes.tiny import tiny_model

GENERATE = ["model=run/model.safetensors", "n=250", "steps=2", "seed=3", "picture=false", "report=false"]
RESTORE = ["model=tiny.safetensors", "input=scan.nii.gz", "task=superres", "factor=2", "samples=3", "report=false"]


@pytest.fixture
def small_model(elsewhere, monkeypatch):
    """A model of molecules, and eight of them a piece."""
    for room in (scidiff.cli.generate, scidiff.cli.pieces, scidiff.molecules.model):
        monkeypatch.setattr(room, "WINDOW", 8)
    write_sixty(elsewhere / "sixty.npz")
    assert main(["train", *words(elsewhere / "sixty.npz", out="run", steps=2)]) == 0


@contextmanager
def _killing(*_):
    """Whoever watches kills a process as soon as there is a piece to lose."""

    def told(_: int) -> None:
        pieces, workers = [*Path("two.sdf.unfinished").glob("0*.npz")], multiprocessing.active_children()
        if pieces and workers:
            os.kill(workers[0].pid, signal.SIGKILL)

    yield told


@pytest.mark.usefixtures("small_model")
def test_molecules_of_two_processes_one_of_which_is_killed(monkeypatch, capsys):
    before = signal.getsignal(signal.SIGINT)
    assert main(["generate", *GENERATE, "out=one.sdf"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(scidiff.cli.generate, "progress", _killing)
        patch.setattr(shards, "GLANCE", 0.01)
        assert main(["generate", *GENERATE, "out=two.sdf", "devices=2"]) == 1
    said = capsys.readouterr().err
    assert "of 250 molecules are kept in two.sdf.unfinished" in said and "One of 2 processes was ended" in said
    assert not multiprocessing.active_children() and not Path("two.sdf").exists()
    assert signal.getsignal(signal.SIGINT) is before, "Ctrl-C works as before"
    assert main(["generate", *GENERATE, "out=two.sdf", "devices=2"]) == 0
    assert "Going on: " in capsys.readouterr().out
    assert Path("two.sdf").read_bytes() == Path("one.sdf").read_bytes()


def test_samples_of_a_scan():
    tiny_model().save("tiny.safetensors")
    files.write(Volume(900 * head((16, 18, 16)), np.eye(4)), "scan.nii.gz")
    for devices in (1, 2):
        assert main(["reconstruct", *RESTORE, f"out={devices}/o.nii.gz", f"devices={devices}"]) == 0
    one, two = (sorted(path for path in Path(name).iterdir() if "yaml" not in path.name) for name in "12")
    assert [path.name for path in one] == [path.name for path in two] and "o.sd.nii.gz" in [path.name for path in one]
    for a, b in zip(one, two, strict=True):
        assert a.suffix == ".json" or a.read_bytes() == b.read_bytes(), a.name


@pytest.mark.usefixtures("small_model")
def test_two_machines_share_a_seed():
    """Parts that begin where a piece does, one after another, are the file that one run would have made."""
    settings = [each for each in GENERATE if not each.startswith("n=")]
    for name, n, first in (("a", 16, 0), ("b", 34, 16), ("whole", 50, 0)):
        assert main(["generate", *settings, f"n={n}", f"first={first}", f"out={name}.sdf"]) == 0
    assert b"".join(Path(name).read_bytes() for name in ("a.sdf", "b.sdf")) == Path("whole.sdf").read_bytes()


def test_a_piece_of_molecules_in_memory_however_many_there_are(model, monkeypatch):
    """Counted when a piece is kept, and again and again while the file is written and summed up."""
    for room in (scidiff.cli.generate, scidiff.cli.pieces):
        monkeypatch.setattr(room, "WINDOW", 8)
    held, keep, sanitises = [], Pieces._keep, scidiff.cli.generate.sanitises

    def count(_: object = None) -> bool:
        held.append(sum(type(each) is Molecule for each in gc.get_objects()))
        return True

    def now_and_then(molecule: Molecule, asked=itertools.count()) -> bool:  # noqa: B008
        return (next(asked) % 15 == 0 and count()) or sanitises(molecule)

    monkeypatch.setattr(Pieces, "_keep", lambda *told: (count(), keep(*told)))
    monkeypatch.setattr(scidiff.cli.generate, "sanitises", now_and_then)
    gc.collect()
    count()
    assert main(["generate", "n=60", "picture=false", "report=false", "out=a.sdf"]) == 0
    assert len(held) == 1 + 8 + 4 and max(held) <= held[0] + 2 * 8


def test_one_device_works_here_and_counts_on():
    heard, places = [], []

    def make(item, tick, device):
        places.append((item, device, os.getpid()))
        tick(1)
        return item

    deal(make, [3, 5], heard.append)
    assert places == [(item, torch.device("cpu"), os.getpid()) for item in (3, 5)] and heard == [1, 4]


def test_samples_are_put_together_in_their_order():
    ticks = []

    def draw(number, tick):
        tick()
        tick()
        return torch.full((1, 1, 2, 2, 2), float(number))

    found = Spread(1)(draw, 3, lambda: ticks.append(1))
    assert [float(each.mean()) for each in found] == [0, 1, 2] and len(ticks) == 6


@pytest.mark.parametrize(("accelerator", "devices"), [("tpu", 1), ("gpu", 4096)])
def test_devices_that_are_not_there(accelerator, devices):
    with pytest.raises(UserError, match="accelerator="):
        device_of(accelerator, devices)
