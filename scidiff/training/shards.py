"""Items dealt to processes by Lightning's predict, each process with its own device or its share of the cores.

    item k is made by process k mod the number of them

What an item becomes, `make` leaves on disk; only how far each process is comes back. No item knows of another, so many
processes make what one does.
"""

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException
from torch.utils.data import DataLoader

from scidiff.store import memory
from scidiff.store.errors import UserError

Tick = Callable[[int], None]
"""Told how much of an item is done."""

Make = Callable[[int, Tick, torch.device], int]
"""(item, tick, device) -> how much it was in all."""

PATIENCE = timedelta(days=30)  # that a process waits for the slowest one
GRACE = 5.0  # seconds that a process has to clean up when all are stopped
GLANCE = 0.5  # seconds between two looks at how far they are

warnings.filterwarnings("ignore", module="lightning")  # here: each process imports this, and is to be quiet
for _name in ("lightning.pytorch", "lightning.fabric", "torch.multiprocessing.spawn"):
    logging.getLogger(_name).setLevel(logging.ERROR)


def deal(make: Make, items: Sequence[int], devices: int, accelerator: str, told: Tick) -> None:
    """`make` of every item, in new processes.

    Args:
        make: can be pickled.
        devices: how many processes at most; on a processor each has its share of the threads.
        accelerator: cpu, or gpu: one for each process.
        told: how much is done in all processes together, every so often.

    Raises:
        UserError: there are no such devices, a process was ended, or as `make`.
        KeyboardInterrupt: the run was stopped; no process of it is left.
    """
    devices, before = min(devices, len(items)), signal.getsignal(signal.SIGINT)
    done = torch.zeros(devices, dtype=torch.int64).share_memory_()
    worker = _Worker(pickle.dumps(make), items, done, max(torch.get_num_threads() // devices, 1))
    trainer = _trainer(devices, accelerator)
    try:
        with _watched(done, told):
            trainer.predict(worker, return_predictions=False)
    except (KeyboardInterrupt, SystemExit) as error:  # Lightning leaves by sys.exit
        raise KeyboardInterrupt from error
    except ProcessExitedException as error:
        words = "was ended by the system, perhaps for want of memory. The same command goes on with what is missing"
        raise UserError(f"One of {devices} processes {words}; fewer devices need less.") from error
    except ProcessRaisedException as error:
        raise _as_raised(error) from error
    finally:
        _end(trainer.strategy.launcher.procs)
        if before is not None and signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)  # Lightning has set it to be ignored


class _Worker(lightning.LightningModule):
    """What a process does."""

    def __init__(self, make: bytes, items: Sequence[int], done: Tensor, threads: int) -> None:
        super().__init__()
        self.packed, self.items, self.done, self.threads = make, items, done, threads

    def on_predict_start(self) -> None:
        """Threads and memory are shared with the others."""
        if not (parent := multiprocessing.parent_process()) or not parent.is_alive():
            sys.exit(1)  # it was killed while this one was starting
        signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
        torch.set_num_threads(self.threads)
        memory.share(self.trainer.world_size)
        self.make = pickle.loads(self.packed)

    def predict_dataloader(self) -> DataLoader:
        """Every so many-th item."""
        return DataLoader(self.items[self.global_rank :: self.trainer.world_size], batch_size=None)  # type: ignore

    def predict_step(self, item: int, _: int) -> None:
        """Make one."""
        before = int(self.done[self.global_rank])

        def tick(now: int) -> None:
            self.done[self.global_rank] = before + now

        tick(self.make(item, tick, self.trainer.strategy.root_device))


def _trainer(devices: int, accelerator: str) -> lightning.Trainer:
    """New processes, not copies of this one: a copy would wait for threads that were not copied."""
    strategy = DDPStrategy(
        start_method="spawn", process_group_backend="gloo", timeout=PATIENCE, cluster_environment=LightningEnvironment()
    )
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    try:
        return lightning.Trainer(
            accelerator=accelerator,
            devices=devices,
            strategy=strategy,
            use_distributed_sampler=False,
            enable_model_summary=False,
            **quiet,
        )
    except MisconfigurationException as error:
        raise UserError(f"This machine cannot share the work so: {str(error).strip().rstrip('.!')}.") from error


@contextmanager
def _watched(done: Tensor, told: Tick) -> Iterator[None]:
    """Tell how far all are, from time to time and at the end."""
    left = Event()

    def watch() -> None:
        while not left.wait(GLANCE):
            told(int(done.sum()))

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()
        told(int(done.sum()))


def _as_raised(error: ProcessRaisedException) -> Exception:
    """What a process raised arrives as the text of its traceback."""
    name, _, words = str(error).strip().rpartition("\n")[2].partition(": ")
    kind = name.rpartition(".")[2]
    return UserError(words) if kind == "UserError" else RuntimeError(f"{kind}: {words}")


def _end(processes: Sequence[Any]) -> None:
    """Stop those that still work: politely, so that they leave nothing half-written, then for good."""
    for process in processes:
        if process.is_alive():
            os.kill(process.pid, signal.SIGINT)
    for process in processes:
        process.join(GRACE)
        process.kill()
