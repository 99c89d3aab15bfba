"""A run that was stopped and resumed ends where an uninterrupted one does: same weights, same losses, bit for bit.

Batches and noise are functions of (seed, step), everything else is in the checkpoint, and a machine adds in the
same order each time: so the tolerance is none.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from small import figures, words

from scidiff.cli.main import main
from scidiff.store.model import load_model

EVERY = "callbacks.1.every_n_train_steps"


def same_model(one: Path, other: Path) -> bool:
    a, b = (load_model(folder / "model.safetensors")[0] for folder in (one, other))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def last(folder: Path) -> dict:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_resumed_run_is_the_uninterrupted_one(train, elsewhere, optimizer):
    """Stopped at step 7 of 12, its checkpoint at 5: steps 6 and 7 are made, and logged, again."""
    more, whole, halves = [f"optimizer={optimizer}"], elsewhere / "whole", elsewhere / "halves"
    assert train("whole", more=more) == 0
    assert train("halves", more=[*more, "trainer.max_steps=7", f"{EVERY}=5"]) == 0
    assert list(figures(halves)) == list(range(7)) and last(halves)["global_step"] == 5
    assert main(["train", "resume=halves"]) == 0
    assert same_model(whole, halves)
    for name in ("loss/total", "loss/positions", "loss/bonds"):
        assert figures(whole, name) == figures(halves, name) and len(figures(whole, name)) == 12


def test_kill_9_in_the_middle(train, source, elsewhere):
    """The process is killed after its first checkpoint; what it had begun beyond that is made again."""
    steps, every = 60, 10
    assert train("whole", steps=steps, more=[f"{EVERY}={every}"]) == 0
    typed = words(source, out="killed", steps=steps, **{EVERY: every})
    code = "import sys; from scidiff.cli.main import main; sys.exit(main())"
    process = subprocess.Popen([sys.executable, "-c", code, "train", *typed], stdout=subprocess.DEVNULL)
    while not (elsewhere / "killed" / "checkpoints" / "last.ckpt").exists() and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was not killed in time"
    assert last(elsewhere / "killed")["global_step"] < steps
    assert main(["train", "resume=killed"]) == 0
    assert same_model(elsewhere / "whole", elsewhere / "killed")
    assert last(elsewhere / "killed")["global_step"] == steps


def test_a_run_can_be_prolonged(train, elsewhere):
    """The plateau's rate does not depend on `steps` before its fall: 8 steps, then up to 12, are 12 steps at once."""
    assert train("whole", scheduler__fall=0.1, scheduler__warmup=2) == 0
    assert train("more", scheduler__fall=0.1, scheduler__warmup=2, steps=8, more=[f"{EVERY}=7"]) == 0
    assert main(["train", "resume=more", "steps=12"]) == 0
    assert same_model(elsewhere / "whole", elsewhere / "more")
    config = OmegaConf.load(elsewhere / "more" / "config.yaml")
    assert config.steps == config.trainer.max_steps == config.scheduler.steps == 12


def test_steps_typed_before_count_when_none_are_typed_now(train, elsewhere):
    assert train(more=["trainer.max_steps=6", f"{EVERY}=6"]) == 0
    assert main(["train", "resume=run"]) == 0
    assert list(figures(elsewhere / "run"))[-1] == 11


def test_a_checkpoint_of_a_run_that_was_written_over_is_not_resumed(train, elsewhere):
    assert train(more=[f"{EVERY}=12"]) == 0
    assert train(more=["overwrite=true", "trainer.max_steps=3", f"{EVERY}=2"]) == 0
    assert last(elsewhere / "run")["global_step"] == 2
    assert [path.name for path in (elsewhere / "run" / "checkpoints").iterdir()] == ["last.ckpt"]


def test_a_run_may_move(train, elsewhere):
    """Its later checkpoints replace the earlier one, so that the next resume starts from the newest."""
    assert train(more=["trainer.max_steps=4", f"{EVERY}=2"]) == 0
    shutil.move("run", "elsewhere")
    assert main(["train", "resume=elsewhere", "trainer.max_steps=10"]) == 0
    assert [path.name for path in (elsewhere / "elsewhere" / "checkpoints").iterdir()] == ["last.ckpt"]
    assert last(elsewhere / "elsewhere")["global_step"] == 10


@pytest.fixture
def stopped(train, elsewhere, capsys):
    """A run that stopped half way."""
    assert train(more=["trainer.max_steps=6", f"{EVERY}=6"]) == 0
    capsys.readouterr()
    return elsewhere / "run"


def test_what_cannot_be_resumed(stopped, capsys):
    files = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    refused = {
        "resume=nowhere": "There is nothing to resume in nowhere",
        "resume=run batch=16": "batch cannot change on the way",
        "resume=run network.width=32": "network.width cannot change on the way",
        "resume=run steps=6": "run has done its 6 steps. Add steps=<more>",
    }
    for typed, said in refused.items():
        assert main(["train", *typed.split()]) == 1
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert files == {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_checkpoint_is_told(stopped, capsys, share):
    path = stopped / "checkpoints" / "last.ckpt"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert main(["train", "resume=run"]) == 1
    error = capsys.readouterr().err
    assert "last.ckpt is damaged or cut short" in error and error.count("\n") == 1
