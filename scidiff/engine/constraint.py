"""What must hold after each step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from scidiff.engine.noise import Noise
from scidiff.engine.process import Process
from scidiff.engine.state import State


class Constraint(Protocol):
    """(state at s, s (B,), noise) -> the state made to hold."""

    def __call__(self, state: State, s: Tensor, noise: Noise) -> State: ...


@dataclass(frozen=True)
class Hold:
    """Known rows are put back, noised to the time of the state: x_s <- mask ? forward(known, 0, s) : x_s.

    Args:
        processes: by part.
        known: clean values by part, laid out as the state's parts.
        mask: bool by part, true where known; broadcast to the part.
    """

    processes: Mapping[str, Process]
    known: Mapping[str, Tensor]
    mask: Mapping[str, Tensor]

    def __call__(self, state: State, s: Tensor, noise: Noise) -> State:
        clean = state.replace(**self.known)
        start = torch.zeros_like(s)
        noised = {part: self.processes[part].forward(clean, part, start, s, noise) for part in self.known}
        return state.replace(**{part: torch.where(self.mask[part], noised[part], state[part]) for part in noised})
