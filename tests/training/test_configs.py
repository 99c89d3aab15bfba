"""Every experiment, and every choice of every group that train has, is composed, built and run for a batch."""

import lightning
import pytest
import torch
from omegaconf import OmegaConf
from small import NETWORKS, words

from scidiff.cli.config import folder, groups, read
from scidiff.cli.main import main
from scidiff.cli.train import _module, header
from scidiff.engine.noise import Noise
from scidiff.molecules.model import MoleculeModel
from scidiff.store.build import build
from scidiff.training.batches import GroupedBatches

DEFAULTS = OmegaConf.load(folder() / "train.yaml").defaults
OURS = {name for entry in DEFAULTS if not isinstance(entry, str) for name in entry}
CHOICES = [
    (group, choice)
    for group, choices in groups().items()
    for choice in choices
    if group in OURS and group not in ("experiment", "paths", "data")
]
EXPERIMENTS = groups()["experiment"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_experiment_trains(source, elsewhere, name):
    """One step as it stands, but on the small set and, where we know how, with a small network."""
    network = read("train", [f"experiment={name}"]).network._target_.rpartition(".")[2]
    small = NETWORKS["egnn" if network == "EGNN" else "transformer"]
    changes = {"data.source": source, "data.layout": "files", "steps": 1, "trainer.accelerator": "cpu", "out": "run"}
    changes |= {f"network.{key}": value for key, value in small.items()}
    assert main(["train", f"experiment={name}", *(f"{key}={value}" for key, value in changes.items())]) == 0
    assert MoleculeModel.load(elsewhere / "run" / "model.safetensors").header["training"]["steps"] == 1


@pytest.mark.parametrize(("group", "choice"), CHOICES, ids=["=".join(pair) for pair in CHOICES])
def test_each_choice_builds_and_its_loss_is_finite(source, group, choice):
    """Model, objective, optimiser and rate from the configuration; a batch forward and back; two steps of sampling."""
    network = choice if group == "network" else "transformer"
    typed = words(source, network, **({} if group == "network" else {group: choice}))
    config = OmegaConf.to_container(read("train", typed))
    data = build(config["data"])
    model = MoleculeModel.create(header(config, data))
    module = _module(config, model)
    batch = next(iter(GroupedBatches(data.groups(), 8)))
    losses = module.objective(module.denoiser, batch, Noise.of(0, torch.arange(len(batch))))
    total = torch.stack([loss.mean() for loss in losses.values()]).sum()
    total.backward()
    optimizer = module.configure_optimizers()["optimizer"]
    optimizer.step()
    assert torch.isfinite(total) and losses.keys() == {"positions", "atoms", "charges", "bonds"}
    assert all(torch.isfinite(p).all() for p in module.parameters())
    assert len(model.generate(2, steps=2)) == 2


@pytest.mark.parametrize("choice", groups()["trainer"])
def test_each_trainer_takes_its_settings(source, choice):
    """Lightning would refuse an unknown one; devices that this machine lacks are not asked for."""
    config = OmegaConf.to_container(read("train", words(source, trainer=choice)))["trainer"]
    assert config.pop("_target_") == "lightning.pytorch.Trainer" and config["max_steps"] == 12
    lightning.Trainer(
        **{**config, "accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto"}, logger=False
    )


@pytest.mark.parametrize("choice", groups()["data"])
def test_each_data_choice_builds(source, choice):
    config = read("train", [f"data={choice}", f"data.source={source}"])
    assert build(OmegaConf.to_container(config.data)).vocabulary.elements[0] == "H"
    assert config.network.atoms == len(config.data.elements), "sizes flow from the data"
