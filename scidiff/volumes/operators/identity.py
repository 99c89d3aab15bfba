"""Nothing but noise: y = x + e."""

from dataclasses import dataclass

from torch import Tensor

from scidiff.engine.operator import Operator


@dataclass(frozen=True)
class Identity(Operator):
    """A = I, for denoising."""

    def __call__(self, x: Tensor) -> Tensor:
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """y itself."""
        return y

    def normal(self, x: Tensor) -> Tensor:
        """x itself."""
        return x
