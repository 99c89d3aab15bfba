"""Whoever writes a model's header or a run's configuration chooses words, never what is run."""

import json
import zipfile
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import scidiff
from scidiff.cli.main import main
from scidiff.molecules.dataset import MoleculeSet
from scidiff.store.errors import UserError
from scidiff.store.model import load_model, save_model
from tests.small import words, write_sixty

MARK = {"command": "touch mark"}
EVIL = {
    "a function": {"_target_": "os.system", **MARK},
    "another name of it": {"_target_": "posix.system", **MARK},
    "eval": {"_target_": "builtins.eval", "source": "open('mark', 'w')"},
    "through an allowed module": {"_target_": "scidiff.store.atomic.os.system", **MARK},
    "through an allowed package": {"_target_": "scidiff.cli.main.os.system", **MARK},
    "a function of ours": {"_target_": "scidiff.cli.main.main", "words": ["generate", "n=1", "out=mark"]},
    "a writer of ours": {"_target_": "scidiff.molecules.files.write_xyz", "path": "mark", "molecules": []},
    "partial": {"_target_": "os.system", "_partial_": True, **MARK},
    "positional": {"_target_": "scidiff.engine.subspace.Full", "_args_": [{"_target_": "os.system", **MARK}]},
    "deep": {"_target_": "scidiff.engine.subspace.Full", "a": [{"b": {"_target_": "os.system", **MARK}}]},
    "a private name": {"_target_": "scidiff.store.build._import", "module_name": "antigravity", "target": "x"},
    "a method": {"_target_": "scidiff.store.build.build.__globals__"},
    "no text": {"_target_": ["os.system"], **MARK},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of one step."""
    folder = tmp_path_factory.mktemp("made")
    source = write_sixty(folder / "sixty.npz")
    changes = {"out": folder / "run", "steps": 3, "trainer.max_steps": 1, "callbacks.1.every_n_train_steps": 1}
    assert main(["train", *words(source, **changes)]) == 0
    return folder / "run"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Where the mark would be; it is looked for after every test."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not Path("mark").exists(), "the file ran a program"


@pytest.fixture
def run(made, elsewhere):
    """A copy of the run, to be spoilt."""
    (elsewhere / "run" / "checkpoints").mkdir(parents=True)
    for name in ("config.yaml", "checkpoints/last.ckpt"):
        (elsewhere / "run" / name).write_bytes((made / name).read_bytes())
    return elsewhere / "run"


@pytest.mark.parametrize("where", ["network", "process", "parameterization", "sampler", "vocabulary"])
@pytest.mark.parametrize("evil", EVIL)
def test_a_model_file(made, where, evil):
    tensors, header = load_model(made / "model.safetensors")
    (header if where == "vocabulary" else header["config"])[where] = EVIL[evil]
    save_model("evil.safetensors", tensors, header)
    with pytest.raises(UserError):
        scidiff.load("evil.safetensors")


@pytest.mark.parametrize(
    ("where", "evil"),
    [
        ("data", "a function of ours"),
        ("network", "eval"),
        ("objective", "a function"),
        ("optimizer", "partial"),
        ("scheduler", "through an allowed module"),
        ("callbacks.0", "a writer of ours"),
        ("trainer", "another name of it"),
    ],
)
def test_the_configuration_of_a_run(run, where, evil, capsys):
    config = OmegaConf.load(run / "config.yaml")
    OmegaConf.update(config, where, EVIL[evil], merge=False)
    OmegaConf.save(config, run / "config.yaml")
    assert main(["train", f"resume={run}"]) == 1
    assert "The configuration names" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "\nnote: ${oc.env:HOME}\n",
        "\nnote: ${oc.create:'{a: 1}'}\n",
        "\nhydra: {searchpath: ['file:///tmp'], run: {dir: '${now:%Y}'}}\n",
        "\nnote: !!python/object/apply:os.system ['touch mark']\n",
        "\nnote: &a [1, *a]\n",
        "\nnote: &a [1, 2]\nother: [*a, *a]\n",
    ],
    ids=["environment", "resolver", "hydra", "object", "itself", "laughs"],
)
def test_a_run_that_refers_beyond_itself(run, text, capsys):
    """A name of the environment would end in the model file, which is then given away."""
    with (run / "config.yaml").open("a") as file:
        file.write(text)
    assert main(["train", f"resume={run}"]) == 1
    assert "not the configuration of a run" in capsys.readouterr().err


def test_nothing_in_a_header_is_resolved(made, monkeypatch):
    monkeypatch.setenv("SECRET", "hidden")
    tensors, header = load_model(made / "model.safetensors")
    save_model("told.safetensors", tensors, header | {"name": "${oc.env:SECRET}", "note": "${SECRET}"})
    assert "hidden" not in json.dumps(dict(scidiff.load("told.safetensors").header))


def test_a_checkpoint_is_kept_in_its_run(run, elsewhere, capsys):
    """The name of a file to write comes from the configuration too."""
    config = OmegaConf.load(run / "config.yaml")
    config.callbacks[1].filename, config.callbacks[1].save_top_k = "../../outside", -1
    OmegaConf.save(config, run / "config.yaml")
    assert main(["train", f"resume={run}"]) == 1
    assert "lead out of the run's folder" in capsys.readouterr().err
    assert not list(elsewhere.rglob("*outside*"))


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "/etc/passwd", "qm9/../../secret", "a\0b", "~root"])
def test_a_model_is_a_shipped_name_or_a_model_file(name):
    with pytest.raises(UserError):
        scidiff.load(name)


def test_members_whose_names_lead_out_are_not_written(elsewhere):
    (elsewhere / "deep" / "er").mkdir(parents=True)
    good = write_sixty(elsewhere / "deep" / "er" / "sixty.npz")
    with zipfile.ZipFile(good, "a") as archive:
        for name in ("../../out.npy", "/tmp/../out.npy", "..\\..\\out.npy"):
            archive.writestr(name, b"x")
    before = sorted(elsewhere.rglob("*"))
    with pytest.raises(UserError):
        MoleculeSet.load(good)
    assert sorted(elsewhere.rglob("*")) == before


def test_tensors_are_not_made_for_a_lie(made):
    """A header that asks for a network of terabytes, beside the tensors of a small one."""
    tensors, header = load_model(made / "model.safetensors")
    for key, value in {"width": 10**6, "blocks": 10**7, "pair": 10**5}.items():
        config = header["config"] | {"network": header["config"]["network"] | {key: value}}
        save_model("large.safetensors", tensors, header | {"config": config}, overwrite=True)
        with pytest.raises(UserError):
            scidiff.load("large.safetensors")
