"""What happens beside the steps: the model file kept up to date, samples drawn and scored, the rate shown."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, WeightAveraging
from lightning.pytorch.utilities import rank_zero_info

from scidiff.engine.state import State


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
        def average(mean: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
            k = int(count)
            return torch.lerp(new, mean, min(decay, (1 + k) / (10 + k)))

        super().__init__(avg_fn=average)


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
            module.log("samples_per_second", self.seen / (now - self.since), prog_bar=True, batch_size=1)
            self.seen, self.since = 0, now


class StopOnNaN(Callback):
    """Skip a step whose gradient is not finite, halve the learning rate after a few in a row, then stop, with advice.

    Args:
        patience: bad steps in a row before the run is stopped.
        lower: bad steps in a row before the learning rate is halved, for good.
    """

    def __init__(self, patience: int = 20, lower: int = 5) -> None:
        self.patience, self.lower, self.bad = patience, lower, 0

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Drop the gradient if any of it is infinite or not a number: a weight without one is not touched."""
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients))
        if bool(torch.isfinite(norms).all()):
            self.bad = 0
            return
        self.bad += 1
        module.zero_grad(set_to_none=True)  # a gradient of zeros would let momentum and decay go on
        if self.bad >= self.patience:
            raise FloatingPointError(f"the loss was not finite {self.bad} steps in a row; lower optimizer.lr")
        if self.bad % self.lower == 0:
            self._halve(trainer, optimizer)

    def _halve(self, trainer: lightning.Trainer, optimizer: torch.optim.Optimizer) -> None:
        """The rate now, and what a schedule multiplies, which is kept in the checkpoint."""
        for group in optimizer.param_groups:
            group["lr"] /= 2
        for each in trainer.lr_scheduler_configs:
            each.scheduler.base_lrs = [rate / 2 for rate in each.scheduler.base_lrs]
        rank_zero_info(f"The loss was not finite {self.bad} steps in a row: the learning rate is halved.")
