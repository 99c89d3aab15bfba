"""Training, and what may go wrong on the way in the user's words; the last good checkpoint outlives all of it."""

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import LambdaCallback
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from scidiff.store.errors import UserError
from scidiff.store.memory import ran_out

GRACE = 20.0  # seconds that other processes have to keep a checkpoint when the run is stopped


class OutOfMemory(UserError):
    """Memory ran out in this process; a smaller batch may do."""


def fit(
    trainer: lightning.Trainer, module: Any, batches: Any, folder: Path, checkpoint: Path | None, batch: int
) -> None:
    """Train, from a checkpoint or anew.

    Raises:
        OutOfMemory: memory is full; what Lightning keeps on its way out is the last checkpoint.
        UserError: the checkpoint is of another run, the loss stays not finite, or the disk is full.
        KeyboardInterrupt: the run was stopped; no process of it is left.
    """
    began: list[bool] = []
    trainer.callbacks.append(LambdaCallback(on_train_start=lambda *_: began.append(True)))  # type: ignore[attr-defined]
    try:
        trainer.fit(module, batches, ckpt_path=checkpoint, weights_only=True)
    except (KeyboardInterrupt, SystemExit) as error:  # Lightning leaves by sys.exit, its processes perhaps running on
        _end_processes()
        if isinstance(error, SystemExit) and not isinstance(error.__context__, KeyboardInterrupt):
            raise
        print(kept(folder), file=sys.stderr)
        raise KeyboardInterrupt from error
    except Exception as error:
        if ran_out(type(error).__name__, str(error)):
            raise OutOfMemory(f"Memory ran out with batch={batch}.") from error
        why = _why(error, folder, batch)
        if why is None and (not checkpoint or began):
            raise
        raise UserError(f"{why} {kept(folder)}" if why else _strange(checkpoint)) from error


def kept(folder: Path) -> str:
    """Where to go on from."""
    if (folder / "checkpoints" / "last.ckpt").exists():
        return f"The last good checkpoint is in {folder}; resume={folder} goes on from there."
    return "It was before the first checkpoint."


def _strange(checkpoint: Path | None) -> str:
    return f"{checkpoint} does not fit its run's configuration: it is damaged, or of another run. Train it anew."


def _why(error: Exception, folder: Path, batch: int) -> str | None:
    """What went wrong, where that is known; what one of several processes tells arrives as text."""
    name, words = type(error).__name__, str(error)
    if isinstance(error, ProcessRaisedException):
        name, _, words = words.strip().rpartition("\n")[2].partition(": ")
        name = name.rpartition(".")[2]
    if isinstance(error, ProcessExitedException):
        return "A training process was ended by the system, perhaps for want of memory."
    if name == "UserError":
        return words
    if name == "FloatingPointError":
        return f"Training stopped: {words}."
    if ran_out(name, words):
        return f"Memory ran out with batch={batch}. Try batch={max(batch // 2, 1)}, in a new run."
    if isinstance(error, OSError):
        return f"Cannot write in {folder}: {error.strerror or error}."
    return None


def _end_processes() -> None:
    """Stop what trains beside us: politely, so that it keeps a checkpoint, then for good."""
    children = multiprocessing.active_children()
    for child in children:
        if child.pid is not None:
            os.kill(child.pid, signal.SIGINT)
    until = time.monotonic() + GRACE
    for child in children:
        child.join(max(until - time.monotonic(), 0))
        child.kill()
