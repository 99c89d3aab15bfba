"""scidiff generate and scidiff demo, with a model that needs no training."""

import gzip

import pytest
from omegaconf import OmegaConf

from scidiff.cli.main import main
from scidiff.molecules import files


def test_everything_asked_for_is_written_and_summed_up(model, elsewhere, capsys):
    assert main(["generate", "n=8", "steps=3", "seed=5", "out=made/eight.sdf"]) == 0
    assert sorted(path.name for path in (elsewhere / "made").iterdir()) == [
        "eight.html",
        "eight.png",
        "eight.sdf",
        "eight.sdf.config.yaml",
    ]
    assert len(list(files.read(elsewhere / "made" / "eight.sdf"))) == 8
    assert model.asked == {"n": 8, "seed": 5, "steps": 3}
    screen = capsys.readouterr()
    assert "8 molecules in" in screen.out and "6 of 8 sanitise (75.0 %)" in screen.out
    assert "made/eight.png (all of them)" in screen.out
    assert screen.err == "", "nobody watches: no bar"


def test_the_options_reach_the_model(model):
    assert main(["generate", "n=2", "sizes=[5,5]", "batch=4", "churn=0.2", "picture=false", "out=a.sdf"]) == 0
    assert model.asked == {"n": 2, "seed": 0, "steps": 8, "sizes": [5, 5], "batch": 4, "churn": 0.2}


@pytest.mark.parametrize("name", ["a.sdf", "a.sdf.gz", "a.xyz", "a.xyz.gz"])
def test_endings(model, elsewhere, name):
    assert main(["generate", "n=2", "picture=false", f"out={name}"]) == 0
    assert len(list(files.read(elsewhere / name))) == 2
    if name.endswith(".gz"):
        assert gzip.decompress((elsewhere / name).read_bytes())


@pytest.mark.parametrize("kept", ["a.sdf", "a.png"])
def test_nothing_is_sampled_for_a_place_that_is_taken(model, elsewhere, capsys, kept):
    (elsewhere / kept).write_text("mine")
    assert main(["generate", "n=2", "out=a.sdf"]) == 1
    assert "overwrite=true" in capsys.readouterr().err
    assert model.asked == {} and (elsewhere / kept).read_text() == "mine"
    assert main(["generate", "n=2", "out=a.sdf", "overwrite=true"]) == 0


def test_nothing_is_sampled_for_a_place_that_cannot_be_written(model, elsewhere, capsys):
    (elsewhere / "file").write_text("no folder")
    assert main(["generate", "n=2", "out=file/a.sdf"]) == 1
    assert "Cannot write file/a.sdf" in capsys.readouterr().err
    assert model.asked == {}


def test_a_failure_while_sampling_leaves_nothing(model, elsewhere, monkeypatch):
    def fail(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(model), "generate", fail)
    assert main(["generate", "n=2", "out=a.sdf"]) == 130
    assert not list(elsewhere.iterdir())


def test_the_config_beside_the_output_says_what_was_done(model, elsewhere):
    assert main(["generate", "n=2", "seed=9", "picture=false"]) == 0
    config = OmegaConf.load(elsewhere / "molecules.sdf.config.yaml")
    assert (config.n, config.seed, config.model, config.steps) == (2, 9, "qm9", 8)


@pytest.mark.parametrize(("typed", "steps"), [("", 8), ("sampler=multistep", 20), ("sampler=multistep steps=3", 3)])
def test_steps_are_the_plans_own_unless_asked_for(model, capsys, typed, steps):
    """The model's own plan, or the one that was chosen instead."""
    assert main(["generate", "n=2", "picture=false", *typed.split()]) == 0
    assert model.asked["steps"] == steps
    assert f"{steps} steps, seed 0" in capsys.readouterr().out


def test_a_model_of_another_domain_is_refused(model, capsys):
    model.header["domain"] = "volumes"
    assert main(["generate", "n=2"]) == 1
    assert "qm9 is a model of volumes" in capsys.readouterr().err
