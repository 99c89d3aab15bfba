"""The training loss: draw a time, noise every part, weigh the error of the estimate part by part.

L = E_t sum_part weight_part w_part(t) error_part(D(x_t, t), x_0), w = 1 / c_out^2 for a parameterised part, else 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from scidiff.engine.estimate import Denoiser, Moment
from scidiff.engine.noise import Noise
from scidiff.engine.parameterization import Parameterization
from scidiff.engine.process import Gaussian, Process
from scidiff.engine.schedule import Schedule, time_of
from scidiff.engine.state import State


class Times(Protocol):
    """uniforms (B,) -> training times (B,) in (0, 1]."""

    def __call__(self, uniform: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class UniformTimes:
    """t uniform on [first, 1]."""

    first: float = 1e-3

    def __call__(self, uniform: Tensor) -> Tensor:
        return self.first + (1 - self.first) * uniform


@dataclass(frozen=True)
class LogNormalTimes:
    """ln(sigma / alpha) ~ N(mean, deviation^2). Karras et al. 2022 (arxiv.org/abs/2206.00364), table 1."""

    schedule: Schedule
    mean: float = -1.2
    deviation: float = 1.2

    def __call__(self, uniform: Tensor) -> Tensor:
        normal = math.sqrt(2) * torch.erfinv(2 * uniform - 1)
        return time_of(self.schedule, torch.exp(self.mean + self.deviation * normal)).clamp(1e-4, 1)


@dataclass(frozen=True)
class Objective:
    """(denoiser, clean state, noise) -> {part: (B,) loss}, times the context's `weight` (B,) where there is one.

    Args:
        processes: by part.
        times: the law of t.
        weights: by part; 1 where not named.
        parameterizations: the rows whose 1 / c_out^2 weighs a part; by part.
        self_conditioning: how often the denoiser is first asked without, and then with its own estimate
            (Chen, Zhang, Hinton 2022, arxiv.org/abs/2208.04202).
        blind: how often a sample is shown at t = 1 with x_1 = 0, the prior's mean, so that the estimate learnt there
            is E[x_0 | context] and needs no noise drawn. For Gaussian parts alone.

    Raises:
        ValueError: `blind` with a part that is not Gaussian, or no share.
    """

    processes: Mapping[str, Process]
    times: Times = field(default_factory=UniformTimes)
    weights: Mapping[str, float] = field(default_factory=dict)
    parameterizations: Mapping[str, Parameterization] = field(default_factory=dict)
    self_conditioning: float = 0.0
    blind: float = 0.0

    def __post_init__(self) -> None:
        if self.blind and not all(isinstance(process, Gaussian) for process in self.processes.values()):
            raise ValueError("only Gaussian parts have a mean to be blind at: set blind=0")
        if not 0 <= self.blind <= 1:
            raise ValueError(f"blind is a share of the samples, from 0 to 1, not {self.blind}")

    def __call__(self, denoiser: Denoiser, state: State, noise: Noise) -> dict[str, Tensor]:
        t = self.times(noise.per_sample())
        noisy = self.corrupt(state, t, noise)
        t, noisy = self._blind(noisy, t, noise) if self.blind else (t, noisy)
        moment = Moment(t, last=self._first_guess(denoiser, noisy, t, noise))
        estimate = denoiser(noisy, moment)
        own = state.context.get("weight", 1.0)
        return {
            part: own * self.weights.get(part, 1.0) * self._weight(part, t) * process.error(estimate[part], state, part)
            for part, process in self.processes.items()
        }

    def corrupt(self, state: State, t: Tensor, noise: Noise) -> State:
        """x_t given the clean state."""
        start = torch.zeros_like(t)
        return state.replace(**{p: k.forward(state, p, start, t, noise) for p, k in self.processes.items()})

    def _blind(self, noisy: State, t: Tensor, noise: Noise) -> tuple[Tensor, State]:
        shut = noise.per_sample() < self.blind
        parts = {part: noisy[part] * noisy.spread((~shut).float(), part) for part in self.processes}
        return torch.where(shut, 1.0, t), noisy.replace(**parts)

    def _first_guess(self, denoiser: Denoiser, noisy: State, t: Tensor, noise: Noise):
        """The whole batch at once has a first guess or none, so that those without cost nothing."""
        if not self.self_conditioning or noise.shared() >= self.self_conditioning:
            return None
        with torch.no_grad():
            return denoiser(noisy, Moment(t))

    def _weight(self, part: str, t: Tensor) -> Tensor:
        if part not in self.parameterizations:
            return torch.ones_like(t)
        _, c_out, _ = self.parameterizations[part](*self.processes[part].schedule(t))
        return 1 / c_out**2
