"""Learning rates as factors of the peak, functions of the step."""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cosine:
    """A linear warm-up, then cos^2 down to zero at `steps`. Loshchilov, Hutter 2016 (arxiv.org/abs/1608.03983)."""

    steps: int
    warmup: int = 300

    def __call__(self, step: float) -> float:
        share = min(max(step - self.warmup, 0) / max(self.steps - self.warmup, 1), 1)
        return min(1.0, (step + 1) / max(self.warmup, 1)) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class Plateau:
    """A linear warm-up, the peak, then a linear fall to zero over the last `fall` of `steps`.

    A run may be prolonged from any checkpoint before the fall. Hägele et al. 2024 (arxiv.org/abs/2405.18392).
    """

    steps: int
    warmup: int = 300
    fall: float = 0.3

    def __call__(self, step: float) -> float:
        left = (self.steps - step) / max(self.fall * self.steps, 1)
        return min(1.0, (step + 1) / max(self.warmup, 1), max(left, 0.0))


@dataclass(frozen=True)
class InTime:
    """Another rate, down by the time a run must end: min(rate(k), rate(max(k, steps x share))).

    The fall is entered by steps or by the clock, whichever is further; the warm-up counts steps alone.

    Args:
        rate: step -> factor.
        steps: at which it is down.
        share: of its time that the run has had so far.
    """

    rate: Callable[[float], float]
    steps: int
    share: Callable[[], float]

    def __call__(self, step: float) -> float:
        return min(self.rate(step), self.rate(max(step, self.steps * self.share())))
