"""scidiff models: one list for models of molecules and of volumes, and all that one header says."""

import pytest
import torch

from scidiff.cli.main import main
from scidiff.store.model import save_model
from scidiff.volumes.model import VolumeModel
from tests.volumes.test_experts import expert

MOLECULES = {
    "domain": "molecules",
    "config": {"network": {"width": 8}},
    "vocabulary": {"elements": ["H", "C"]},
    "data": {"name": "tiny set", "n": 98395, "licence": "CC0"},
    "metrics": {"strict/valid_connected": 0.912},
    "judged": [{"sampling": {"steps": 20}, "metrics": {f"strict/{k}": k / 100 for k in range(60)}}],
}
GAINS = {"ct-60": 3.0, "mri-4": 0.64, "denoise-0.1": 1.23, "denoise-0.05": 2.0, "superres-thick-4": -0.31}
VOLUMES = {
    "domain": "volumes",
    "config": {"network": {"blocks": [2, 1, 1]}},
    "tasks": ["denoise", "superres"],
    "difficulty": {"denoise": [-1.17520551, 0.82653, 0.0]},
    "data": {"name": "brain", "n": 27, "licence": "PDDL"},
    "likeness": {"profiles": [[0.123456789] * 14] * 64, "spacing": [[1, 1.5]] * 3},
    "judged": [
        {"task": name.partition("-")[0], "setting": name, "n": 8, "psnr": 31.23456, "difference": gain}
        | {"foreground": {"psnr": 30.1, "difference": gain + 1}}
        for name, gain in GAINS.items()
    ],
}


@pytest.fixture(autouse=True)
def shelf(elsewhere, monkeypatch):
    """An empty shelf of shipped models, and room on the screen."""
    monkeypatch.setattr("scidiff.store.model.SHIPPED", elsewhere)
    monkeypatch.setenv("COLUMNS", "200")


def put(name: str, header: dict, **changes: object) -> None:
    save_model(f"{name}.safetensors", {"a": torch.zeros(2)}, header | changes)


def lines(capsys, *words: str) -> list[str]:
    assert main(["models", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_both_domains_side_by_side(capsys):
    put("brain", VOLUMES)
    put("qm9", MOLECULES)
    text = "\n".join(lines(capsys))
    for words in (
        "restores volumes: denoise, superres",
        "makes molecules of H, C",
        "brain, 27 scans, PDDL",
        "tiny set, 98,395 molecules, CC0",
        "91.2 % sound and whole",
        "+1.2 dB over the best classical (denoise-0.1)",
        "+0.6 dB over the best classical (mri-4)",
        "0.3 dB under the best classical (superres-thick-4)",
    ):
        assert words in text
    assert "ct-60" not in text, "three are enough"


def test_other_settings_stand_in_for_those_that_were_not_judged(capsys):
    put("brain", VOLUMES, judged=[row for row in VOLUMES["judged"] if row["task"] != "denoise"])
    text = "\n".join(lines(capsys))
    assert "(ct-60)" in text and "(mri-4)" in text


@pytest.mark.parametrize("judged", [None, [], [{"setting": "mri-4", "difference": None}], "of old"])
def test_a_model_that_nobody_judged(capsys, judged):
    put("brain", VOLUMES, judged=judged)
    assert "not measured" in "\n".join(lines(capsys))


def test_a_header_that_says_little(capsys):
    save_model("bare.safetensors", {"a": torch.zeros(2)}, {"domain": "volumes", "config": {}})
    assert "makes volumes" in "\n".join(lines(capsys))


def test_all_that_a_header_says_fits_the_screen(capsys):
    put("brain", VOLUMES)
    text = lines(capsys, "model=brain")
    said = {line.split()[0]: " ".join(line.split()[1:]) for line in text if line.strip()}
    assert said["tasks"] == "denoise, superres" and said["config.network.blocks"] == "2, 1, 1"
    assert said["difficulty.denoise"] == "-1.175, 0.8265, 0"
    assert said["likeness.profiles"] == "64 rows of 14" and said["likeness.spacing"] == "3 rows of 2"
    row = "task mri, n 8, psnr 31.23, difference 0.64, foreground (psnr 30.1, difference 1.64)"
    assert said["judged.mri-4"] == row
    assert not any("{" in line or "[" in line for line in text) and len(text) < 30


def test_sixty_figures_are_counted(capsys):
    put("qm9", MOLECULES)
    assert "judged.0 sampling (steps 20), metrics (60 values)" in " ".join(
        "\n".join(lines(capsys, "model=qm9")).split()
    )


def test_models_of_single_tasks_become_one_file(elsewhere, capsys):
    for name, task in (("a", "denoise"), ("b", "mri")):
        expert(task, 0.2).save(f"{name}.safetensors")
    assert "joined.safetensors: denoise, mri" in lines(capsys, "join=[a.safetensors,b.safetensors]")[0]
    assert VolumeModel.load("joined.safetensors").name == "joined"
    assert main(["models", "join=[a.safetensors,a.safetensors]", "overwrite=true"]) == 1
    assert "Each task needs one model" in capsys.readouterr().err
    assert main(["models", "join=[a.safetensors,b.safetensors]"]) == 1
    assert "exists already" in capsys.readouterr().err
