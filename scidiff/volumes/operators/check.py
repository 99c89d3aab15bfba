"""What an operator refuses, in the user's words."""

from collections.abc import Sequence

import torch
from torch import Tensor

from scidiff.store.errors import UserError


def by(sizes: Sequence[int]) -> str:
    """A shape as people write it: 64 x 64 x 32."""
    return " x ".join(str(size) for size in sizes)


def check_shape(values: Tensor, shape: Sequence[int], what: str) -> None:
    """Trailing axes of `values` are `shape`.

    Raises:
        UserError: they are not.
    """
    if tuple(values.shape[-len(shape) :]) != tuple(shape):
        raise UserError(f"The {what} has the shape {by(values.shape)}, but {by(shape)} was expected.")


def check_fits(mask: Tensor, shape: Sequence[int], what: str) -> None:
    """`mask` multiplies values of this shape without making them larger.

    Raises:
        UserError: it does not.
    """
    padded = (1,) * (len(shape) - mask.dim()) + tuple(mask.shape)
    if len(padded) != len(shape) or any(m not in (1, n) for m, n in zip(padded, shape, strict=True)):
        raise UserError(f"The {what} has the shape {by(mask.shape)}, which does not fit data of {by(shape)}.")


def check_mask(mask: Tensor, what: str) -> None:
    """`mask` is of bools, at least one of them true.

    Raises:
        UserError: it is not.
    """
    if mask.dtype != torch.bool:
        raise UserError(f"The {what} must be of true and false, not of {mask.dtype}.")
    if not bool(mask.any()):
        raise UserError(f"The {what} keeps nothing, so there is nothing to restore from.")
