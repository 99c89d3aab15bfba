"""The time as a network sees it."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class TimeFeatures(nn.Module):
    """t (B,) -> (B, features): waves of 1/4 to 32 periods over [0, 1], then one layer."""

    waves: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("waves", 2 * math.pi * 2 ** torch.linspace(-2, 5, features // 2), persistent=False)
        self.layer = nn.Linear(features, features)

    def forward(self, t: Tensor) -> Tensor:
        """Features of the time (B, features)."""
        angle = t[:, None] * self.waves
        return functional.silu(self.layer(torch.cat([angle.sin(), angle.cos()], -1)))
