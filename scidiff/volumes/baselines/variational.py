"""One solver for every regularised reconstruction, written once over linear operators A.

    x^ = argmin_x |A x - y|^2 / 2 + w R(x),   x >= lowest where a bound is given

by FISTA: x <- prox_{w R / L^2}(z - A'(A z - y) / L^2), z <- x + momentum, L = |A| by power iteration, the momentum
dropped whenever it points uphill. Beck, Teboulle 2009 (doi 10.1137/080716542); O'Donoghue, Candes 2015
(arxiv.org/abs/1204.3982). In the units of a posterior, |A x - y|^2 / (2 sigma^2) + lambda R(x), w = lambda sigma^2.

The strength follows from the noise: w = L (strength sigma + least L |x|), so that what the proximal step sees is
`strength` times the noise of y / L, whatever A; `least` keeps a little order where sigma is 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from scidiff.engine.operator import Operator
from scidiff.volumes.baselines.samples import dot, number, size, where


class Prox(Protocol):
    """(v (B, 1, X, Y, Z), w (B, 1, 1, 1, 1)) -> argmin_x |x - v|^2 / 2 + w R(x); it may keep a warm start."""

    def __call__(self, v: Tensor, w: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Variational:
    """(y, operator, sigma) -> x^.

    Args:
        prox: makes a fresh proximal step.
        strength: weight in units of the noise.
        least: weight in units of the image's root mean square, added.
        steps: evaluations of A and of its adjoint, at most.
        tolerance: stop when a step changes every image by less than this share of its size.
        start: a first guess; A'y / L^2 if none.
    """

    prox: Callable[[], Prox]
    strength: float = 0.5
    least: float = 1e-3
    steps: int = 100
    tolerance: float = 2e-4
    start: Callable[[Tensor, Operator, float | Tensor], Tensor] | None = None

    @torch.no_grad()
    def __call__(self, y: Tensor, operator: Operator, sigma: float | Tensor) -> Tensor:
        """y: an observation; sigma: its noise (of |n|^2 for complex ones), a number or (B,). (B, 1, X, Y, Z)."""
        back = operator.adjoint(y).float()
        square = squared_norm(operator, back)
        back = back / square
        w = self.strength * number(sigma, back) / square.sqrt() + self.least * size(back)
        x = back if self.start is None else self.start(y, operator, sigma)
        prox = self.prox()
        return fista(lambda z: (operator.normal(z) / square).sub_(back), lambda v: prox(v, w), x, self)


def fista(slope: Callable[[Tensor], Tensor], prox: Callable[[Tensor], Tensor], x: Tensor, how: Variational) -> Tensor:
    """Minimise a smooth part, of the slope given and curvature 1 at most, and one of a known proximal step.

    Every sample has its own momentum and stops by itself, so it is the same in any batch.
    """
    z, age = x, torch.ones_like(size(x))
    going = torch.ones_like(age, dtype=torch.bool)
    for _ in range(how.steps):
        new = prox(z - slope(z))
        move = new - x
        age = torch.where(dot(z - new, move) > 0, 1.0, age)  # where the momentum points uphill
        older, age = age, (1 + (1 + 4 * age * age).sqrt()) / 2
        x, z = where(going, new, x), torch.addcmul(new, (older - 1) / age, move)
        going = going & (size(move) > how.tolerance * size(new))
        if not bool(going.any()):
            break
    return x


_NORMS: WeakKeyDictionary[Operator, dict[Any, Tensor]] = WeakKeyDictionary()  # operators do not change


def squared_norm(operator: Operator, like: Tensor) -> Tensor:
    """L^2 = |A'A| by power iteration from a fixed start: (B, 1, 1, 1, 1).

    It comes from below, by a percent at most for projections, averages and Fourier transforms; `fista` bears 33.
    """
    known, key = _NORMS.setdefault(operator, {}), (like.shape, like.device)
    if key not in known:
        known[key] = _power_iteration(operator, like)
    return known[key]


@torch.inference_mode(mode=False)  # kept: gradients may be taken later
@torch.no_grad()
def _power_iteration(operator: Operator, like: Tensor, rounds: int = 12) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    x = 1 + torch.rand(like.shape[2:], generator=draw).to(like.device).expand_as(like)
    for _ in range(rounds):
        x = operator.normal(x / size(x)).float()
    return size(x).clamp(min=torch.finfo(torch.float32).tiny)


def objective(
    x: Tensor, y: Tensor, operator: Operator, w: float | Tensor, penalty: Callable[[Tensor], Tensor]
) -> Tensor:
    """|A x - y|^2 / 2 + w R(x) of every sample: (B,)."""
    misfit = operator(x) - y
    return (dot(misfit, misfit) / 2 + number(w, x) * penalty(x)).flatten()
