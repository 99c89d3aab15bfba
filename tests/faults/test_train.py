"""scidiff train, when the disk, the memory, the numbers or the user end it: the last good checkpoint is there."""

import os
import signal

import pytest
import torch

from scidiff.cli import fit
from scidiff.cli.main import main
from scidiff.store import atomic
from scidiff.store.errors import UserError
from scidiff.training.callbacks import StopOnNaN
from scidiff.training.checkpoints import WholeCheckpoints
from tests.small import break_off


def step(path="run/checkpoints/last.ckpt"):
    return torch.load(path, weights_only=True)["global_step"]


def told(capsys):
    """The one sentence or two that remain of all that was said."""
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_a_full_disk_leaves_the_last_checkpoint(train, elsewhere, full_disk, capsys):
    """It is full when the second checkpoint is due; once there is room the run goes on from the first."""
    assert train("trainer.max_steps=6") == 0
    before = (elsewhere / "run/checkpoints/last.ckpt").read_bytes()
    with full_disk(len(before) // 2):
        assert main(["train", "resume=run", "steps=12"]) == 1
    assert "File too large" in (said := told(capsys)) and "resume=run goes on from there" in said
    assert (elsewhere / "run/checkpoints/last.ckpt").read_bytes() == before
    assert [path.name for path in (elsewhere / "run/checkpoints").iterdir()] == ["last.ckpt"]
    assert main(["train", "resume=run", "steps=12"]) == 0 and step() == 12


def test_killed_while_a_checkpoint_is_written(elsewhere, monkeypatch):
    """Half of it is written, and the process is no more; the one before is there to its last byte."""
    io, path = WholeCheckpoints(), elsewhere / "last.ckpt"
    io.save_checkpoint({"global_step": 6}, path)
    child = os.fork()
    if not child:
        half = type(path).write_bytes
        monkeypatch.setattr(type(path), "write_bytes", lambda p, b: half(p, bytes(b)[:99]) and os.kill(os.getpid(), 9))
        io.save_checkpoint({"global_step": 12}, path)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert step(path) == 6
    io.save_checkpoint({"global_step": 18}, path)
    assert step(path) == 18


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "Memory ran out with batch=1."),  # after 8, 4 and 2
        (MemoryError(), "Memory ran out with batch=1."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "Memory ran out with batch=1."),
        (OSError(28, "No space left on device"), "Cannot write in run: No space left on device."),
        (UserError("Scan 3 is gone."), "Scan 3 is gone."),
    ],
    ids=["gpu memory", "memory", "processor memory", "disk", "ours"],
)
def test_what_ends_a_run_is_told_with_what_is_left(train, capsys, monkeypatch, error, said):
    """At step 9, after the checkpoint of step 6."""
    break_off(monkeypatch, 8, error)
    assert train() == 1
    assert said in (last := told(capsys)) and "resume=run goes on from there" in last
    assert step() in (6, 8), "the run's own, or the one that was kept on the way out"


def test_the_user_ends_it(train, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        break_off(patch, 8, KeyboardInterrupt())
        assert train() == 130
    assert "resume=run goes on from there" in capsys.readouterr().err
    assert main(["train", "resume=run"]) == 0 and step() == 12


def test_no_process_stays_behind(monkeypatch):
    """One that trains beside us and does not listen is ended for good."""
    context = torch.multiprocessing.get_context("fork")
    deaf = context.Process(target=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN) and signal.pause())
    polite = context.Process(target=signal.pause)
    for process in (deaf, polite):
        process.start()
    monkeypatch.setattr(fit, "GRACE", 0.3)
    fit._end_processes()
    for process in (deaf, polite):
        process.join(5)
        assert not process.is_alive()


def test_a_checkpoint_of_another_network(train, elsewhere, capsys):
    assert train("trainer.max_steps=6") == 0
    config = elsewhere / "run/config.yaml"
    config.write_text(config.read_text().replace("width: 16", "width: 32"))
    before = (elsewhere / "run/checkpoints/last.ckpt").read_bytes()
    assert main(["train", "resume=run"]) == 1
    assert "does not fit its run's configuration" in told(capsys)
    assert (elsewhere / "run/checkpoints/last.ckpt").read_bytes() == before


class Trainer:
    """What the callback asks of one."""

    def __init__(self, schedule):
        self.lr_scheduler_configs = [type("Config", (), {"scheduler": schedule})()]


def test_bad_steps_in_a_row_halve_the_rate_for_good():
    """After the second and the fourth of them; a good one does not give it back, and a checkpoint keeps it."""
    weight = torch.nn.Parameter(torch.ones(1))
    module, stop = torch.nn.ParameterList([weight]), StopOnNaN(patience=9, lower=2)
    optimizer = torch.optim.SGD([weight], lr=0.8)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    rates = []
    for slope in (1.0, torch.nan, torch.nan, torch.nan, torch.nan, 1.0, torch.nan, 1.0):
        weight.grad = torch.full((1,), slope)
        stop.on_before_optimizer_step(Trainer(schedule), module, optimizer)
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == [0.4, 0.4, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1]
    assert schedule.state_dict()["base_lrs"] == [0.2]


def test_a_figure_cut_short_by_a_kill_is_left_out(train, elsewhere):
    assert train("trainer.max_steps=6") == 0
    with (elsewhere / "run/metrics.csv").open("a") as file:
        file.write("7,0.")
    assert main(["train", "resume=run"]) == 0


def test_a_part_left_by_a_kill_is_no_hindrance(elsewhere):
    (elsewhere / ".a.1.part.txt").write_text("half")
    with atomic.whole(elsewhere / "a.txt") as path:
        path.write_text("whole")
    assert (elsewhere / "a.txt").read_text() == "whole"
