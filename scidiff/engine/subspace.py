"""The linear subspace on which a Gaussian part lives: all of space, or the points of zero centre of mass."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from scidiff.engine.state import State


class Subspace(Protocol):
    """values laid out as state[part] -> their projection."""

    def project(self, values: Tensor, state: State, part: str) -> Tensor:
        """The nearest point of the subspace."""
        ...


@dataclass(frozen=True)
class Full:
    """All of space."""

    def project(self, values: Tensor, state: State, part: str) -> Tensor:
        """The values themselves."""
        return values


@dataclass(frozen=True)
class ZeroMean:
    """Each sample's rows sum to zero: x - mean(x), the translation-free space of point clouds.

    Where `state.context[held]` (bool rows) says that some rows are fixed, nothing is projected: it would move them.
    """

    held: str = "held"

    def project(self, values: Tensor, state: State, part: str) -> Tensor:
        """Subtract each sample's mean row, unless rows are held."""
        if self.held in state.context:
            return values
        return values - state.centre(values, part)
