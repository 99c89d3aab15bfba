"""How far a restoration is."""

from collections.abc import Callable

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.state import State

Progress = Callable[[int, int], None]
"""(steps done, steps in all)."""


class Ticks:
    """Counts steps, and tells of each."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def __call__(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)

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
