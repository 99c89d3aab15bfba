"""No file that scidiff reads can bring a program along: a pickle is refused wherever it stands, and never opened."""

import ast
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

import scidiff
from scidiff.cli.resume import checkpoint_of
from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.evaluate.reference import Reference
from scidiff.store.errors import UserError
from scidiff.volumes.learning.bank import Example
from scidiff.volumes.measured import read_kspace, read_sinogram
from scidiff.volumes.measured.sampled import read_mask

SOURCES = sorted(Path(scidiff.__file__).parent.rglob("*.py"))
PIPES = {"crew.py", "pool.py", "shards.py", "worker.py"}  # between our own processes, never from a file
OPENERS = {"joblib", "dill", "cloudpickle", "shelve", "marshal"}


class Evil:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("mark"),)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Where the mark would be; it is looked for after every test."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not Path("mark").exists(), "the file ran a program"


def test_the_pickle_is_a_working_one(elsewhere):
    pickle.loads(pickle.dumps(Evil()))
    assert Path("mark").exists()
    Path("mark").unlink()


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_source_opens_pickles(path):
    for call in calls(path):
        name, said = ast.unparse(call.func), {k.arg: ast.unparse(k.value) for k in call.keywords}
        assert name != "torch.load" or said.get("weights_only") == "True"
        assert said.get("allow_pickle", "False") == "False"
        assert not name.startswith(("pickle.load", "pickle.Unpickler")) or path.name in PIPES
        assert name not in ("yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval", "exec")
    imported = {a.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Import) for a in n.names}
    assert not imported & OPENERS


@pytest.mark.parametrize(
    "write", [lambda path: torch.save(Evil(), path), lambda p: p.write_bytes(pickle.dumps(Evil()))]
)
def test_in_place_of_a_model(write, elsewhere):
    write(elsewhere / "model.safetensors")
    with pytest.raises(UserError, match="not a scidiff model file"):
        scidiff.load("model.safetensors")


READERS = {
    "prepared molecules": MoleculeSet.load,
    "reference": Reference.load,
    "k-space": read_kspace,
    "sinogram": read_sinogram,
    "mask": lambda path: read_mask(path, None),
    "example": Example.load,
}
NAMES = ("atomic_numbers", "offsets", "about", "kspace", "mask", "sinogram", "angles", "clean", "scan")


@pytest.mark.parametrize("name", READERS)
def test_in_an_array(name, elsewhere):
    np.savez("evil.npz", **{key: np.array([Evil()], dtype=object) for key in NAMES})
    with pytest.raises(UserError):
        READERS[name](Path("evil.npz"))


def test_in_an_npy(elsewhere):
    np.save("evil.npy", np.array([Evil()], dtype=object))
    with pytest.raises(UserError, match="plain numbers"):
        read_mask("evil.npy", None)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_in_a_checkpoint(legacy, elsewhere):
    (elsewhere / "checkpoints").mkdir()
    Path("config.yaml").touch()
    content = {"global_step": 3, "state_dict": {"a": Evil()}}
    torch.save(content, "checkpoints/last.ckpt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match="damaged"):
        checkpoint_of(".")
