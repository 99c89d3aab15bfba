"""Independent jobs in one process a core, each on one thread: faster than one job on all threads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import torch

Told = Callable[[int, int], None]


def spread_out(function: Callable[..., Any], jobs: Sequence[tuple], told: Told | None = None) -> list:
    """`function(*job)` of every job, in their order.

    Args:
        told: how many are done, and of how many.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found: dict[int, Any] = {}
    with ProcessPoolExecutor(min(cores, len(jobs)), get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        waiting = {pool.submit(function, *job): place for place, job in enumerate(jobs)}
        try:
            for done in as_completed(waiting):
                found[waiting[done]] = done.result()
                if told is not None:
                    told(len(found), len(jobs))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [found[place] for place in range(len(jobs))]
