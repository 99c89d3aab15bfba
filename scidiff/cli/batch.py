"""batch=<n>, or batch=auto: as many samples as memory holds, and no more than the machine is the faster for."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from scidiff.cli.benchmark_networks import peak_memory
from scidiff.engine.state import State
from scidiff.store.errors import UserError
from scidiff.store.memory import free_memory, gigabytes
from scidiff.training.module import DiffusionModule
from scidiff.training.probe import PARAMETER, Step, largest

SHARE = 0.7  # of the free memory: sizes come in an order of their own, and pieces of memory are lost between them


def asked(value: Any) -> int | None:
    """The number that was typed, none for auto.

    Raises:
        UserError: neither.
    """
    if value == "auto":
        return None
    try:
        if isinstance(value, bool) or float(value) != int(value) or int(value) < 1:
            raise ValueError
        return int(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"batch={value}: expected a whole number of at least 1, or auto.") from error


def probed(module: DiffusionModule, batch: Callable[[int], State], device: torch.device, unit: str) -> int:
    """The batch for batch=auto, said aloud.

    Raises:
        UserError: not one sample fits.
    """
    room = SHARE * _free(device) - PARAMETER * sum(p.numel() for p in module.parameters())
    module.to(device)
    found = largest(Step(module, batch, partial(peak_memory, device=device)), room)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if found is None:
        raise UserError(f"Not one of the {unit} fits into the memory that is free. Make the network smaller.")
    print(f"batch=auto: {found.size} {unit} a step, {gigabytes(int(found.taken))} of memory; {found.why}.")
    return found.size


def _free(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return free_memory() or float("inf")
