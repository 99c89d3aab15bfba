"""The largest batch that memory holds, and no larger than pays.

The batch is doubled until a step takes more memory than there is room for, or until twice as many samples take twice as
long: from there on a larger batch only means fewer steps.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from scidiff.engine.state import State
from scidiff.training.module import DiffusionModule

PAYS = 1.1  # times as many samples a second, or doubling is not worth it
FIRST, MOST = 8, 1 << 16
PARAMETER = 28  # bytes: gradient, average, an optimiser's two, and the copies that undo a bad step

Trial = Callable[[int], tuple[float, float]]
"""A step of so many samples -> the bytes and the seconds it takes, or an error for want of memory."""


@dataclass(frozen=True)
class Found:
    """A batch, the bytes of its step, and why it is no larger."""

    size: int
    taken: float
    why: str


def largest(trial: Trial, room: float) -> Found | None:
    """The batch for `room` bytes; none if not one sample fits."""
    tried = _try(trial, FIRST, room)
    if tried is None:
        halves = (FIRST >> k for k in range(1, FIRST.bit_length()))
        fits = ((size, found) for size in halves if (found := _try(trial, size, room)) is not None)
        return next((Found(size, taken, "more would not fit") for size, (taken, _) in fits), None)
    size, (taken, seconds) = FIRST, tried
    while size < MOST:
        more = _try(trial, 2 * size, room) if 2 * taken <= room else None
        if more is None:
            return Found(size, taken, "more would not fit")
        if 2 * seconds < PAYS * more[1]:
            return Found(size, taken, "more would be no faster")
        size, (taken, seconds) = 2 * size, more
    return Found(size, taken, "nobody needs more")


def _try(trial: Trial, size: int, room: float) -> tuple[float, float] | None:
    """What a step takes, or nothing where it does not fit."""
    try:
        taken, seconds = trial(size)
    except (MemoryError, torch.OutOfMemoryError):
        return None
    return None if taken > room else (taken, seconds)


@dataclass(frozen=True)
class Step:
    """A trial of whole steps, short of the optimiser's: the second of two counts, and the weights stay.

    Args:
        module: on its device.
        batch: size -> a batch of samples as large as they come.
        peak: calls, and returns the bytes that took at most, once the device is done.
        clock: seconds since whenever.
    """

    module: DiffusionModule
    batch: Callable[[int], State]
    peak: Callable[[Callable[[], None]], float]
    clock: Callable[[], float] = time.perf_counter

    def __call__(self, size: int) -> tuple[float, float]:
        batch = self.batch(size).to(next(self.module.network.parameters()).device)

        def step() -> None:
            self.module.total(self.module.losses(batch, 0, self.module.denoiser)).backward()
            self.module.zero_grad(set_to_none=True)

        try:
            step()
            start = self.clock()
            return self.peak(step), self.clock() - start
        finally:
            self.module.zero_grad(set_to_none=True)
