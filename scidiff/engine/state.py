"""A state is a set of named parts, x = {positions, atoms, ...} or {image}, for a batch of samples.

A part is dense, its first axis counting samples, or ragged: rows of several samples behind one another, with
`owner[part]` naming each row's sample. This file is the only place that reshapes or reduces over samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class State:
    """What is diffused, and what is given.

    Attributes:
        parts: name -> (B, ...) dense, or (R, ...) ragged.
        owner: name -> (R,) sample of each row, ascending, for ragged parts only.
        context: what is known and never noised: labels, masks, observations.
        count: the number of samples B; read off a dense part when not given.
    """

    parts: Mapping[str, Tensor]
    owner: Mapping[str, Tensor] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    count: int | None = None

    def __post_init__(self) -> None:
        strangers = set(self.owner) - set(self.parts)
        if strangers:
            raise ValueError(f"owner names parts that are not there: {sorted(strangers)}")

    def __len__(self) -> int:
        if self.count is not None:
            return self.count
        dense = [value for name, value in self.parts.items() if name not in self.owner]
        return len(dense[0]) if dense else int(max(rows.max() for rows in self.owner.values())) + 1

    def __getitem__(self, part: str) -> Tensor:
        return self.parts[part]

    @property
    def device(self) -> torch.device:
        """Where the parts live."""
        return next(iter(self.parts.values())).device

    def replace(self, **parts: Tensor) -> "State":
        """The same state with some parts exchanged."""
        return replace(self, parts={**self.parts, **parts})

    def take(self, rows: Tensor) -> "State":
        """Some samples of a dense state, its context untouched.

        Raises:
            ValueError: the state has ragged parts.
        """
        if self.owner:
            raise ValueError("only dense states can be taken apart by sample")
        return replace(self, parts={part: value[rows] for part, value in self.parts.items()}, count=None)

    def to(self, device: torch.device | str) -> "State":
        """The same state on another device; what in the context is not a tensor stays."""
        return replace(
            self,
            parts={name: value.to(device) for name, value in self.parts.items()},
            owner={name: value.to(device) for name, value in self.owner.items()},
            context={k: v.to(device) if isinstance(v, Tensor) else v for k, v in self.context.items()},
        )

    def spread(self, t: Tensor, part: str) -> Tensor:
        """Shape one number a sample, t (B,), so that it multiplies the rows of `part`."""
        rows = t[self.owner[part]] if part in self.owner else t
        return rows.reshape(-1, *[1] * (self.parts[part].dim() - 1))

    def mean_by_sample(self, values: Tensor, part: str) -> Tensor:
        """Average values laid out as `part` (trailing axes free) over everything but the sample: (B,)."""
        if part not in self.owner:
            return values.flatten(1).mean(1)
        means = values.reshape(len(values), -1).mean(1)
        return centre_by_owner(means, self.owner[part], len(self))

    def sum_by_sample(self, values: Tensor, part: str) -> Tensor:
        """Add values laid out as `part` over everything but the sample: (B,) float32."""
        if part not in self.owner:
            return values.flatten(1).float().sum(1)
        rows = values.reshape(len(values), -1).float().sum(1)
        return rows.new_zeros(len(self)).index_add(0, self.owner[part], rows)

    def rank(self, values: Tensor, part: str) -> Tensor:
        """The place of each of the values, one a row of `part`, among those of its sample: 0 for the largest."""
        if part not in self.owner:
            order = values.flatten(1).argsort(dim=1, descending=True, stable=True)
            return order.argsort(dim=1).reshape(values.shape)
        order = values.argsort(descending=True, stable=True)
        order = order[self.owner[part][order].argsort(stable=True)]
        first = torch.searchsorted(self.owner[part], self.owner[part])
        return torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device)) - first

    def centre(self, values: Tensor, part: str, over: Tensor | None = None) -> Tensor:
        """The mean row of each sample, shaped to be subtracted from `values`; `over` (bool rows) narrows the mean."""
        if part in self.owner:
            owner = self.owner[part]
            rows = slice(None) if over is None else over
            return centre_by_owner(values[rows], owner[rows], len(self))[owner]
        if over is None:
            return values.mean(1, keepdim=True)
        share = over.to(values.dtype).unsqueeze(-1)
        return (values * share).sum(1, keepdim=True) / share.sum(1, keepdim=True).clamp(min=1)


def centre_by_owner(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """Mean of the rows (R, ...) of each owner: (count, ...); an owner without rows gets zero."""
    total = values.new_zeros(count, *values.shape[1:]).index_add(0, owner, values)
    rows = torch.bincount(owner, minlength=count).clamp(min=1)
    return total / rows.reshape(-1, *[1] * (values.dim() - 1))
