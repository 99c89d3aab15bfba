"""Training on scans through the command line: a model in seconds, resumed to the bit, errors in the user's words."""

import shutil

import pytest
import torch
from omegaconf import OmegaConf
from small import figures, scan_words

from scidiff.cli.main import main
from scidiff.store.model import load_model
from scidiff.volumes import data
from scidiff.volumes.model import VolumeModel

EVERY = "callbacks.1.every_n_train_steps"


def test_a_model_in_two_steps(train_scans, heads, elsewhere, capsys):
    """One network for all tasks; the model file carries what restoring needs, and memory was told before the work."""
    assert train_scans() == 0
    told = capsys.readouterr().out  # with Lightning's own bar, as wide as the screen
    for words in (
        "Memory needed: ",
        "16 x 16 x 16 voxels.\n",
        "3 scans of mine, 15 examples; a network of 0.",
    ):
        assert words in told
    assert told.endswith("Wrote run/model.safetensors.\n")
    model = VolumeModel.load(elsewhere / "run" / "model.safetensors")
    training = model.header["training"]
    assert model.name == "mine" and training["steps"] == 2 and training["recipe"] == "brain"
    assert sorted(model.difficulty.tasks) == sorted(model.header["tasks"]) and len(model.header["tasks"]) == 5
    assert model.header["data"]["n"] == 3 and 0.1 < model.spread < 1
    assert list(figures(elsewhere / "run", "loss/image")) == [0, 1]
    assert OmegaConf.load(elsewhere / "run" / "config.yaml").data.source == str(heads)


def test_a_resumed_run_is_the_uninterrupted_one(train_scans, elsewhere):
    """Stopped at step 5 of 6, its checkpoint at 3; patches are functions of (seed, step)."""
    more = ["data.tasks=[denoise,mri]"]
    assert train_scans("whole", steps=6, more=more) == 0
    assert train_scans("halves", steps=6, more=[*more, "trainer.max_steps=5", f"{EVERY}=3"]) == 0
    assert main(["train", "resume=halves"]) == 0
    a, b = (load_model(elsewhere / run / "model.safetensors")[0] for run in ("whole", "halves"))
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert figures(elsewhere / "whole", "loss/image") == figures(elsewhere / "halves", "loss/image")
    assert len(figures(elsewhere / "whole", "loss/image")) == 6


def test_weights_do_not_depend_on_when_examples_were_made(train_scans, elsewhere):
    """A new folder of examples, and the same one again."""
    typed = ["data.tasks=[denoise]", "data.cache=fresh", "trainer.max_steps=1", "optimizer.lr=1e-3"]
    assert train_scans("first", more=typed) == 0 and train_scans("second", more=typed) == 0
    a, b = (load_model(elsewhere / run / "model.safetensors")[0] for run in ("first", "second"))
    assert all(torch.equal(a[name], b[name]) for name in a)


def refused(capsys, said: str) -> None:
    screen = capsys.readouterr()
    assert said in screen.err and screen.err.count("\n") == 1, screen.err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("data.source=nowhere", "There is no folder nowhere of scans to train on."),
        ("data.exclude=[sub-01]", "at least 3 are needed"),
        ("data.tasks=[denose]", "Did you mean 'denoise'?"),
        ("data.patch=50", "data.patch=50: expected a multiple of 8"),
        ("data.prior=2", "data.prior=2: expected a share"),
        ("data.draws=0", "data.draws=0: expected 1 or more"),
        ("objective.blind=2", "blind is a share of the samples"),
        ("network.width=0", "width, fold and the blocks"),
        ("score_every=1", "Only molecules are scored"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_run(train_scans, elsewhere, capsys, typed, said):
    assert train_scans(more=typed.split()) == 1
    refused(capsys, said)
    assert not (elsewhere / "run").exists()


def test_where_the_scans_are_must_be_said(elsewhere, capsys):
    assert main(["train", "experiment=brain", "data=scans"]) == 1
    refused(capsys, "Training needs data.source=<folder>")


def test_more_memory_than_there_is(train_scans, elsewhere, capsys, monkeypatch):
    monkeypatch.setattr(data, "free_memory", lambda: 600_000_000)
    assert train_scans(batch=512) == 1
    refused(capsys, "and 600 MB are free: 2 MB for 15 examples")
    assert not (elsewhere / "run").exists()


def test_a_scan_that_cannot_be_read_is_named(heads, elsewhere, capsys):
    shutil.copytree(heads, "scans")
    scan = elsewhere / "scans" / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
    scan.write_bytes(scan.read_bytes()[:4000])
    assert main(["train", *scan_words("scans", "bank", out="run", **{"data.tasks": "[denoise]"})]) == 1
    refused(capsys, "sub-02_T1w.nii.gz is damaged or cut short")


def test_other_choices_of_an_experiment(train_scans, elsewhere):
    """What the recipe says of one choice does not follow it to another."""
    assert train_scans(more=["scheduler=cosine", "optimizer=muon", "data.tasks=[denoise]"]) == 0


def test_ct_has_its_own_scale(heads, elsewhere):
    """A window in HU instead of percentiles, typed as one value."""
    typed = scan_words(heads, "bank", out="run", **{"data.tasks": "[ct]", "steps": 1})
    window = "data.intensity={_target_: scidiff.volumes.intensity.Window, low: 0.0, high: 900.0}"
    assert main(["train", *typed, window]) == 0
    assert VolumeModel.load(elsewhere / "run" / "model.safetensors").intensity.high == 900


def test_a_run_may_begin_with_another_s_weights(train_scans, elsewhere, capsys):
    """Without a step they are those of the other, as its file holds them; another network is refused."""
    more = ["data.tasks=[denoise]", "optimizer.lr=0"]
    assert train_scans("first", more=["data.tasks=[denoise]"]) == 0
    assert train_scans("second", seed=1, more=[*more, "init=first/model.safetensors"]) == 0
    a, b = (load_model(elsewhere / run / "model.safetensors")[0] for run in ("first", "second"))
    assert all(torch.equal(a[name], b[name]) for name in a)
    capsys.readouterr()
    assert train_scans("third", more=[*more, "network.width=16", "init=first/model.safetensors"]) == 1
    refused(capsys, "its network is not the one that is to be trained")
