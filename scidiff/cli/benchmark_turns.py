"""How a benchmark times: in turns, so that whatever else the machine does slows all alike."""

import math
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import Any, TypeVar

import torch

from scidiff.cli.progress import progress
from scidiff.store.memory import release_freed

TURN = 0.3  # seconds
Job = TypeVar("Job")


def here() -> torch.device:
    """Where networks are measured: the GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def turn(call: Callable[[], Any], device: torch.device) -> float:
    """Seconds of one call: of those that fill a turn after the first, or of the first where it fills one by itself.

    What is short runs several times over as the steps of a sampler do, once the caches hold it. Memory is given back.
    """
    first = _clocked(call, 1, device)
    seconds = first if first > TURN else _clocked(call, math.ceil(TURN / first), device)
    release_freed()
    return seconds


def _clocked(call: Callable[[], Any], count: int, device: torch.device) -> float:
    start = perf_counter()
    for _ in range(count):
        call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (perf_counter() - start) / count


def interleaved(jobs: Mapping[Job, Callable[[], float]], repeats: int) -> dict[Job, list[float]]:
    """The seconds that every job says, `repeats` times around after one round that does not count."""
    seconds: dict[Job, list[float]] = {job: [] for job in jobs}
    with progress("Measuring", len(jobs) * (repeats + 1), "timings") as tick:
        for done, (round_, (job, take)) in enumerate(_rounds(jobs, repeats), start=1):
            took = take()
            if round_:
                seconds[job].append(took)
            tick(done)
    return seconds


def _rounds(jobs: Mapping, repeats: int) -> Iterator[tuple[int, tuple]]:
    return ((round_, item) for round_ in range(repeats + 1) for item in jobs.items())
