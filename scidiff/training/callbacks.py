"""What happens beside the steps: the model file kept up to date, samples drawn and scored, the rate shown."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, WeightAveraging
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from scidiff.engine.state import State
from scidiff.training.undo import Undo

log = logging.getLogger(__name__)
RESIDENT = 0.25  # of a GPU's free memory that data may take


class WithAveragedWeights(Callback):
    """A callback that acts every `every` steps, and at the end, on the averaged weights where they are averaged."""

    def __init__(self, every: int) -> None:
        self.every = every

    def act(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """To be overridden: `module` holds the averaged weights while this runs."""
        raise NotImplementedError

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: State, batch_idx: int
    ) -> None:
        """Act when it is time."""
        if trainer.global_step % self.every == 0 and trainer.is_global_zero:
            self._act_averaged(trainer, module)

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Act at the end, in the process that trained."""
        if trainer.is_global_zero:
            self._act_averaged(trainer, module)

    def _act_averaged(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        average = next((c._average_model for c in trainer.callbacks if isinstance(c, WeightAveraging)), None)
        if average is None:
            return self.act(trainer, module)
        kept = {name: value.clone() for name, value in module.state_dict().items()}
        module.load_state_dict(average.module.state_dict())
        try:
            self.act(trainer, module)
        finally:
            module.load_state_dict(kept)


class KeepModelFile(WithAveragedWeights):
    """Write the model file every `every` steps, so that an interrupted run leaves a usable model.

    Args:
        save: writes it, given facts of the run.
    """

    def __init__(self, save: Callable[[Mapping[str, Any]], None], every: int = 2000) -> None:
        super().__init__(every)
        self.save = save

    def act(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write it."""
        self.save({"steps": trainer.global_step})


class SampleAndScore(WithAveragedWeights):
    """Draw samples and log their score every `every` steps.

    Args:
        score: draws, judges, and returns figures by name.
    """

    def __init__(self, score: Callable[[], Mapping[str, float]], every: int = 5000) -> None:
        super().__init__(every)
        self.score = score

    def act(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Score with the network at rest; its mode is put back."""
        training = module.training
        module.eval()
        figures = self.score()
        module.train(training)
        if trainer.logger is not None:
            trainer.logger.log_metrics({f"sample/{k}": float(v) for k, v in figures.items()}, trainer.global_step)


class MovingAverage(WeightAveraging):
    """Exponential moving average of the weights, of short memory at first: decay_k = min(decay, (1 + k) / (10 + k)).

    Args:
        decay: how much of the average stays at each step.
    """

    def __init__(self, decay: float = 0.999) -> None:
        super().__init__()
        self.decay, self.count = decay, 0

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: State, batch_idx: int
    ) -> None:
        """As Lightning's, which asks the device at every step how many there were before."""
        if trainer.global_step == self._latest_update_step:
            return
        average: Any = self._average_model
        models = (average.module, module)
        mean, new = ([value.detach() for value in chain(m.parameters(), m.buffers())] for m in models)
        decay = min(self.decay, (1 + self.count) / (10 + self.count)) if self.count else 0.0
        torch._foreach_lerp_(mean, new, 1 - decay)
        average.n_averaged += 1
        self.count, self._latest_update_step = self.count + 1, trainer.global_step

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on counting."""
        super().on_load_checkpoint(trainer, pl_module, checkpoint)
        self.count = int(self._average_model.n_averaged) if self._average_model is not None else 0


class ShowRate(Callback):
    """Log samples a second since the last log."""

    def __init__(self) -> None:
        self.seen, self.since = 0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: State, batch_idx: int
    ) -> None:
        """Count, and log with the trainer's own interval."""
        self.seen += len(batch) * trainer.world_size
        if trainer.global_step % trainer.log_every_n_steps == 0:
            now = time.perf_counter()
            module.log("samples_per_second", self.seen / (now - self.since), batch_size=1)
            self.seen, self.since = 0, now


class KeepOnDevice(Callback):
    """Move the data to the GPU once, where it takes a small part of its memory: no step copies any then.

    Args:
        batches: the stream that is trained on.
    """

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def on_fit_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """In the process that trains, before its first batch."""
        if module.device.type == "cuda":
            self.batches.move(module.device, RESIDENT * torch.cuda.mem_get_info(module.device)[0])


class KeepLast(Checkpoint):
    """Write the checkpoint of a run that ends before its last step, as when its time is up: `resume` loses nothing.

    Args:
        path: of the checkpoint.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: State, batch_idx: int
    ) -> None:
        """The log counts the optimiser's steps: Lightning's own count goes wrong after one that was cut short."""
        trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: State, batch_idx: int
    ) -> None:
        """After all other callbacks: Lightning calls those that write checkpoints last."""
        if trainer.should_stop:
            trainer.save_checkpoint(self.path)
            for each in trainer.checkpoint_callbacks:  # or one would be written once weights are averages, and over it
                each._last_checkpoint_saved = self.path  # type: ignore[attr-defined]


class StopOnNaN(Callback):
    """Skip a step whose gradient is not finite, halve the learning rate after a few in a row, then stop, with advice.

    A processor is asked at every step; a GPU counts by itself, and is asked when losses are logged.

    Args:
        patience: bad steps in a row before the run is stopped.
        lower: bad steps in a row before the learning rate is halved, for good.
    """

    def __init__(self, patience: int = 20, lower: int = 5) -> None:
        self.patience, self.lower, self.bad = patience, lower, 0
        self.undo: Undo | None = None
        self.counts: Tensor | None = None

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Drop the gradient if any of it is infinite or not a number: a weight without one is not touched."""
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        ok = torch.isfinite(torch.stack(torch._foreach_norm(gradients))).all()
        if not self.may_ask(ok.device):
            return self._count(optimizer, ok)
        if bool(ok):
            self.bad = 0
            return None
        self.bad += 1
        module.zero_grad(set_to_none=True)  # a gradient of zeros would let momentum and decay go on
        self._stop(self.bad)
        if self.bad % self.lower == 0:
            self._halve(trainer, [optimizer], self.bad)
        return None

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: State, batch_idx: int
    ) -> None:
        """Ask a GPU how many steps in a row are bad now, and how many were since it was last asked."""
        if self.counts is None or trainer.global_step % trainer.log_every_n_steps:
            return
        now, most = self.counts.tolist()
        self._stop(now)
        if most >= self.lower:
            self._halve(trainer, trainer.optimizers, most)
        self.counts[1] = 0

    @staticmethod
    def may_ask(device: torch.device) -> bool:
        """Whether to ask for a number costs nothing."""
        return device.type == "cpu"

    def _count(self, optimizer: torch.optim.Optimizer, ok: Tensor) -> None:
        optimizer = getattr(optimizer, "optimizer", optimizer)  # within Lightning's own
        self.undo = self.undo or Undo(optimizer)
        self.undo.before(optimizer, ok)
        before = torch.zeros(2, dtype=torch.int64, device=ok.device) if self.counts is None else self.counts
        now = (before[0] + 1) * ~ok
        self.counts = torch.stack([now, torch.maximum(before[1], now)])

    def _stop(self, bad: int) -> None:
        if bad >= self.patience:
            raise FloatingPointError(f"the loss was not finite {bad} steps in a row; lower optimizer.lr")

    @staticmethod
    def _halve(trainer: lightning.Trainer, optimizers: Sequence[torch.optim.Optimizer], bad: int) -> None:
        """The rate now, and what a schedule multiplies, which is kept in the checkpoint."""
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] /= 2
        for each in trainer.lr_scheduler_configs:
            each.scheduler.base_lrs = [rate / 2 for rate in each.scheduler.base_lrs]
        rank_zero_only(log.warning)(f"The loss was not finite {bad} steps in a row: the learning rate is halved.")
