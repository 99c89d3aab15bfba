"""batch=auto finds what fits and pays, by a fake machine; a run that outgrows its memory goes on with less."""

import re

import pytest
import torch
from omegaconf import OmegaConf
from small import figures, words

from scidiff.cli import batch
from scidiff.cli.config import read
from scidiff.cli.main import main
from scidiff.cli.train import _batches, _module, header
from scidiff.molecules.model import MoleculeModel
from scidiff.store.build import build
from scidiff.training.module import DiffusionModule
from scidiff.training.probe import MOST, Step, largest


def machine(each=1.0, fixed=0.0, limit=float("inf"), lanes=float("inf"), error=torch.OutOfMemoryError):
    """A machine of so many bytes a sample, with a limit, on which up to `lanes` samples take no longer than one."""
    tried = []

    def trial(size):
        tried.append(size)
        if fixed + each * size > limit:
            raise error("out of memory")
        return fixed + each * size, max(size / lanes, 1.0)

    return trial, tried


@pytest.mark.parametrize(
    ("room", "size"), [(1000, 512), (1024, 1024), (16, 16), (15, 8), (7, 4), (1, 1)], ids=lambda value: str(value)
)
def test_it_is_doubled_while_it_fits(room, size):
    trial, tried = machine()
    assert largest(trial, room).size == size
    assert max(tried) <= max(room, 8), "what cannot fit is not tried"


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_it_goes_back_when_memory_runs_out(error):
    """The room was thought larger than it is."""
    trial, tried = machine(limit=100, error=error)
    found = largest(trial, 1e9)
    assert (found.size, found.why) == (64, "more would not fit") and tried[-1] == 128


def test_nothing_fits():
    assert largest(machine(each=50)[0], 40) is None
    assert largest(machine(limit=0.5)[0], 40) is None


def test_it_stops_where_more_is_no_faster():
    found = largest(machine(lanes=100)[0], 1e9)
    assert (found.size, found.why) == (128, "more would be no faster")


def test_it_ends():
    assert largest(machine()[0], float("inf")).size == MOST


def test_a_trial_leaves_no_trace_even_when_it_fails(source):
    """Neither in the weights nor in gradients."""
    config = OmegaConf.to_container(read("train", words(source)))
    data = build(config["data"])
    model = MoleculeModel.create(header(config, data))
    module, batches = _module(config, model), _batches(data, config, 0)
    before = [p.clone() for p in module.parameters()]

    def peak(call):
        call()
        raise torch.OutOfMemoryError("after the second of two")

    with pytest.raises(torch.OutOfMemoryError):
        Step(module, batches.hardest, peak)(4)
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, module.parameters(), strict=True))


def test_auto_is_said_and_kept(train, elsewhere, capsys, monkeypatch):
    """What was found stands in the configuration, so that a resumed run has it too."""
    monkeypatch.setattr(batch, "largest", lambda trial, room: trial(2) and largest(machine()[0], 20))
    assert train(batch="auto", steps=1) == 0
    assert "batch=auto: 16 molecules a step, 0.0 GB of memory; more would not fit." in capsys.readouterr().out
    assert OmegaConf.load(elsewhere / "run" / "config.yaml").batch == 16


def test_auto_for_scans(train_scans, elsewhere, capsys, monkeypatch):
    monkeypatch.setattr(batch, "largest", lambda trial, room: trial(2) and largest(machine()[0], 2))
    assert train_scans(batch="auto", steps=1, more=["data.tasks=[denoise]"]) == 0
    assert "batch=auto: 2 patches a step" in capsys.readouterr().out


def test_nothing_fits_is_told(train, elsewhere, capsys, monkeypatch):
    monkeypatch.setattr(batch, "_free", lambda device: 0.0)
    assert train(batch="auto") == 1
    assert "Not one of the molecules fits into the memory that is free." in capsys.readouterr().err
    assert not (elsewhere / "run").exists()


@pytest.mark.parametrize("typed", ["0", "-3", "2.5", "many", "true", "null"])
def test_strange_batches_are_refused(train, elsewhere, capsys, typed):
    assert train(batch=typed) == 1
    assert "expected a whole number of at least 1, or auto." in capsys.readouterr().err
    assert not (elsewhere / "run").exists()


def test_several_devices_are_not_asked(train, capsys):
    assert train(batch="auto", more=["trainer.devices=2"]) == 1
    assert "with several, type batch=<number>" in capsys.readouterr().err


@pytest.fixture
def small_memory(monkeypatch):
    """A machine on which a step of more than so many samples fails from the fourth step on."""
    good = DiffusionModule.training_step

    def limit(most):
        def step(module, state, *args):
            if module.global_step >= 3 and len(state) > most:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return good(module, state, *args)

        monkeypatch.setattr(DiffusionModule, "training_step", step)

    return limit


def test_a_run_goes_on_with_a_smaller_batch(train, elsewhere, capsys, small_memory):
    """From where it was, with nothing made again; a later resume has the smaller batch too."""
    small_memory(3)
    assert train(batch=12, steps=8) == 0
    said = capsys.readouterr().out
    assert "Memory ran out with batch=12: going on from step 3 with batch=6." in said
    assert re.search(r"Memory ran out with batch=6: going on from step [3-7] with batch=3\.", said)
    assert list(figures(elsewhere / "run")) == list(range(8)), "no step was lost or made again"
    assert OmegaConf.load(elsewhere / "run" / "config.yaml").batch == 3
    assert main(["train", "resume=run", "steps=10"]) == 0


def test_where_not_even_one_fits(train, elsewhere, capsys, small_memory):
    small_memory(0)
    assert train(batch=2, steps=8) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "Memory ran out with batch=1." in error and "resume=run goes on from there" in error
