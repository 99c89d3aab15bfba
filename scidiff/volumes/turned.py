"""A network that always sees the axis of which least was measured first, and the one of which most was last.

    D'(x) = P^-1 D(P x),  P the permutation of the axes that the state's context names under `axes`

Thick slices along z are then, to the network, what thick slices along x are: it learns one direction, not three.
"""

from dataclasses import replace
from typing import Any

from torch import Tensor

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.state import State

Axes = tuple[int, ...]


def turned(denoiser: Denoiser) -> Denoiser:
    """The denoiser of volumes (B, C, X, Y, Z), shown them with their axes as `state.context["axes"]` has them."""

    def whole(state: State, moment: Moment) -> Estimate:
        axes = tuple(state.context.get("axes", ()))
        if axes == tuple(sorted(axes)):
            return denoiser(state, moment)
        back = tuple(axes.index(axis) for axis in range(len(axes)))
        last = moment.last and _turned(moment.last, axes)
        return _turned(denoiser(_state(state, axes), replace(moment, last=last)), back)

    return whole


def permuted(value: Any, axes: Axes) -> Any:
    """A tensor (B, C, X, Y, Z) with its last axes in another order; anything else as it is."""
    if not isinstance(value, Tensor) or value.dim() != len(axes) + 2:
        return value
    return value.permute(0, 1, *(axis + 2 for axis in axes))


def _state(state: State, axes: Axes) -> State:
    parts = {name: permuted(value, axes) for name, value in state.parts.items()}
    return replace(state, parts=parts, context={key: permuted(given, axes) for key, given in state.context.items()})


def _turned(estimate: Estimate, axes: Axes) -> Estimate:
    parts = {name: permuted(value, axes) for name, value in estimate.parts.items()}
    return Estimate(parts, estimate.plain and _turned(estimate.plain, axes))
