"""Batches that are a function of (seed, step): a resumed run sees exactly what an uninterrupted one would.

A data set is a few groups of samples of one shape, each resident as one dense state. An epoch cuts every group,
shuffled, into batches and shuffles the batches; the plan of epoch e is drawn from (seed, e) alone.
"""

import math
from collections.abc import Hashable, Iterator, Mapping

import numpy as np
import torch

from scidiff.engine.state import State


class GroupedBatches:
    """An endless stream of batches, each from one group.

    Args:
        groups: states of one shape each, by any key.
        size: samples in a batch; the pieces of a group differ by one at most and never exceed it.
        seed: of the order.
    """

    def __init__(self, groups: Mapping[Hashable, State], size: int, seed: int = 0) -> None:
        if not groups:
            raise ValueError("there is nothing to train on")
        self.groups, self.size, self.seed = groups, size, seed
        self.step = 0

    @property
    def per_epoch(self) -> int:
        """Batches in one pass over the data."""
        return sum(math.ceil(len(state) / self.size) for state in self.groups.values())

    def __iter__(self) -> Iterator[State]:
        while True:
            epoch, first = divmod(self.step, self.per_epoch)
            for key, rows in self.plan(epoch)[first:]:
                self.step += 1  # counted before the batch is used: a checkpoint after it resumes with the next
                yield self.groups[key].take(torch.from_numpy(rows))

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
        """Where the stream stands."""
        return {"step": self.step}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from there."""
        self.step = int(state["step"])
