"""Batches that are a function of (seed, step): a resumed run sees exactly what an uninterrupted one would.

A data set is a few groups of samples of one shape, each resident as one dense state. An epoch cuts every group,
shuffled, into batches and shuffles the batches; the plan of epoch e is drawn from (seed, e) alone. Several processes
share the rows of each batch.
"""

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from itertools import count

import numpy as np
import torch
from torch import Tensor, distributed

from scidiff.engine.state import State


class GroupedBatches:
    """An endless stream of batches, each from one group.

    Args:
        groups: states of one shape each, by any key.
        size: samples in a batch; the pieces of a group differ by one at most and never exceed it.
        seed: of the order.
        first: the batch to begin with: how many a resumed run has trained on.
    """

    def __init__(self, groups: Mapping[Hashable, State], size: int, seed: int = 0, first: int = 0) -> None:
        if not groups:
            raise ValueError("there is nothing to train on")
        self.groups, self.size, self.seed, self.first = groups, size, seed, first

    @property
    def per_epoch(self) -> int:
        """Batches in one pass over the data."""
        return sum(math.ceil(len(state) / self.size) for state in self.groups.values())

    def __iter__(self) -> Iterator[State]:
        epoch, skipped = divmod(self.first, self.per_epoch)
        for each in count(epoch):
            plan = self.plan(each)[skipped if each == epoch else 0 :]
            keys, pieces = zip(*plan, strict=True)
            rows = torch.from_numpy(np.concatenate(pieces)).to(self.device)  # once an epoch, not once a step
            for key, mine in zip(keys, rows.split([len(piece) for piece in pieces]), strict=True):
                yield self._share(self.groups[key], mine)

    @staticmethod
    def _share(state: State, rows: Tensor) -> State:
        """This process's rows; the context tells where they stand in the whole batch, and how large that is."""
        rank, world = (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)
        if len(rows) < world:  # a batch smaller than the processes is filled by repeating
            rows = rows.repeat(world)[:world]
        places = torch.arange(rank, len(rows), world, device=rows.device)
        context = {"place": places, "share": torch.full((), world / len(rows), device=rows.device)}
        return replace(state.take(rows[rank::world]), context=context)

    @property
    def device(self) -> torch.device:
        """Where the samples are."""
        return next(iter(self.groups.values())).device

    def move(self, device: torch.device, room: float) -> None:
        """Keep all samples on a device, if they take at most so many bytes: no step copies any then."""
        if sum(value.nbytes for state in self.groups.values() for value in state.parts.values()) <= room:
            self.groups = {key: state.to(device) for key, state in self.groups.items()}

    def hardest(self, size: int) -> State:
        """A batch of samples as large as they come, repeated where there are fewer."""
        state = max(self.groups.values(), key=lambda each: sum(v.nbytes for v in each.parts.values()) / len(each))
        return self._share(state, torch.arange(size, device=self.device) % len(state))

    def plan(self, epoch: int) -> list[tuple[Hashable, np.ndarray]]:
        """The batches of one pass: which rows of which group."""
        draw = np.random.default_rng((self.seed, epoch))
        pieces = [
            (key, rows)
            for key, state in self.groups.items()
            for rows in np.array_split(draw.permutation(len(state)), math.ceil(len(state) / self.size))
        ]
        return [pieces[k] for k in draw.permutation(len(pieces))]

    def state_dict(self) -> dict[str, int]:
        """Nothing: Lightning fetches a batch ahead, so what was handed out is not what was trained on; see `first`."""
        return {}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Nothing, likewise."""
