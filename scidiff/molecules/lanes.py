"""Batches side by side: one thread a core, each doing a batch by itself.

The cores then wait for one another once a batch, not once a product; what each batch gives is the same to the bit.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

import torch

Item = TypeVar("Item")
Made = TypeVar("Made")


class Stopped(Exception):
    """Whoever asked for the batches has gone."""


def side_by_side(
    make: Callable[[Item, Callable[..., None]], Made], items: Iterable[Item], device: torch.device
) -> Iterator[Made]:
    """make(item, beat) of every item, in order; on the processor as many at a time as torch may use threads.

    `make` calls `beat` every so often: it raises once the iterator was left, by an error or an interrupt, say.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        yield from (make(item, _go_on) for item in items)
        return
    left = Event()

    def beat(*_: object) -> None:
        if left.is_set():
            raise Stopped

    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield from pool.map(lambda item: make(item, beat), items)
    finally:
        left.set()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # threads to come would begin with the pool's one


def _go_on(*_: object) -> None:
    """Nobody can leave while the caller itself makes the batch."""
