"""An empty folder, a small model of molecules that was trained for a moment, and a disk that is full."""

import resource
from contextlib import contextmanager

import pytest

from scidiff.cli.main import main
from tests.small import words, write_sixty

EVERY = "callbacks.1.every_n_train_steps"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Where nothing of the checkout lies."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """The prepared set."""
    return write_sixty(tmp_path_factory.mktemp("data") / "sixty.npz")


@pytest.fixture(scope="session")
def small_model(source, tmp_path_factory):
    """A model file."""
    run = tmp_path_factory.mktemp("small") / "run"
    assert main(["train", *words(source, out=run, steps=2)]) == 0
    return run / "model.safetensors"


@pytest.fixture
def train(source):
    """Twelve steps at most, a checkpoint every six."""

    def run(*more, **changes):
        return main(["train", *words(source, **{"out": "run", EVERY: 6, **changes}), *more])

    return run


@pytest.fixture
def full_disk():
    """No file may grow beyond so many bytes while this lasts: the system's own refusal, as a full disk's."""

    @contextmanager
    def full(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return full
