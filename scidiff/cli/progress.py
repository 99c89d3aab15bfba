"""How far the work is, on the screen of whoever waits for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

PATIENCE = 1.0  # seconds of silence before the bar appears: short work stays quiet


class _Rate(ProgressColumn):
    """Things done a second, or seconds a thing."""

    def render(self, task: Task) -> Text:
        """The rate since the start."""
        if not task.completed or not task.elapsed:
            return Text("")
        return Text(rate(task.completed, task.elapsed, task.fields["unit"]), style="progress.data.speed")


def rate(done: float, seconds: float, unit: str) -> str:
    """A rate in plain words, as '41 molecules/s' or '3.2 s a molecule'."""
    if done >= seconds:
        return f"{done / seconds:,.3g} {unit}/s"
    return f"{seconds / max(done, 1e-9):,.3g} s per {unit.removesuffix('s')}"


@contextmanager
def progress(doing: str, total: int | None, unit: str) -> Iterator[Callable[..., None]]:
    """Yield a callback `(done, total=None, doing=None)`; silent where nobody watches (stderr is no terminal).

    Args:
        doing: the words before the bar.
        total: how many there will be; None where nobody knows.
        unit: of what, in the plural.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), _Left())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task(doing, total=total, unit=unit)
    timer = Timer(PATIENCE, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda done, total=None, doing=None: bar.update(task, completed=done, total=total, description=doing)
    finally:
        timer.cancel()
        timer.join()
        bar.stop()


class _Left(TimeRemainingColumn):
    """The time left, with the word."""

    def render(self, task: Task) -> Text:
        """As '0:00:12 left', or nothing before it is known."""
        known = super().render(task)
        return Text(f"{known.plain} left", style=known.style) if task.completed else Text("")
