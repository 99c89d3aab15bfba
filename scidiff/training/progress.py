"""How far a run is, told to whoever waits for it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from scidiff.engine.state import State


class ShowProgress(Callback):
    """Tell how far the run is, in the process that trains.

    Args:
        begin: opens what shows it; steps to do -> a context whose value is told (done, total, words).
        share: of the run that is done, where the clock says more than the steps.
    """

    def __init__(self, begin: Callable[[int], AbstractContextManager], share: Callable[[], float]) -> None:
        self.begin, self.share, self.first, self.words = begin, share, 0, "training"
        self.open = ExitStack()
        self.show: Callable[[int, int, str], None] | None = None

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """What was done before is not counted: its rate is not known."""
        self.first = trainer.global_step
        if trainer.is_global_zero:
            self.show = self.open.enter_context(self.begin(trainer.max_steps - self.first))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: State, batch_idx: int
    ) -> None:
        """The loss is looked at when it is logged: to ask at every step would hold a GPU up."""
        if self.show is None:
            return
        done, total = trainer.global_step, trainer.max_steps
        if done % trainer.log_every_n_steps == 0:
            self.words = f"training, loss {float(trainer.callback_metrics['loss/total']):.3g}"
        share = max(done / total, self.share(), 1e-9)
        self.show(done - self.first, round(done / share) - self.first, self.words)

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Clear the screen."""
        self.open.close()

    def on_exception(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Likewise."""
        self.open.close()
