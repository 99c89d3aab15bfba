"""Least squares that stop in time: the iterations fit the data first and their noise later.

Every sample stops once |A x - y| <= sigma sqrt(m), m the entries measured: the discrepancy principle of Morozov 1966.
"""

import torch
from torch import Tensor

from scidiff.engine.operator import Operator
from scidiff.volumes.baselines.samples import dot, number


@torch.no_grad()
def cgls(y: Tensor, operator: Operator, sigma: float | Tensor, steps: int = 20, lowest: float | None = None) -> Tensor:
    """Conjugate gradients on A'A x = A'y from zero, values below `lowest` cut off at the end.

    With coil maps inside A it is CG-SENSE (Pruessmann et al. 2001, doi 10.1002/mrm.1241). Hestenes, Stiefel 1952.

    Args:
        y: an observation of the operator.
        sigma: its noise, a number or (B,); for complex y that of both components together.
        steps: at most so many evaluations of A and of its adjoint.
        lowest: the bound, or none.

    Returns:
        (B, 1, X, Y, Z) float32.
    """
    slope = direction = operator.adjoint(y).float()
    x, misfit, square = torch.zeros_like(slope), y, dot(slope, slope)
    enough = _enough(y, operator, sigma, slope)
    for _ in range(steps):
        going = (dot(misfit, misfit) > enough) & (square > 0)
        if not bool(going.any()):
            break
        image = operator(direction)
        step = _share(square, dot(image, image), going)
        x, misfit = x + step * direction, misfit - _like(step, image) * image
        slope, last = operator.adjoint(misfit).float(), square
        square = dot(slope, slope)
        direction = slope + _share(square, last, going) * direction
    return x if lowest is None else x.clamp(min=lowest)


@torch.no_grad()
def sirt(y: Tensor, operator: Operator, sigma: float | Tensor, steps: int = 100, lowest: float | None = 0.0) -> Tensor:
    """x <- max(x + C A' R (y - A x), lowest), R and C the reciprocal sums of A's rows and columns.

    For operators without negative entries: projections, averages, masks. Same arguments and result as `cgls`.
    Gilbert 1972 (doi 10.1016/0022-5193(72)90180-4); van der Sluis, van der Vorst 1990.
    """
    x = torch.zeros_like(operator.adjoint(y).float())
    rows = _reciprocal(operator(torch.ones_like(x)))
    columns = _reciprocal(operator.adjoint(torch.ones_like(y)).float())
    enough = _enough(y, operator, sigma, x)
    for _ in range(steps):
        misfit = y - operator(x)
        going = dot(misfit, misfit) > enough
        if not bool(going.any()):
            break
        better = x + columns * operator.adjoint(rows * misfit)
        x = torch.where(going, better if lowest is None else better.clamp(min=lowest), x)
    return x


def _enough(y: Tensor, operator: Operator, sigma: float | Tensor, like: Tensor) -> Tensor:
    """(sigma sqrt(m))^2, and never less than the rounding of float32."""
    return (number(sigma, like) ** 2 * operator.count(y)).clamp(min=1e-12 * dot(y, y))


def _like(column: Tensor, values: Tensor) -> Tensor:
    return column.reshape(-1, *[1] * (values.dim() - 1))


def _share(above: Tensor, below: Tensor, going: Tensor) -> Tensor:
    """above / below, and 0 for samples that have stopped."""
    return torch.where(going & (below > 0), above / torch.where(below > 0, below, 1), 0)


def _reciprocal(sums: Tensor) -> Tensor:
    """1 / sums, and 0 for rows and columns that see nothing."""
    small = 1e-4 * sums.max()
    return torch.where(sums > small, 1 / sums.clamp(min=small), 0)
