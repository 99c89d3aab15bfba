"""Inpainting: some values are seen, the others are zero."""

from dataclasses import dataclass

import torch
from torch import Tensor

from scidiff.engine.operator import Operator
from scidiff.store.errors import UserError
from scidiff.volumes.operators.check import check_fits, check_mask


@dataclass(frozen=True, eq=False)
class Mask(Operator):
    """y = m x: voxels of a volume, or, composed after another operator, a share of its measurements.

    Args:
        kept: bool, true where seen: (X, Y, Z), (B, 1, X, Y, Z), or anything that broadcasts to the data.

    Raises:
        UserError: nothing is kept, or (when used) the mask does not fit the data.
    """

    kept: Tensor

    def __post_init__(self) -> None:
        check_mask(self.kept, "mask")

    def __call__(self, x: Tensor) -> Tensor:
        check_fits(self.kept, x.shape, "mask")
        return x * self.kept.to(x.device)

    def adjoint(self, y: Tensor) -> Tensor:
        """m y."""
        return self(y)

    def normal(self, x: Tensor) -> Tensor:
        """m x: a mask is a projection."""
        return self(x)

    def count(self, y: Tensor) -> int:
        """Entries kept in each sample, on average over them."""
        return round(float(self.kept.double().mean()) * y[0].numel())


def slices(shape: tuple[int, int, int], kept: list[int], axis: int = 2) -> Mask:
    """The mask that keeps whole slices across `axis`.

    Raises:
        UserError: a slice that the volume does not have.
    """
    seen = torch.zeros(shape[axis], dtype=torch.bool)
    if any(not 0 <= index < len(seen) for index in kept):
        raise UserError(f"The volume has slices 0 to {len(seen) - 1} along axis {axis}, but others were named.")
    seen[kept] = True
    return Mask(seen.reshape([-1 if a == axis else 1 for a in range(3)]).expand(shape))
