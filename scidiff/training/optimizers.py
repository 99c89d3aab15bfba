"""Two optimisers as one: Muon for the wide matrices, AdamW for embeddings, gains, biases and narrow matrices."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

NARROW = 64  # orthogonalising pays only where both sides of a matrix are at least so wide
THIN = 32  # the same for convolutions, seen as matrices of output channels by all else


class MuonAdamW(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) scaled to AdamW's steps, and AdamW for the rest.

    Args:
        params: of the network.
        lr: of both; Muon's steps are scaled to the size of AdamW's (Liu et al. 2025, arxiv.org/abs/2502.16982).
        momentum: Muon's. betas: AdamW's. weight_decay: of both.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.01,
    ) -> None:
        params = list(params)
        self.wide = [p for p in params if _wide(p)]
        rest = [p for p in params if all(p is not other for other in self.wide)]
        self.flat = [p if p.dim() == 2 else torch.nn.Parameter(p.detach().view(len(p), -1)) for p in self.wide]
        decayed = {"lr": lr, "weight_decay": weight_decay}
        muon = partial(torch.optim.Muon, momentum=momentum, adjust_lr_fn="match_rms_adamw", **decayed)
        adamw = partial(torch.optim.AdamW, betas=tuple(betas), fused=True, **decayed)
        self.both = [make(some) for make, some in ((muon, self.flat), (adamw, rest)) if some]
        super().__init__(params, {"lr": lr})
        self.param_groups = [group for each in self.both for group in each.param_groups]  # a scheduler reaches both

    def step(self, closure: Any = None) -> Any:
        """One step of both."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for p, flat in zip(self.wide, self.flat, strict=True):
            if flat is not p:  # the same numbers in another shape
                flat.grad = None if p.grad is None else p.grad.reshape(flat.shape)
        for optimizer in self.both:
            optimizer.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Of all parameters, flattened or not."""
        super().zero_grad(set_to_none)
        for p in self.wide:
            p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {"state": {}, "both": [optimizer.state_dict() for optimizer in self.both]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both."""
        for optimizer, state in zip(self.both, state_dict["both"], strict=True):
            optimizer.load_state_dict(state)
        self.param_groups = [group for optimizer in self.both for group in optimizer.param_groups]


def _wide(p: Tensor) -> bool:
    if p.dim() <= 2:
        return p.dim() == 2 and min(p.shape) >= NARROW
    return min(len(p), p.numel() // len(p)) >= THIN
