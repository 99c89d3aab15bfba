"""A run of scidiff reconstruct that gives its answer, and one that is refused."""

import json
from pathlib import Path

import nibabel
import pytest

from tests.cli.reconstruct.scans import command, fill


@pytest.fixture(scope="package")
def room(tmp_path_factory):
    """Models, scans, k-space, a sinogram, and files that will not do; written once."""
    room = tmp_path_factory.mktemp("scans")
    fill(room)
    return room


@pytest.fixture
def restore(room, capsys):
    """Run, and give the answer, the facts and what was printed."""

    def run(*words: str, model: str = "tiny"):
        assert command(room, *words, model=model) == 0, capsys.readouterr().err
        facts = json.loads(Path("restored.json").read_text())
        return nibabel.load("restored.nii.gz"), facts, capsys.readouterr().out

    return run


@pytest.fixture
def refuse(room, capsys):
    """What is said of a run that must fail and leave nothing."""

    def run(*words: str, model: str = "tiny") -> str:
        before = sorted(Path.cwd().rglob("*"))
        assert command(room, *words, model=model) == 1
        assert sorted(Path.cwd().rglob("*")) == before
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "unexpected" not in said
        return said

    return run
