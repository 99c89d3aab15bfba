"""A model of scans too small to have learnt anything: what it says is known beforehand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log
from typing import Any

import torch
from torch import Tensor

from scidiff.engine.estimate import Estimate, Moment
from scidiff.engine.operator import Observation
from scidiff.engine.state import State
from scidiff.volumes.model import VolumeModel
from scidiff.volumes.operators.identity import Identity
from scidiff.volumes.operators.kspace import KSpace
from scidiff.volumes.operators.mask import Mask
from scidiff.volumes.operators.radon import Radon, views
from scidiff.volumes.operators.resample import Resample
from scidiff.volumes.operators.sampling import sampling
from scidiff.volumes.problem import TASKS
from scidiff.volumes.turned import turned
from tests.volumes.heads import head

UNIT = 0.1  # s of every problem
STEPS = 3
CONFIG = {
    "network": {
        "_target_": "scidiff.volumes.networks.unet.UNet",
        "given": dict.fromkeys(("estimate", "mismatch", "mask", "noise", "fraction"), 1),
        "width": 8,
        "blocks": [1, 1],
    },
    "process": {
        "image": {
            "_target_": "scidiff.engine.process.Gaussian",
            "schedule": {"_target_": "scidiff.engine.schedule.VarianceExploding", "sigma_max": 10.0, "rho": 3.0},
        }
    },
    "parameterization": {
        "image": {"_target_": "scidiff.engine.parameterization.Parameterization", "row": "karras", "data": 1.0}
    },
    "sampler": {
        "_target_": "scidiff.engine.plan.Plan",
        "walk": {"_target_": "scidiff.engine.walk.Karras", "_partial_": True, "lowest": 0.02, "highest": 10.0},
        "steps": STEPS,
        "multistep": True,
        "self_conditioning": False,
    },
}


def tiny_model(bias: float = 0.0, **header: Any) -> VolumeModel:
    """Untrained, the network's output is `bias` at every voxel: for 0 its answer is the classical one."""
    facts = {
        "format": 1,
        "domain": "volumes",
        "name": "tiny",
        "tasks": list(TASKS),
        "difficulty": {task: [log(UNIT), 0.0, 0.0, 0.0] for task in TASKS},
        "spread": 0.5,
        "intensity": {"_target_": "scidiff.volumes.intensity.Percentiles"},
        "config": CONFIG,
    }
    torch.manual_seed(0)
    model = VolumeModel.create(facts | header)
    torch.nn.init.zeros_(model.network.leave.weight)
    torch.nn.init.constant_(model.network.leave.bias, bias)
    model.network.eval()
    return model


@dataclass(frozen=True)
class Says:
    """A denoiser whose estimate of the image is a function of the state and the moment, both turned back."""

    estimate: Callable[[State, Moment], Tensor]
    processes: Any
    network: Any

    def __call__(self, state: State, moment: Moment) -> Estimate:
        axes = state.context.get("axes", (0, 1, 2))
        back = tuple(axes.index(axis) for axis in range(3))
        native = turned(lambda state, moment: Estimate({"image": self.estimate(state, moment)}))
        return native(replace(state, context={**state.context, "axes": back}), moment)


def saying(model: VolumeModel, estimate: Callable[[State, Moment], Tensor]) -> VolumeModel:
    """The model with another denoiser."""
    return replace(model, denoiser=Says(estimate, model.processes, model.network))


SHAPE = (16, 18, 16)
TRUTH = torch.from_numpy(head(SHAPE))[None, None]


def operators() -> dict[str, Any]:
    """One of each task."""
    kept = torch.ones(SHAPE, dtype=torch.bool)
    kept[5:9, 6:10, 5:9] = False
    return {
        "denoise": Identity(),
        "inpaint": Mask(kept),
        "superres": Resample((16, 18, 16), (1.0, 1.0, 2.0)),
        "mri": KSpace(sampling(SHAPE, 2, (1,), seed=0), (0, 1)),
        "ct": Radon(SHAPE[:2], views(24)),
    }


def observation(task: str, sigma: float = 0.05, seed: int = 0) -> Observation:
    """The head, measured; an inpainted one without noise."""
    operator, draw = operators()[task], torch.Generator().manual_seed(seed)
    y = operator(TRUTH)
    if task == "inpaint":
        return Observation(y, operator, 1e-3)
    noise = sigma * torch.randn(y.shape, dtype=y.dtype, generator=draw)  # a complex one has E |e|^2 = sigma^2
    return Observation(y + (operator.mask * noise if task == "mri" else noise), operator, sigma)
