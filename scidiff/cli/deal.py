"""Independent pieces of work: one after another in this process, or dealt to several devices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from scidiff.store.errors import UserError

Tick = Callable[[int], None]
Make = Callable[[int, Tick, torch.device], int]
"""(item, told how much of it is done, device) -> how much it was in all."""


def device_of(accelerator: str, devices: int = 1) -> torch.device:
    """Where the work is done.

    Args:
        accelerator: cpu, or gpu.
        devices: how many.

    Raises:
        UserError: there are not as many.
    """
    if accelerator not in ("cpu", "gpu"):
        raise UserError(f"accelerator={accelerator}: there are cpu and gpu.")
    if accelerator == "gpu" and torch.cuda.device_count() < devices:
        raise UserError(
            f"devices={devices}: torch finds {torch.cuda.device_count()} GPUs here. accelerator=cpu needs none."
        )
    return torch.device("cuda" if accelerator == "gpu" else "cpu")


def deal(make: Make, items: Sequence[int], told: Tick, devices: int = 1, accelerator: str = "cpu") -> None:
    """`make` of every item; `told` hears how much is done of all.

    Args:
        make: leaves on disk what it makes; can be pickled where there is more than one device.

    Raises:
        UserError: a process was ended, or as `make`.
    """
    if min(devices, len(items)) > 1:
        from scidiff.training import shards  # Lightning takes seconds to load

        return shards.deal(make, items, devices, accelerator, told)
    done, device = 0, device_of(accelerator)
    for item in items:
        done += make(item, lambda now, before=done: told(before + now), device)
    return None


@dataclass(frozen=True)
class Spread:
    """Samples of a scan, drawn by several processes and put together in their order; see `restore`."""

    devices: int

    def __call__(self, draw: Callable[[int, Callable[[], None]], Tensor], count: int, tick: Callable[[], None]) -> list:
        """draw(k, tick) of k = 0, ..., count - 1."""
        ticked = [0]

        def told(done: int) -> None:
            for _ in range(done - ticked[0]):
                tick()
            ticked[0] = max(done, ticked[0])

        with TemporaryDirectory() as folder:
            deal(_Kept(draw, Path(folder)), range(count), told, self.devices)
            return [torch.from_numpy(np.load(Path(folder) / f"{k}.npy")) for k in range(count)]


@dataclass(frozen=True)
class _Kept:
    """A sample, drawn and written."""

    draw: Callable[[int, Callable[[], None]], Tensor]
    folder: Path

    def __call__(self, number: int, tick: Tick, _: torch.device) -> int:
        ticked = [0]

        def count() -> None:
            ticked[0] += 1
            tick(ticked[0])

        np.save(self.folder / f"{number}.npy", self.draw(number, count).numpy())
        return ticked[0]
