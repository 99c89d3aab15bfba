"""Windows and the whole volume give the same estimate: exactly, where margins are wide enough, and always in sum."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import Observed, noise
from volumes.heads import head

from scidiff.engine.denoiser import NetworkDenoiser
from scidiff.engine.estimate import Estimate, Moment
from scidiff.engine.guidance.multistep import Multistep
from scidiff.engine.guidance.posterior import MomentMatching
from scidiff.engine.operator import Observation
from scidiff.engine.parameterization import Parameterization
from scidiff.engine.plan import Plan
from scidiff.engine.process import Gaussian
from scidiff.engine.schedule import Cosine, VarianceExploding
from scidiff.engine.state import State
from scidiff.engine.walk import LogSNR
from scidiff.store.errors import UserError
from scidiff.volumes.networks.monai import MonaiUNet
from scidiff.volumes.networks.unet import UNet
from scidiff.volumes.operators.mask import Mask
from scidiff.volumes.windows import HELD, Windows, bytes_per_voxel, shares, window_for

MOMENT = Moment(torch.tensor([0.4]))
PROCESSES = {"image": Gaussian(VarianceExploding(10.0, 3.0))}


def denoiser(blocks=(1, 1), width=4, dtype=torch.float64) -> NetworkDenoiser:
    """Every weight moved off its first value, so that none hides as zero; F has a deviation of about 1."""
    torch.manual_seed(0)
    built = UNet({"estimate": 1, "noise": 1}, width=width, blocks=blocks)
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return NetworkDenoiser(DoubleOut(built.to(dtype)), PROCESSES, {"image": Parameterization("karras", 1.0)})


class DoubleOut(torch.nn.Module):
    """NetworkDenoiser takes the network's output to float32, which this test of exactness does without."""

    def __init__(self, inner: UNet) -> None:
        super().__init__()
        self.inner = inner
