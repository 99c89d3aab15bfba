"""`objective=distilled`, of molecules and of scans: what its model file says, and teachers that will not do."""

import pytest
import torch
from small import figures

from scidiff.cli.main import main
from scidiff.molecules.model import MoleculeModel
from scidiff.store.model import load_model, read_header, save_model
from scidiff.volumes.model import VolumeModel

FIRST = "first/model.safetensors"
FEW = ["objective=distilled", f"init={FIRST}", f"objective.teacher={FIRST}", "sampler.steps=2"]


def weights(folder):
    return load_model(folder / "model.safetensors")[0]


def test_molecules_in_two_steps(train, elsewhere):
    """The file says in how many steps, and of whom; its own weights changed, its teacher's did not."""
    assert train("first") == 0
    before = weights(elsewhere / "first")
    assert train("few", steps=4, more=FEW) == 0
    model = MoleculeModel.load(elsewhere / "few" / "model.safetensors")
    assert model.plan.steps == 2 and len(model.generate(3)) == 3
    assert model.header["distilled"] == {"from": FIRST, "steps": 2}
    assert "distilled" not in read_header(elsewhere / FIRST)
    assert any(not torch.equal(value, before[name]) for name, value in weights(elsewhere / "few").items())
    assert all(torch.equal(value, before[name]) for name, value in weights(elsewhere / "first").items())


def test_a_resumed_one_has_the_same_teacher(train, elsewhere):
    """It goes on as if it had not been stopped, though its weights are no longer those that it began with."""
    assert train("first") == 0
    assert train("whole", steps=4, more=FEW) == 0
    assert train("halves", steps=4, more=[*FEW, "trainer.max_steps=2", "callbacks.1.every_n_train_steps=2"]) == 0
    assert main(["train", "resume=halves"]) == 0
    assert figures(elsewhere / "whole") == figures(elsewhere / "halves")
    whole, halves = weights(elsewhere / "whole"), weights(elsewhere / "halves")
    assert all(torch.equal(value, halves[name]) for name, value in whole.items())


def test_scans_in_two_steps(train_scans, elsewhere):
    """By the same objective; a sampler that extrapolates is distilled as it is."""
    tasks = "data.tasks=[denoise]"
    assert train_scans("first", more=[tasks]) == 0
    assert train_scans("few", steps=2, more=[*FEW, tasks]) == 0
    model = VolumeModel.load(elsewhere / "few" / "model.safetensors")
    assert model.plan.steps == 2 and model.plan.multistep and model.header["distilled"]["from"] == FIRST


@pytest.fixture
def hostile(train, elsewhere):
    """A teacher that is spoilt: its tensors a model's, its header what a test makes of it."""
    assert train("first", steps=1) == 0

    def write(spoil) -> None:
        tensors, header = load_model(elsewhere / FIRST)
        spoil(header)
        save_model(elsewhere / FIRST, tensors, header, overwrite=True)

    return write


def refused(capsys, said: str) -> None:
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error, error


def unlike(header):
    header["config"]["process"]["atoms"]["noise"] = "uniform"


def larger(header):
    header["scale"] *= 1.1


def evil(header):
    header["config"]["process"]["atoms"] = {"_target_": "os.system", "command": "touch mark"}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(unlike, "its process is not that of"), (larger, "its scale is not that of"), (evil, "which is not allowed")],
)
def test_teachers_that_will_not_do(train, elsewhere, hostile, capsys, spoil, said):
    """Of other noise or another unit, or with a program in its header, which is not run."""
    hostile(spoil)
    capsys.readouterr()
    assert train("few", more=["objective=distilled", f"objective.teacher={FIRST}"]) == 1
    refused(capsys, said)
    assert not (elsewhere / "mark").exists() and not (elsewhere / "few").exists()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("objective.teacher=null", "Distilling needs objective.teacher=<model>"),
        ("objective.teacher={_target_: os.system, command: touch mark}", "Distilling needs objective.teacher=<model>"),
        ("objective.teacher='$(touch mark)'", "There is no model"),
        ("objective.teacher=../../nobody.safetensors", "There is no file"),
    ],
)
def test_names_that_are_no_teacher(train, elsewhere, capsys, typed, said):
    assert train("few", more=["objective=distilled", typed]) == 1
    refused(capsys, said)
    assert not (elsewhere / "mark").exists()
