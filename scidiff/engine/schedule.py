"""Noise curves: x_t = alpha(t) x_0 + sigma(t) e with t in [0, 1], 0 clean, 1 noise.

For a categorical part alpha is the share of rows still clean.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Schedule(Protocol):
    """t -> (alpha, sigma), both of t's shape; sigma / alpha grows with t."""

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class LinearBeta:
    """Variance preserving with beta linear in t: alpha^2 = exp(-b0 t - (b1 - b0) t^2 / 2), sigma^2 = 1 - alpha^2.

    Ho, Jain, Abbeel 2020 (arxiv.org/abs/2006.11239), made continuous by Song et al. 2021 (arxiv.org/abs/2011.13456).
    """

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        exponent = self.beta_min * t + (self.beta_max - self.beta_min) * t * t / 2
        return torch.exp(-exponent / 2), torch.sqrt(-torch.expm1(-exponent))


@dataclass(frozen=True)
class Cosine:
    """Variance preserving, alpha = cos(pi t / 2), sigma = sin(pi t / 2).

    Nichol, Dhariwal 2021 (arxiv.org/abs/2102.09672), without their offset.
    """

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        # alpha(1) is exactly 0 here: float32 cosine would leave it slightly negative.
        return torch.cos(t * (math.pi / 2)).clamp(min=0), torch.sin(t * (math.pi / 2))


@dataclass(frozen=True)
class Polynomial:
    """Variance preserving, alpha = (1 - s) (1 - t^power) + s, sigma^2 = 1 - alpha^2, EDM's curve for molecules.

    Hoogeboom, Satorras, Vignac, Welling 2022 (arxiv.org/abs/2203.17003), with s kept at the noisy end only.
    """

    power: float = 2.0
    floor: float = 1e-4

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        alpha = 1 - (1 - self.floor) * t**self.power
        return alpha, torch.sqrt((1 - alpha) * (1 + alpha))


@dataclass(frozen=True)
class VarianceExploding:
    """alpha = 1, sigma = sigma_max t^rho: with uniform t these are the noise levels of Karras et al. 2022.

    Karras, Aittala, Aila, Laine 2022 (arxiv.org/abs/2206.00364), equation 5 with sigma_min = 0.
    """

    sigma_max: float = 80.0
    rho: float = 7.0

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(t), self.sigma_max * t**self.rho


@dataclass(frozen=True)
class RectifiedLinear:
    """The straight path, alpha = 1 - t, sigma = t. Liu, Gong, Liu 2022 (arxiv.org/abs/2209.03003)."""

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return 1 - t, t


@dataclass(frozen=True)
class Warped:
    """Another schedule's curve visited at t^power, so that parts of one state are noised at different speeds."""

    schedule: Schedule
    power: float = 1.0

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return self.schedule(t**self.power)


def noise_ratio(schedule: Schedule, t: Tensor) -> Tensor:
    """sigma / alpha, the noise of x_t / alpha: infinite where alpha is zero."""
    alpha, sigma = schedule(t)
    return sigma / alpha


def time_of(schedule: Schedule, ratio: Tensor, halvings: int = 60) -> Tensor:
    """The time at which sigma / alpha reaches `ratio`, by bisection in float64: 1 where it never does."""
    low, high = torch.zeros_like(ratio, dtype=torch.float64), torch.ones_like(ratio, dtype=torch.float64)
    for _ in range(halvings):
        middle = (low + high) / 2
        below = noise_ratio(schedule, middle) < ratio
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return high.to(ratio.dtype)
