"""scidiff evaluate and scidiff models."""

import json

import torch

from scidiff.cli.main import main
from scidiff.molecules import files
from scidiff.store.model import save_model

QUICK = ["protocols=[strict,edm]", "reference=null", "processes=0"]


def test_figures_sidecar_and_screen(elsewhere, sound_and_unsound, capsys):
    files.write_sdf("made.sdf", sound_and_unsound)
    with (elsewhere / "made.sdf").open("a") as text:
        text.write("spoilt\n\n\nnonsense\n$$$$\n")
    assert main(["evaluate", "input=made.sdf", "out=judged.json", *QUICK]) == 0
    metrics = json.loads((elsewhere / "judged.json").read_text())
    assert metrics["n"] == 3 and metrics["n_unreadable"] == 1
    assert abs(metrics["strict/valid_connected"] - 1 / 3) < 1e-9
    assert "spoilt" in (elsewhere / "made.sdf.skipped.csv").read_text()
    assert (elsewhere / "judged.json.config.yaml").exists()
    screen = capsys.readouterr().out
    assert "1 of 3 records could not be read" in screen and "judged.json" in screen


def test_a_taken_place_is_found_before_the_reading(elsewhere, capsys):
    (elsewhere / "metrics.json").write_text("mine")
    assert main(["evaluate", "input=none.sdf", *QUICK]) == 1
    assert "metrics.json exists already" in capsys.readouterr().err


def test_an_empty_list_of_protocols_asks_for_nothing(capsys):
    assert main(["evaluate", "input=none.sdf", "protocols=[]"]) == 1
    assert "asks for nothing" in capsys.readouterr().err


def test_models_lists_what_is_shipped(elsewhere, capsys, monkeypatch):
    monkeypatch.setattr("scidiff.store.model.SHIPPED", elsewhere)
    assert main(["models"]) == 0
    assert "No models are shipped" in capsys.readouterr().out
    header = {
        "domain": "molecules",
        "config": {"network": {"width": 8}},
        "data": {"name": "qm9", "licence": "CC0"},
        "metrics": {"strict/valid_connected": 0.912},
    }
    save_model("tiny.safetensors", {"a": torch.zeros(2)}, header)
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    assert all(word in listed for word in ("tiny", "molecules", "qm9, CC0", "91.2 % sound and whole"))
    assert main(["models", "model=tiny"]) == 0
    told = capsys.readouterr().out
    assert "config.network.width" in told and "data.licence" in told
