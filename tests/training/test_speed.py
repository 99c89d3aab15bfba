"""The clock of a run: it counts all pieces, brings the rate down in time, ends the run, and tells how fast it was."""

import json
from functools import partial
from itertools import count

import pytest
import torch
from small import break_off, figures

from scidiff.cli import speed as cli
from scidiff.cli.main import main
from scidiff.cli.speed import duration
from scidiff.engine.state import State
from scidiff.store.errors import UserError
from scidiff.store.model import read_header
from scidiff.training import speed
from scidiff.training.rates import Cosine, InTime, Plateau
from scidiff.training.speed import Speed, seconds_of


class Trainer:
    """What the clock asks of one."""

    world_size, is_global_zero, should_stop = 1, True, False


class Module:
    """What the clock asks of one."""

    device = torch.device("cpu")


def clock(limit=None, now=None):
    """A clock whose time is `now[0]`, and what it kept."""
    kept = []
    return Speed(lambda *_: 1.0, kept.append, "x", "cells", limit, lambda: now[0]), kept


def steps(clock, trainer, now, count, each=1.0):
    for _ in range(count):
        now[0] += each
        clock.on_train_batch_end(trainer, Module, None, State({"x": torch.zeros(4, 5)}), 0)


def test_pieces_of_a_run_add_up():
    now, trainer = [100.0], Trainer()
    first, kept = clock(now=now)
    first.on_train_start(trainer, Module)
    steps(first, trainer, now, 3)
    second, _ = clock(now=now)
    second.load_state_dict(first.state_dict())
    now[0] = 500.0  # the time between counts for nothing
    second.on_train_start(trainer, Module)
    steps(second, trainer, now, 1, each=5.0)
    second.on_train_end(trainer, Module)
    found = second.figures()
    assert (found["steps"], found["seconds"]) == (4, 8.0)
    assert (found["samples_per_second"], found["cells_per_second"]) == (16 / 8, 80 / 8)
    now[0] = 900.0
    assert second.seconds == 8.0 and not kept, "it stands still"


def test_a_run_ends_in_time():
    now, trainer = [0.0], Trainer()
    watch, _ = clock(10.0, now)
    watch.on_train_start(trainer, Module)
    steps(watch, trainer, now, 9)
    assert watch.share_of_time() == 0.9 and not trainer.should_stop
    steps(watch, trainer, now, 1)
    assert trainer.should_stop


@pytest.mark.parametrize("rate", [Plateau(1000, warmup=100, fall=0.4), Cosine(1000, warmup=100)], ids=str)
def test_the_rate_is_down_by_steps_or_in_time(rate):
    """With time to spare it is the plain one; with little, the fall is where the time is, the warm-up where it was."""
    share = [0.0]
    timed = InTime(rate, 1000, lambda: share[0])
    for step in range(0, 1001, 50):
        share[0] = step / 2000
        assert timed(step) == rate(step)
    for step in range(101):  # the whole run in a hundred steps
        share[0] = step / 100
        assert timed(step) == pytest.approx(min(rate(step), rate(10 * step)))
    assert timed(100) == 0


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [(None, None), ("00:00:25:00", 1500), ("1:00:00:01", 86401), ({"minutes": 2}, 120)],
)
def test_times_are_read(typed, seconds):
    assert seconds_of(typed) == seconds


@pytest.mark.parametrize("typed", ["25", "00:25:00", "a:b:c:d", {"weeks_": 1}, 25])
def test_strange_times_are_refused(typed):
    with pytest.raises(UserError, match="such as 00:00:25:00 for 25 minutes"):
        seconds_of(typed)


@pytest.mark.parametrize(("seconds", "said"), [(7.26, "7.3 s"), (1500, "25 min 0 s"), (6121, "1 h 42 min")])
def test_times_are_said(seconds, said):
    assert duration(seconds) == said


def last(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def test_a_run_of_a_second(train, elsewhere, monkeypatch, capfd):
    """It ends in time, its rate down, with a checkpoint of its last step; it goes on when it is given more time.

    Whenever the clock is looked at, which it is about once a step, it has gone on for a twentieth of a second.
    """
    ticks = count()
    monkeypatch.setattr(speed, "WORTH", 0.0)
    monkeypatch.setattr(cli, "Speed", partial(Speed, clock=lambda: next(ticks) / 20))
    assert train(steps=100_000, scheduler__warmup=1, more=["trainer.max_time=00:00:00:01"]) == 0
    screen, said = capfd.readouterr(), json.loads((elsewhere / "run" / "speed.json").read_text())
    done = last(elsewhere / "run")
    assert 15 <= said["steps"] <= 20 and 1 <= said["seconds"] < 1.5
    assert done["global_step"] == said["steps"] == list(figures(elsewhere / "run"))[-1] + 1
    assert done["lr_schedulers"][0]["_last_lr"][0] < 3e-4, "1e-3 at first, 0 when the time is up"
    assert 0 < said["share_of_peak"] < 1 and said["pairs_per_second"] > said["samples_per_second"]
    assert f"{said['steps']:,} steps in " in screen.out and "TFLOP/s.\nWrote run/model.safetensors.\n" in screen.out
    kept = read_header(elsewhere / "run" / "model.safetensors")["training"]
    assert kept["steps"] == said["steps"] and {"device", "seconds", "samples_per_second", "peak_memory"} < set(kept)
    words = (screen.out + screen.err).lower()
    assert screen.err == "" and not any(word in words for word in ("gpu available", "litlogger", "trainer.fit", "tpu"))
    assert main(["train", "resume=run"]) == 1
    assert "run has trained for its 1.0 s, all pieces counted." in capfd.readouterr().err
    assert main(["train", "resume=run", "trainer.max_time=null", f"steps={said['steps'] + 2}"]) == 0
    assert last(elsewhere / "run")["callbacks"]["Speed"]["seconds"] > said["seconds"]
    assert list(figures(elsewhere / "run")) == list(range(said["steps"] + 2)), "nothing was lost or made again"


def test_the_figures_are_told_when_the_user_ends_the_run(train, elsewhere, capsys, monkeypatch):
    break_off(monkeypatch, 3, KeyboardInterrupt())
    assert train() == 130
    assert "3 steps in " in capsys.readouterr().out
    assert json.loads((elsewhere / "run" / "speed.json").read_text())["steps"] == 3


def test_a_wrong_time_is_told_before_any_work(train, elsewhere, capsys):
    assert train(more=["trainer.max_time=25min"]) == 1
    assert "trainer.max_time=25min: expected days:hours:minutes:seconds" in capsys.readouterr().err
    assert not (elsewhere / "run").exists()
