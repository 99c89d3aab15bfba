"""Every run in an empty folder, on sixty molecules that were prepared once."""

import pytest
from small import words, write_sixty

from scidiff.cli.main import main


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """The prepared set."""
    return write_sixty(tmp_path_factory.mktemp("data") / "sixty.npz")


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
