"""What was measured: y = A x + e, with A a linear operator, its adjoint, and the solve that the two make possible.

Inner products are real, <y, z> = Re sum conj(y) z, so that A^T is the adjoint of A as a map of real volumes even where
the measurements are complex: <A x, y> = <x, A^T y>.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Operator(Protocol):
    """A: real volumes x (B, 1, X, Y, Z) to measurements y (B, ...), real or complex; samples never mix."""

    def __call__(self, x: Tensor) -> Tensor:
        """A x."""
        ...

    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y, real, laid out as x."""
        ...

    def normal(self, x: Tensor) -> Tensor:
        """A^T A x."""
        return self.adjoint(self(x))

    def count(self, y: Tensor) -> int:
        """How many entries of a sample of y were measured; the others are zero by construction."""
        return y[0].numel()


@dataclass(frozen=True)
class Composed(Operator):
    """y = outer(inner(x)): a mask over measurements, a scanner that first blurs.

    `count` is the outer's, so a mask over measurements should be a subset of what the inner one measures.
    """

    outer: Operator
    inner: Operator

    def __call__(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """inner^T outer^T y."""
        return self.inner.adjoint(self.outer.adjoint(y))

    def count(self, y: Tensor) -> int:
        """What the outer one measured."""
        return self.outer.count(y)


@dataclass(frozen=True, eq=False)
class Observation:
    """y = A x + e, e white with E |e_i|^2 = sigma^2: complex noise has sigma^2 / 2 in each of its two components.

    Args:
        y: (B, ...) as A returns it, or (1, ...) for one observation of many samples.
        operator: A.
        sigma: noise in the units of y, one number or (B,).

    Raises:
        ValueError: sigma is not above 0.
    """

    y: Tensor
    operator: Operator
    sigma: float | Tensor

    def __post_init__(self) -> None:
        if not bool((torch.as_tensor(self.sigma) > 0).all()):
            raise ValueError(f"the noise of an observation must be above 0, not {self.sigma}")

    @property
    def variance(self) -> float | Tensor:
        """The noise variance of every real number in y."""
        return self.sigma**2 / 2 if self.y.is_complex() else self.sigma**2

    def mismatch(self, x: Tensor) -> Tensor:
        """A^T (y - A x), laid out as x."""
        return self.operator.adjoint(self.y - self.operator(x))

    def residual(self, x: Tensor) -> Tensor:
        """|y - A x| / (sigma sqrt(m)) over the m entries measured: (B,), about 1 for the true x, less if overfitted."""
        misfit = self.y - self.operator(x)
        return misfit.abs().flatten(1).square().sum(1).div(self.operator.count(misfit)).sqrt() / self.sigma


def solve(
    operator: Operator,
    rhs: Tensor,
    weight: float | Tensor,
    steps: int = 10,
    start: Tensor | None = None,
    tolerance: float = 1e-5,
) -> Tensor:
    """Conjugate gradients on (A^T A + weight I) x = rhs, each sample by itself: the same in any batch.

    With weight = sigma^2 / r^2 this is (A^T A / sigma^2 + I / r^2) x = rhs / sigma^2. Weight 0 with rhs = A^T y and no
    start gives the least-squares answer of least norm. Hestenes, Stiefel 1952 (doi 10.6028/jres.049.044).

    Args:
        operator: A.
        rhs: (B, ...) laid out as x.
        weight: 0 or more, one number or (B,).
        steps: at most so many products with A^T A.
        start: first guess, laid out as x; zero if none.
        tolerance: a sample stops once |rhs - (A^T A + weight) x| <= tolerance |rhs|.

    Raises:
        ValueError: a negative weight.
    """
    if bool((torch.as_tensor(weight) < 0).any()):
        raise ValueError(f"the weight of a solve must be 0 or more, not {weight}")
    weight = _column(torch.as_tensor(weight, dtype=rhs.dtype, device=rhs.device).expand(len(rhs)), rhs)
    x = torch.zeros_like(rhs) if start is None else start
    residual = rhs if start is None else rhs - operator.normal(x) - weight * x
    direction, square = residual, _dot(residual, residual)
    # Below ten roundings the residual is noise: following it into the null space of A would diverge.
    enough = max(tolerance, 10 * torch.finfo(rhs.dtype).eps) ** 2 * _dot(rhs, rhs)
    for _ in range(steps):
        going = square > enough
        if not bool(going.any()):
            break
        image = operator.normal(direction) + weight * direction
        length = _ratio(square, _dot(direction, image), going)
        x, residual = x + length * direction, residual - length * image
        last, square = square, _dot(residual, residual)
        direction = residual + _ratio(square, last, going) * direction
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """<a, b> of each sample, shaped to multiply them."""
    return _column(torch.linalg.vecdot(a.flatten(1), b.flatten(1)), a)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.dim() - 1))


def _ratio(above: Tensor, below: Tensor, going: Tensor) -> Tensor:
    """above / below, and 0 for samples that have stopped."""
    alive = going & (below > 0)
    return torch.where(alive, above / torch.where(alive, below, 1), 0)
