"""How fast a run was: steps, samples a second, peak memory, and its share of what the machine can multiply.

    share = floating-point operations of a step x steps a second / those of a large matrix product a second

The clock counts all pieces of a run that was resumed, and ends it when its time is up.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.flop_counter import FlopCounterMode

from scidiff.engine.state import State
from scidiff.store.errors import UserError
from scidiff.training.module import DiffusionModule

LOOKED_AT = 4  # batches whose operations are counted: they differ in size, and in whether there is a first guess
TOGETHER = 10  # steps after which several processes agree on the time
TIMES = ("days", "hours", "minutes", "seconds")
WORTH = 20.0  # seconds: of a shorter run the share of the peak is not worth measuring

Peak = Callable[[torch.device, torch.dtype], float]
"""Operations a second of a large matrix product."""


class Speed(Callback):
    """The clock of a run, and its figures at the end.

    Args:
        peak: measures the machine.
        keep: is given the figures when the run ends, by itself, by its time or by the user.
        part, unit: what else is counted, as the entries of part `bonds`, called pairs.
        limit: seconds after which the run ends; none is no limit.
        clock: seconds since whenever.
    """

    def __init__(
        self,
        peak: Peak,
        keep: Callable[[Mapping[str, Any]], None],
        part: str,
        unit: str,
        limit: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.peak, self.keep, self.part, self.unit, self.limit, self.clock = peak, keep, part, unit, limit, clock
        self.counts = {"steps": 0, "samples": 0, unit: 0}
        self.before, self.agreed, self.device = 0.0, 0.0, torch.device("cpu")
        self.began: float | None = None
        self.last: deque[State] = deque(maxlen=LOOKED_AT)

    @property
    def seconds(self) -> float:
        """Spent training so far."""
        return self.before + (0.0 if self.began is None else self.clock() - self.began)

    def share_of_time(self) -> float:
        """That the run has had so far, alike in all processes; 0 where there is no limit."""
        return min(self.agreed / self.limit, 1.0) if self.limit else 0.0

    def state_dict(self) -> dict[str, Any]:
        """The clock and the counts."""
        return {"seconds": self.seconds, **self.counts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.before = self.agreed = state_dict["seconds"]
        self.counts = {name: state_dict[name] for name in self.counts}

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the clock."""
        self.began, self.device = self.clock(), module.device
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: State, batch_idx: int
    ) -> None:
        """Count, look at the clock, and end the run when its time is up."""
        self.last.append(batch)
        world = trainer.world_size  # shares of a batch differ by one sample at most
        more = {"steps": 1, "samples": world * len(batch), self.unit: world * batch[self.part].numel()}
        self.counts = {name: n + more[name] for name, n in self.counts.items()}
        if world == 1:
            self.agreed = self.seconds
        elif self.counts["steps"] % TOGETHER == 0:
            self.agreed = trainer.strategy.broadcast(self.seconds)
        if self.limit is not None and self.agreed >= self.limit:
            trainer.should_stop = True

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Keep the figures."""
        self._end(trainer, module)

    def on_exception(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Keep them also when the user has ended the run."""
        if isinstance(exception, KeyboardInterrupt):
            self._end(trainer, module)

    def _end(self, trainer: lightning.Trainer, module: Any) -> None:
        self.before, self.began = self.seconds, None
        if trainer.is_global_zero and self.counts["steps"]:
            self.keep(self.figures() | self.share(module, trainer.world_size))

    def figures(self) -> dict[str, Any]:
        """What is known at any time; in seconds and bytes."""
        rates = {f"{name}_per_second": n / max(self.seconds, 1e-9) for name, n in self.counts.items()}
        where = {"device": name_of(self.device), "peak_memory": peak_memory(self.device)}
        return {**where, "steps": self.counts["steps"], "seconds": self.seconds, **rates}

    def share(self, module: DiffusionModule, processes: int = 1) -> dict[str, Any]:
        """Operations a second of network and loss, those of the machine, and their ratio; nothing of a short run."""
        if self.seconds < WORTH:
            return {}
        done = [operations(module, batch, step) for step, batch in enumerate(self.last)]
        precision = module.denoiser.precision or torch.float32
        speed = processes * sum(done) / len(done) * self.counts["steps"] / self.seconds
        peak = processes * self.peak(self.device, precision)
        named = {"precision": str(precision).removeprefix("torch.")}
        return named | {"flop_per_second": speed, "peak_flop_per_second": peak, "share_of_peak": speed / peak}


def operations(module: DiffusionModule, batch: State, step: int) -> float:
    """Floating-point operations of one step's network and loss, there and back, by a copy that leaves no trace."""
    denoiser = replace(module.denoiser, network=deepcopy(module.network))
    with FlopCounterMode(display=False) as counter, torch.compiler.set_stance("force_eager"):
        module.total(module.losses(batch, step, denoiser)).backward()
    return counter.get_total_flops()


def seconds_of(limit: Any) -> float | None:
    """Of trainer.max_time: days:hours:minutes:seconds, or a mapping of such numbers; none is no limit.

    Raises:
        UserError: anything else.
    """
    if limit is None:
        return None
    try:
        named = limit if isinstance(limit, Mapping) else dict(zip(TIMES, map(int, str(limit).split(":")), strict=True))
        return timedelta(**named).total_seconds()
    except (ValueError, TypeError, OverflowError) as error:
        wanted = "days:hours:minutes:seconds, such as 00:00:25:00 for 25 minutes"
        raise UserError(f"trainer.max_time={limit}: expected {wanted}.") from error


def peak_memory(device: torch.device) -> int | None:
    """Bytes at most: of the device since the run began; of the whole process where there is no device."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ModuleNotFoundError:  # a system that does not tell
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def name_of(device: torch.device) -> str:
    """The machine's name for a device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' * (threads != 1)}"
