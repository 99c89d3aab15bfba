"""A step of an optimiser undone where a flag on the device says so, without asking for the flag.

To ask holds the processor up until the device has done all it was given. So what a step may change is copied before,
and after it x <- ok x + (1 - ok) copy, in whole numbers on the bits of x: nothing times a NaN would not be nothing.
"""

from typing import Any

import torch
from torch import Tensor

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes


class Undo:
    """Of one optimiser: call `before` each step; the rest happens after it."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.ok: Tensor | None = None
        self.live: list[Tensor] = []
        self.copies: list[Tensor] = []
        optimizer.register_step_post_hook(self._after)

    def before(self, optimizer: torch.optim.Optimizer, ok: Tensor) -> None:
        """Remember all that the step may change; ok: () bool, on the device."""
        live = changing(optimizer, ok.device)
        if len(live) != len(self.copies):
            self.copies = [torch.empty_like(each) for each in live]
        torch._foreach_copy_(self.copies, live)
        self.live, self.ok = live, ok

    def _after(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if self.ok is None:
            return
        ok, known = self.ok.to(torch.int32), {each.data_ptr() for each in self.live}
        made = [each for each in changing(optimizer, ok.device) if each.data_ptr() not in known]  # they began as 0
        torch._foreach_mul_([*self.live, *made], ok)
        torch._foreach_mul_(self.copies, 1 - ok)
        torch._foreach_add_(self.live, self.copies)
        self.ok, self.live = None, []


def changing(optimizer: torch.optim.Optimizer, device: torch.device) -> list[Tensor]:
    """The bits of weights and of what the optimiser remembers of them, on this device."""
    found = [p for group in optimizer.param_groups for p in group["params"]]
    for each in getattr(optimizer, "both", [optimizer]):
        found += [value for state in each.state.values() for value in state.values() if isinstance(value, Tensor)]
    return [each.detach().view(_BITS[each.element_size()]) for each in found if each.device.type == device.type]
