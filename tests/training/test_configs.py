"""Every experiment, and every choice of every group that train has, is composed, built and run for a batch.

A choice belongs to the domain whose parts or package its file names, and to both if it names neither.
"""

import re

import lightning
import pytest
import torch
from omegaconf import OmegaConf
from small import NETWORKS, scan_words, words

from scidiff.cli.config import folder, groups, read
from scidiff.cli.main import main
from scidiff.cli.train import _batches, _module, header
from scidiff.engine.noise import Noise
from scidiff.engine.state import State
from scidiff.molecules.model import MoleculeModel
from scidiff.store.build import build
from scidiff.volumes.model import VolumeModel
from scidiff.volumes.problem import context, nothing

DEFAULTS = OmegaConf.load(folder() / "train.yaml").defaults
OURS = {name for entry in DEFAULTS if not isinstance(entry, str) for name in entry}
MARKS = {"molecules": r"\bpositions\b|scidiff\.molecules", "volumes": r"\bimage\b|scidiff\.volumes"}
NETWORK = {"molecules": "transformer", "volumes": "unet3d"}
MODEL = {"molecules": MoleculeModel, "volumes": VolumeModel}
PARTS = {"molecules": {"positions", "atoms", "charges", "bonds"}, "volumes": {"image"}}


def domains(group: str, choice: str) -> list[str]:
    text = (folder() / group / f"{choice}.yaml").read_text()
    return [domain for domain, mark in MARKS.items() if re.search(mark, text)] or list(MARKS)


CHOICES = [
    (domain, group, choice)
    for group, choices in groups().items()
    for choice in choices
    if group in OURS and group not in ("experiment", "paths", "data")
    for domain in domains(group, choice)
]
EXPERIMENTS = {"qm9": "molecules", "brain": "volumes", "ct": "volumes", "druglike": "molecules"}


@pytest.fixture
def typed(source, heads):
    """domain -> what is typed for its smallest run."""

    def find(domain: str, network: str = "", **changes: object) -> list[str]:
        network = network or NETWORK[domain]
        if domain == "molecules":
            return words(source, network, **changes)
        return scan_words(heads, heads.parent / "bank", network, **changes)

    return find


def drawn(domain: str, model: MoleculeModel | VolumeModel) -> int:
    """Samples found finite, of two that were drawn in two steps."""
    if domain == "molecules":
        return len(model.generate(2, steps=2))
    blank = torch.zeros(2, 1, 8, 8, 8)
    state = State({"image": blank}, context=context(nothing(blank), 1.0))
    sampler = model.planned(2).sampler(model.processes, "image")
    found = sampler(model.denoiser, state, Noise.of(0, torch.arange(2)))["image"]
    return int(found.isfinite().flatten(1).all(1).sum())


def test_choices_have_their_domains():
    """The rule that sorts them finds what a reader would say."""
    assert {domain for domain, *_ in CHOICES} == set(MARKS) == set(EXPERIMENTS.values())
    found = {(group, choice): domains(group, choice) for _, group, choice in CHOICES}
    for group, choice in [("process", "image"), ("parameterization", "image"), ("objective", "restoration")]:
        assert found[group, choice] == ["volumes"]
    for group, choice in [("process", "uniform"), ("network", "egnn"), ("objective", "lognormal")]:
        assert found[group, choice] == ["molecules"]
    assert found["sampler", "restoration"] == found["optimizer", "muon"] == list(MARKS)


@pytest.mark.parametrize("name", groups()["experiment"])
def test_each_experiment_trains(source, heads, elsewhere, name):
    """One step as it stands, but on the small set and, where we know how, with a small network."""
    network = read("train", [f"experiment={name}"]).network._target_.rpartition(".")[2]
    named = {"EGNN": "egnn", "UNet": "unet3d", "MonaiUNet": "monai"}.get(network, "transformer")
    changes = {"data.source": source, "data.layout": "files", "steps": 1, "trainer.accelerator": "cpu", "out": "run"}
    changes["init"] = "null"  # first weights are those of a network of full size
    if EXPERIMENTS[name] == "volumes":
        changes |= {"data.source": heads, "data.cache": heads.parent / "bank", "data.draws": 1, "data.patch": 16}
        del changes["data.layout"]
    changes |= {f"network.{key}": value for key, value in NETWORKS[named].items()}
    assert main(["train", f"experiment={name}", *(f"{key}={value}" for key, value in changes.items())]) == 0
    model = MODEL[EXPERIMENTS[name]].load(elsewhere / "run" / "model.safetensors")
    assert model.header["training"]["steps"] == 1


@pytest.mark.parametrize(("domain", "group", "choice"), CHOICES, ids=["{1}={2} {0}".format(*each) for each in CHOICES])
def test_each_choice_builds_and_its_loss_is_finite(typed, domain, group, choice):
    """Model, objective, optimiser and rate from the configuration; a batch forward and back; two steps of sampling."""
    network, changes = (choice, {}) if group == "network" else ("", {group: choice})
    config = OmegaConf.to_container(read("train", typed(domain, network, **changes)))
    data = build(config["data"])
    model = MODEL[domain].create(header(config, data))
    if "teacher" in config["objective"]:
        model.save("teacher.safetensors")
        config["objective"]["teacher"] = "teacher.safetensors"
    module = _module(config, model)
    batch = next(iter(_batches(data, config, 0)))
    losses = module.objective(module.denoiser, batch, Noise.of(0, torch.arange(len(batch))))
    total = torch.stack([loss.mean() for loss in losses.values()]).sum()
    total.backward()
    optimizer = module.configure_optimizers()["optimizer"]
    optimizer.step()
    assert torch.isfinite(total) and losses.keys() == PARTS[domain]
    assert all(torch.isfinite(p).all() for p in module.parameters())
    assert drawn(domain, model) == 2


@pytest.mark.parametrize("choice", groups()["trainer"])
def test_each_trainer_takes_its_settings(source, choice):
    """Lightning would refuse an unknown one; devices that this machine lacks are not asked for."""
    config = OmegaConf.to_container(read("train", words(source, trainer=choice)))["trainer"]
    assert config.pop("_target_") == "lightning.pytorch.Trainer" and config["max_steps"] == 12
    lightning.Trainer(
        **{**config, "accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto"}, logger=False
    )


@pytest.mark.parametrize("choice", groups()["data"])
def test_each_data_choice_builds(source, heads, choice):
    """Composed with the experiment of scans, which needs nothing of the data, to see which domain it is."""
    config = read("train", ["experiment=brain", f"data={choice}", f"data.source={heads}"])
    if config.data._target_.startswith("scidiff.volumes"):
        assert len(build(OmegaConf.to_container(config.data)).scans) == 3
        assert config.name == config.data.name, "a model is called after its data"
        return
    config = read("train", [f"data={choice}", f"data.source={source}"])
    assert build(OmegaConf.to_container(config.data)).vocabulary.elements[0] == "H"
    assert config.network.atoms == len(config.data.elements), "sizes flow from the data"
