"""A model of scans goes through its file: the same network, plan and units; strange files are refused."""

import pytest
import torch

from scidiff.engine.estimate import Moment
from scidiff.engine.state import State
from scidiff.store.errors import UserError
from scidiff.store.model import save_model
from scidiff.volumes.intensity import Window
from scidiff.volumes.model import VolumeModel
from scidiff.volumes.problem import context, nothing

VE = {"_target_": "scidiff.engine.schedule.VarianceExploding", "sigma_max": 10.0, "rho": 3.0}
CONFIG = {
    "network": {
        "_target_": "scidiff.volumes.networks.unet.UNet",
        "given": {"estimate": 1, "detail": 1, "mismatch": 1, "mask": 1, "noise": 1, "fraction": 1},
        "width": 8,
        "blocks": [1, 1],
    },
    "process": {"image": {"_target_": "scidiff.engine.process.Gaussian", "schedule": VE}},
    "parameterization": {
        "image": {"_target_": "scidiff.engine.parameterization.Parameterization", "row": "karras", "data": 1.0}
    },
    "sampler": {
        "_target_": "scidiff.engine.plan.Plan",
        "walk": {"_target_": "scidiff.engine.walk.Karras", "_partial_": True, "lowest": 0.02, "highest": 10.0},
        "steps": 6,
        "multistep": True,
    },
}
HEADER = {
    "domain": "volumes",
    "version": "0",
    "config": CONFIG,
    "tasks": ["denoise"],
    "difficulty": {"denoise": [-1.0, 0.5, 0.0, 0.0]},
    "spread": 0.3,
    "intensity": {"_target_": "scidiff.volumes.intensity.Window", "low": -900.0, "high": 1100.0},
}


@pytest.fixture
def model():
    """Weights that bfloat16 holds exactly."""
    torch.manual_seed(0)
    made = VolumeModel.create(HEADER)
    with torch.no_grad():
        for weight in made.network.parameters():
            weight.copy_((weight + 0.1 * torch.randn_like(weight)).bfloat16().float())
    return made


@torch.no_grad()
def answer(model: VolumeModel) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    image = torch.randn(2, 1, 6, 8, 7, generator=draw)
    state = State({"image": image}, context=context(nothing(image[:1]), 0.3))
    return model.denoiser(state, Moment(torch.tensor([0.3, 0.9])))["image"]


def test_the_file_brings_back_the_model(model, tmp_path):
    model.save(tmp_path / "brain.safetensors")
    again = VolumeModel.load(tmp_path / "brain.safetensors")
    assert torch.equal(answer(again), answer(model))
    assert again.name == "brain" and not again.network.training
    assert again.difficulty == model.difficulty and again.spread == 0.3 and again.plan.steps == model.plan.steps
    assert again.intensity == Window(-900.0, 1100.0)
    assert {key: again.header[key] for key in HEADER} == HEADER
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes()[-1000:] == (tmp_path / "brain.safetensors").read_bytes()[
        -1000:
    ]


def test_weights_are_rounded_to_bfloat16(model, tmp_path):
    """8 bits of the mantissa are kept."""
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.mul_(1.001)
    model.save(tmp_path / "brain.safetensors")
    again = VolumeModel.load(tmp_path / "brain.safetensors").network.state_dict()
    for name, value in model.network.state_dict().items():
        assert torch.allclose(again[name], value, rtol=2**-8, atol=0)


def test_a_file_is_not_written_over(model, tmp_path):
    model.save(tmp_path / "brain.safetensors")
    with pytest.raises(UserError, match="exists already"):
        model.save(tmp_path / "brain.safetensors")
    model.save(tmp_path / "brain.safetensors", overwrite=True)


@pytest.mark.parametrize("key", ["config", "difficulty", "spread", "intensity"])
def test_a_header_that_lacks_something_is_told(key):
    with pytest.raises(UserError, match=f"header is incomplete: '{key}'"):
        VolumeModel.create({name: value for name, value in HEADER.items() if name != key})


def test_a_header_that_names_what_it_may_not():
    network = {**CONFIG["network"], "_target_": "os.system"}
    with pytest.raises(UserError, match="not allowed"):
        VolumeModel.create({**HEADER, "config": {**CONFIG, "network": network}})


def test_files_that_are_no_models_of_volumes(model, tmp_path):
    tensors = {name: value.bfloat16() for name, value in model.network.state_dict().items()}
    save_model(tmp_path / "other.safetensors", tensors, {**HEADER, "domain": "molecules"})
    with pytest.raises(UserError, match="is a model of molecules, not of volumes"):
        VolumeModel.load(tmp_path / "other.safetensors")
    wider = {**CONFIG, "network": {**CONFIG["network"], "width": 16}}
    save_model(tmp_path / "wider.safetensors", tensors, {**HEADER, "config": wider})
    with pytest.raises(UserError, match="do not fit the network"):
        VolumeModel.load(tmp_path / "wider.safetensors")


def test_a_plan_of_other_steps(model):
    assert model.planned(3).steps == 3 and model.planned(3).walk == model.plan.walk and model.plan.steps == 6
