"""The times a sampler visits, from 1 down to 0. A step up adds noise again (churn, jumps), a step down denoises."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch

from scidiff.engine.schedule import Schedule, noise_ratio, time_of


class Walk(Protocol):
    """() -> times, the first 1 and the last 0."""

    def __call__(self) -> list[float]: ...


@dataclass(frozen=True)
class Uniform:
    """Steps of equal length in t."""

    steps: int = 50

    def __call__(self) -> list[float]:
        return [1 - i / self.steps for i in range(self.steps)] + [0.0]


@dataclass(frozen=True)
class LogSNR:
    """Steps of equal length in ln(sigma / alpha) from `highest` to `lowest`, then 0.

    Lu et al. 2022 (arxiv.org/abs/2211.01095). `highest` is cut to what the schedule reaches at t = 1.
    """

    schedule: Schedule
    steps: int = 50
    lowest: float = 0.002
    highest: float = 80.0

    def __call__(self) -> list[float]:
        low, high = math.log(self.lowest), math.log(_reach(self.schedule, self.highest))
        return _times(self.schedule, [math.exp(x) for x in _grid(high, low, self.steps)])


@dataclass(frozen=True)
class Karras:
    """sigma_i = (high^(1/rho) + i / (n - 1) (low^(1/rho) - high^(1/rho)))^rho, then 0.

    Karras et al. 2022 (arxiv.org/abs/2206.00364), equation 5, with sigma / alpha in sigma's place.
    """

    schedule: Schedule
    steps: int = 50
    lowest: float = 0.002
    highest: float = 80.0
    rho: float = 7.0

    def __call__(self) -> list[float]:
        low, high = self.lowest ** (1 / self.rho), _reach(self.schedule, self.highest) ** (1 / self.rho)
        return _times(self.schedule, [x**self.rho for x in _grid(high, low, self.steps)])


@dataclass(frozen=True)
class Churn:
    """Before each step, raise sigma / alpha by the factor 1 + gamma, where it lies between `lowest` and `highest`.

    Karras et al. 2022 (arxiv.org/abs/2206.00364), algorithm 2, for every part at once.
    """

    walk: Walk
    schedule: Schedule
    gamma: float = 0.4
    lowest: float = 0.0
    highest: float = math.inf

    def __call__(self) -> list[float]:
        times = self.walk()
        churned = []
        for t in times:
            churned.append(t)
            if self.gamma and 0 < t < 1 and self.lowest <= self._ratio(t) <= self.highest:
                churned.append(self._raise(t))
        return churned

    def _ratio(self, t: float) -> float:
        return float(noise_ratio(self.schedule, torch.tensor(t, dtype=torch.float64)))

    def _raise(self, t: float) -> float:
        return float(time_of(self.schedule, torch.tensor(self._ratio(t) * (1 + self.gamma), dtype=torch.float64)))


@dataclass(frozen=True)
class Jumps:
    """Every `length` steps go back up `length` steps, `repeats` - 1 times over.

    RePaint: Lugmayr et al. 2022 (arxiv.org/abs/2201.09865).
    """

    walk: Walk
    length: int = 10
    repeats: int = 10

    def __call__(self) -> list[float]:
        times = self.walk()
        path = times[:1]
        for first in range(0, len(times) - 1, self.length):
            stretch = times[first + 1 : first + 1 + self.length]
            again = [times[first], *stretch] if stretch[-1] > 0 else []
            path += stretch + again * (self.repeats - 1)
        return path


def _grid(first: float, last: float, count: int) -> list[float]:
    if count < 1:
        raise ValueError(f"a walk needs at least one step, not {count}")
    return [first + (last - first) * i / max(count - 1, 1) for i in range(count)]


def _reach(schedule: Schedule, highest: float) -> float:
    return min(highest, float(noise_ratio(schedule, torch.ones((), dtype=torch.float64))))


def _times(schedule: Schedule, ratios: list[float]) -> list[float]:
    """Times of falling sigma / alpha; the first is 1, where the prior lies, and the last 0."""
    inner = time_of(schedule, torch.tensor(ratios[1:], dtype=torch.float64)).tolist() if len(ratios) > 1 else []
    return [1.0, *inner, 0.0]
