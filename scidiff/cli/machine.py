"""What a trainer's configuration asks of the machine, known before Lightning takes hold of it."""

from collections.abc import Mapping
from typing import Any

import torch


def gpus(trainer: Mapping[str, Any]) -> int:
    """How many GPUs will share a batch; none if a processor does the work."""
    if trainer.get("accelerator", "auto") not in ("gpu", "cuda", "auto") or not torch.cuda.is_available():
        return 0
    return _count(trainer.get("devices", "auto"), torch.cuda.device_count())


def processes(trainer: Mapping[str, Any]) -> int:
    """How many processes will share a batch."""
    return _count(trainer.get("devices", "auto"), max(gpus(trainer), 1)) * int(trainer.get("num_nodes", 1))


def device_of(trainer: Mapping[str, Any]) -> torch.device:
    """Where the first of them trains."""
    devices = trainer.get("devices", "auto")
    first = int(devices[0]) if isinstance(devices, list) and devices else 0
    return torch.device("cuda", first) if gpus(trainer) else torch.device("cpu")


def _count(devices: Any, there: int) -> int:
    if isinstance(devices, list):
        return len(devices)
    return int(devices) if str(devices).isdigit() else there
