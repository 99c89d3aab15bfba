"""One process reads, another watches: what takes too long, too much memory, or the process down, is a defect as well.

The memory that the reading process may address is limited to what it takes before the first input, and SPARE more.
"""

import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from scidiff.store.errors import UserError
from tests.fuzz.bombs import BOMBS
from tests.fuzz.mutate import mutant
from tests.fuzz.readers import READERS

PATIENCE = 10.0  # seconds an input may take
SPARE = 2**30  # bytes of memory that reading may take
_START = 300.0  # seconds to make good files and bombs

Input = int | str  # the number of a mutant, or the name of a bomb


@dataclass
class Tally:
    """What became of the inputs: how many were read and refused, the defects, and the seconds of the slowest."""

    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    defects: dict[Input, str] = field(default_factory=dict)

    def note(self, which: Input, told: str, seconds: float) -> None:
        """One more."""
        self.slowest = max(self.slowest, seconds)
        if told in ("read", "refused"):
            setattr(self, told, getattr(self, told) + 1)
        else:
            self.defects[which] = told

    def kinds(self) -> Counter:
        """How often each defect, whatever the input."""
        return Counter(self.defects.values())


def watch(name: str, inputs: Sequence[Input]) -> Tally:
    """Try inputs on one reader."""
    tally, left = Tally(), list(inputs)
    with tempfile.TemporaryDirectory() as folder:
        good = Path(folder) / "good"
        good.mkdir()
        with _child(_make, name, good) as (_, heard):
            seeds = heard(_START)
        while left:
            with _child(_work, name, good, seeds, left) as (process, heard):
                while left and heard(_START) == "go":
                    begun = perf_counter()
                    if (told := heard(PATIENCE)) is None:
                        break
                    tally.note(left.pop(0), told, perf_counter() - begun)
            if left:
                killed = process.exitcode == -signal.SIGKILL
                told = "took too long" if killed else f"the process died ({process.exitcode})"
                tally.note(left.pop(0), told, PATIENCE * killed)
    return tally


class _child:
    """A process of its own, and what it tells: None once it is silent for too long or has ended."""

    def __init__(self, target: Callable, *args: object) -> None:
        context = multiprocessing.get_context("fork")
        self.ours, theirs = context.Pipe()
        self.process = context.Process(target=_silenced, args=(target, *args, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def __enter__(self) -> tuple[Any, Callable[[float], Any]]:
        return self.process, self._hear

    def _hear(self, patience: float) -> Any:
        try:
            return self.ours.recv() if self.ours.poll(patience) else None
        except EOFError:
            return None

    def __exit__(self, *error: object) -> None:
        self.process.join(0.5)
        self.process.kill()
        self.process.join()
        self.ours.close()


def _silenced(target: Callable, *args: object) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    torch.set_num_threads(1)  # the parent's threads were not forked: whoever waits for them waits for ever
    target(*args)


def _make(name: str, good: Path, tell: Connection) -> None:
    tell.send([path.relative_to(good) for path in READERS[name].make(good)])


def _work(name: str, good: Path, seeds: Sequence[Path], inputs: Sequence[Input], tell: Connection) -> None:
    warnings.simplefilter("ignore")
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + SPARE, resource.RLIM_INFINITY))
    place = good.with_name("place")
    for each in inputs:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(good, place)
        path = _placed(name, place, seeds, each)
        tell.send("go")
        tell.send(_outcome(READERS[name].read, path))


def _placed(name: str, place: Path, seeds: Sequence[Path], each: Input) -> Path:
    """Where the broken file lies, in place of a good one."""
    if isinstance(each, str):
        return BOMBS[name][each]([place / seed for seed in seeds])
    path, content = mutant([place / seed for seed in seeds], each)
    path.write_bytes(content)
    return path


def _outcome(read: Callable[[Path], object], path: Path) -> str:
    try:
        read(path)
        return "read"
    except UserError:
        return "refused"
    except BaseException as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "/scidiff/" in f.filename] or [None]
        where = f" in {Path(frames[-1].filename).name}:{frames[-1].name}" if frames[-1] else ""
        return f"{type(error).__name__}{where}: {str(error)[:80]}"
