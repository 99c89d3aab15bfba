"""The benchmark runs and says what it should; how fast a machine is, no test can know."""

import json

import pytest

from scidiff.cli import benchmark
from scidiff.cli.config import groups
from scidiff.cli.main import main

TINY = ["batch=2", "atoms=4", "repeats=1", "n=2", "steps=2"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Small matrices: the peak is not the point."""
    monkeypatch.setattr(benchmark, "SIDE", {"cpu": 32, "cuda": 32})


def test_every_network_side_by_side(model, elsewhere, capsys, monkeypatch):
    monkeypatch.setattr(type(model), "network", property(lambda self: self), raising=False)
    monkeypatch.setattr(type(model), "to", lambda self, device: self, raising=False)
    monkeypatch.setattr(type(model), "generate", lambda self, n, **options: [None] * n)
    assert main(["benchmark", "out=speed.json", *TINY]) == 0
    figures, screen = json.loads((elsewhere / "speed.json").read_text()), capsys.readouterr().out
    for name in groups()["network"]:
        assert name in screen
        assert all(figures[f"{name}/{key}"] > 0 for key in benchmark.COLUMNS)
    assert figures["egnn/parameters"] > 5e6 and "qm9 samples" in screen
    assert figures["sampling/molecules_per_second"] > 0 and figures["peak/float32"] > 0


def test_no_model_no_sampling(elsewhere, capsys):
    assert main(["benchmark", "model=null", "networks=transformer", *TINY]) == 0
    screen = capsys.readouterr().out
    assert "samples" not in screen and "egnn" not in screen and not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("networks=[transfomer]", "Did you mean 'transformer'?"),
        ("model=nobody", "There is no model or file 'nobody'."),
        ("repeats=0", "repeats=0: expected at least 1."),
    ],
)
def test_mistakes(typed, said, capsys, elsewhere):
    assert main(["benchmark", "out=speed.json", *TINY, typed]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not list(elsewhere.iterdir())


def test_repeats_are_interleaved():
    calls = []
    jobs = {(name, "x"): (lambda name=name: calls.append(name)) for name in "ab"}
    seconds = benchmark.interleaved(jobs, 2, benchmark.torch.device("cpu"))
    assert "".join(calls) == "ababab" and all(len(found) == 2 for found in seconds.values())
