"""The one Lightning module: a batch of clean states, the objective, an optimiser."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from scidiff.engine.denoiser import NetworkDenoiser
from scidiff.engine.noise import Noise
from scidiff.engine.objective import Objective
from scidiff.engine.state import State
from scidiff.store.errors import UserError

FIRST_STREAM = 16  # step k draws from the noise stream 16 + k; those below belong to sampling


class DiffusionModule(lightning.LightningModule):
    """Minimise the objective's mean over samples, summed over parts.

    Args:
        denoiser: holds the network that is trained.
        objective: the loss by part.
        optimizer: parameters -> optimiser.
        rate: step -> factor of the learning rate.
        seed: of times and noise.
    """

    def __init__(
        self,
        denoiser: NetworkDenoiser,
        objective: Objective,
        optimizer: Callable[..., torch.optim.Optimizer],
        rate: Callable[[int], float] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(denoiser.network, nn.Module):
            raise ValueError("only a torch network can be trained")
        self.network = denoiser.network
        self.denoiser, self.objective, self.optimizer, self.rate, self.seed = denoiser, objective, optimizer, rate, seed

    def training_step(self, batch: State, batch_idx: int) -> Tensor:
        """One step on this process's share of a batch; averaged over processes it is the mean over the whole batch."""
        losses = self.losses(batch, self.global_step, self.denoiser)
        total = self.total(losses)
        self.log_dict({f"loss/{part}": loss.detach() for part, loss in losses.items()}, batch_size=len(batch))
        self.log("loss/total", total.detach(), batch_size=len(batch))
        return total

    def losses(self, batch: State, step: int, denoiser: NetworkDenoiser) -> dict[str, Tensor]:
        """The loss of every part, at the noise of a step."""
        place, share = batch.context["place"], batch.context["share"]
        noise = Noise.of(self.seed, place, FIRST_STREAM + step)
        return {part: share * loss.sum() for part, loss in self.objective(denoiser, batch, noise).items()}

    @staticmethod
    def total(losses: Mapping[str, Tensor]) -> Tensor:
        """Their sum."""
        return torch.stack(list(losses.values())).sum()

    def configure_optimizers(self) -> Any:
        """The optimiser, with the rate stepped after each batch.

        Raises:
            UserError: a setting that the optimiser or the rate refuses.
        """
        try:
            optimizer = self.optimizer(self.network.parameters())
            if self.rate is None:
                return optimizer
            rate = self.rate  # a function, not the object: that would be restored with the checkpoint's own `steps`
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step))
        except (ValueError, TypeError, ZeroDivisionError) as error:
            raise UserError(f"The optimiser cannot be made: {error}. See optimizer= and scheduler=.") from error
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def transfer_batch_to_device(self, batch: State, device: torch.device, dataloader_idx: int) -> State:
        """States travel by part; to a GPU without waiting for it."""
        if device.type == "cuda":
            batch = replace(
                batch,
                parts={name: _sent(value, device) for name, value in batch.parts.items()},
                context={name: _sent(value, device) for name, value in batch.context.items()},
            )
        return batch.to(device)


def _sent(value: Tensor, device: torch.device) -> Tensor:
    return value if value.device == device else value.pin_memory().to(device, non_blocking=True)
