"""Learning rates as factors of the peak, functions of the step."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cosine:
    """A linear warm-up, then cos^2 down to zero at `steps`. Loshchilov, Hutter 2016 (arxiv.org/abs/1608.03983)."""

    steps: int
    warmup: int = 300

    def __call__(self, step: int) -> float:
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

    def __call__(self, step: int) -> float:
        left = (self.steps - step) / max(self.fall * self.steps, 1)
        return min(1.0, (step + 1) / max(self.warmup, 1), max(left, 0.0))
