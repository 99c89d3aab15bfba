"""How much of each axis an operator sees: 1 for all of it, 1/4 for slices four times as thick, or every fourth line.

What a mask leaves is shared evenly by the axes along which it varies: a share of f of all lines of two axes is sqrt(f)
of each. Measurements left out of another operator's count for nothing: they say nothing of directions.
"""

from collections.abc import Sequence
from functools import singledispatch

from torch import Tensor

from scidiff.engine.operator import Composed, Operator
from scidiff.volumes.operators.kspace import KSpace
from scidiff.volumes.operators.mask import Mask
from scidiff.volumes.operators.radon import Radon
from scidiff.volumes.operators.resample import Resample

Along = tuple[float, float, float]
ALL: Along = (1.0, 1.0, 1.0)


@singledispatch
def along(operator: Operator) -> Along:
    """The share of axis 0, 1 and 2 that an operator sees; all of it where nothing else is known."""
    return ALL


@along.register
def _(operator: Composed) -> Along:
    return along(operator.inner)


@along.register
def _(operator: Resample) -> Along:
    x, y, z = (1 / factor for factor in operator.factors)
    return x, y, z


@along.register
def _(operator: Mask) -> Along:
    return _of_mask(operator.kept)


@along.register
def _(operator: KSpace) -> Along:
    return _of_mask(operator.mask)


@along.register
def _(operator: Radon) -> Along:
    pixels = operator.shape[0] * operator.shape[1]
    share = min(len(operator.angles) * operator.bins / pixels, 1.0)
    return _shared(share, [axis for axis in range(3) if axis != operator.axis])


def order(seen: Sequence[float]) -> tuple[int, ...]:
    """The axes, that of which least is seen first; equal ones as they come."""
    return tuple(sorted(range(len(seen)), key=seen.__getitem__))


def _of_mask(mask: Tensor) -> Along:
    """Of one that broadcasts to (..., X, Y, Z)."""
    grid = mask.reshape(-1, *[1] * max(3 - mask.dim(), 0), *mask.shape[-3:])[0]
    varying = [axis for axis in range(3) if bool((grid != grid.narrow(axis, 0, 1)).any())]
    return _shared(float(mask.double().mean()), varying)


def _shared(share: float, axes: Sequence[int]) -> Along:
    x, y, z = (share ** (1 / len(axes)) if axis in axes else 1.0 for axis in range(3))
    return x, y, z
