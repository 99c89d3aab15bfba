"""How far a restoration is, and in whose hands its samples are."""

from collections.abc import Callable

from torch import Tensor

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.state import State

Progress = Callable[[int, int], None]
"""(steps done, steps in all)."""

Tick = Callable[[], None]
"""Called after each step."""

Spread = Callable[[Callable[[int, Tick | None], Tensor], int, Tick | None], list[Tensor]]
"""(draw, K, tick) -> draw(k, tick) of k = 0, ..., K - 1."""


class Ticks:
    """Counts steps, and tells of each."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def __call__(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)

    def again(self, done: int, total: int) -> None:
        """What was begun is begun anew, in so many steps."""
        self.done, self.total = done, total

    def finish(self) -> None:
        """All is done, though a check may have needed less than was thought."""
        if self.progress is not None and self.done != self.total:
            self.progress(self.total, self.total)


def ticking(denoiser: Denoiser, tick: Callable[[], None]) -> Denoiser:
    """The same denoiser, each call followed by a tick."""

    def told(state: State, moment: Moment) -> Estimate:
        answer = denoiser(state, moment)
        tick()
        return answer

    return told


def one_by_one(draw: Callable[[int, Tick | None], Tensor], count: int, tick: Tick | None) -> list[Tensor]:
    """All samples in this process."""
    return [draw(k, tick) for k in range(count)]
