"""Every run in an empty folder, on sixty molecules or three small heads that were prepared once."""

import pytest
from small import scan_words, words, write_heads, write_sixty

from scidiff.cli.main import main
from scidiff.volumes.learning import bank


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """The prepared set."""
    return write_sixty(tmp_path_factory.mktemp("data") / "sixty.npz")


@pytest.fixture(scope="session")
def heads(tmp_path_factory):
    """Three heads, and beside them what is prepared of them."""
    return write_heads(tmp_path_factory.mktemp("scans") / "heads")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Examples are prepared in this process: to start others takes seconds."""
    monkeypatch.setattr(bank, "workers", lambda count, space: 1)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Where nothing of the checkout lies."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def train(source):
    """Train through the command line: changes as keywords, dots in their names as double underscores."""

    def run(out="run", network="transformer", more=(), **changes):
        dotted = {key.replace("__", "."): value for key, value in changes.items()}
        return main(["train", *words(source, network, out=out, **dotted), *more])

    return run


@pytest.fixture
def train_scans(heads):
    """The same on the heads."""

    def run(out="run", network="unet3d", more=(), **changes):
        dotted = {key.replace("__", "."): value for key, value in changes.items()}
        return main(["train", *scan_words(heads, heads.parent / "bank", network, out=out, **dotted), *more])

    return run
