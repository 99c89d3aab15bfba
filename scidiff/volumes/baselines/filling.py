"""Holes filled from around them; what was seen is kept as it is."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scidiff.engine.operator import Operator, solve
from scidiff.volumes.baselines.samples import each
from scidiff.volumes.baselines.totalvariation import adjoint_differences, differences

WIDTHS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
TRUST = 0.02  # the weight of known voxels at which a blur and the next wider one count alike


@torch.no_grad()
def normalised_convolution(y: Tensor, operator: Operator, sigma: float | Tensor = 0.0) -> Tensor:
    """x = (G_s * (m y) + c x_{2s}) / (G_s * m + c): blurs of known voxels over blurs of the mask, wide to narrow.

    Knutsson, Westin 1993 (doi 10.1109/CVPR.1993.341081). `sigma` is not looked at.

    Args:
        y: (B, 1, X, Y, Z), seen through the operator, a mask.

    Returns:
        (B, 1, X, Y, Z) float32.
    """
    seen = known(y, operator)
    return each(_normalised, operator.adjoint(y).float(), seen.float())


@torch.no_grad()
def biharmonic(y: Tensor, operator: Operator, sigma: float | Tensor = 0.0, steps: int = 200) -> Tensor:
    """The smoothest filling, laplace^2 x = 0 within the holes: thin plates, through the values and slopes at the rim.

    Across a missing slice that is cubic interpolation. By conjugate gradients from normalised convolution, for holes of
    any size, where scikit-image's direct solve takes small ones. Damelin, Hoang 2018 (doi 10.1155/2018/3950312).
    `sigma` is not looked at.

    Args:
        y: (B, 1, X, Y, Z), seen through the operator, a mask.
        steps: of the conjugate gradients, at most.

    Returns:
        (B, 1, X, Y, Z) float32.
    """
    plate = Bending(~known(y, operator))
    x = normalised_convolution(y, operator)
    return x + solve(plate, -plate.adjoint(laplace(x)), 0.0, steps)


@dataclass(frozen=True, eq=False)
class Bending(Operator):
    """laplace(u x), u the unknown voxels (B, 1, X, Y, Z) bool: how bent what may still be changed is."""

    unknown: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return laplace(self.unknown * x)

    def adjoint(self, y: Tensor) -> Tensor:
        """u laplace(y)."""
        return self.unknown * laplace(y)


def laplace(x: Tensor) -> Tensor:
    """-D'D x of (B, 1, X, Y, Z), with faces that nothing passes: its own adjoint."""
    return -adjoint_differences(differences(x))


def known(y: Tensor, operator: Operator) -> Tensor:
    """Where a mask sees: bool, laid out as the volume."""
    like = operator.adjoint(y).float()
    return operator.normal(torch.ones_like(like)) > 0.5


def _normalised(image: np.ndarray, seen: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    filled = np.full_like(image, image.sum() / max(seen.sum(), 1))
    for width in reversed([width for width in WIDTHS if width <= max(image.shape)]):
        above, below = (gaussian_filter(v, width, mode="nearest", truncate=3) for v in (image * seen, seen))
        filled = (above + TRUST * filled) / (below + TRUST)
    return np.where(seen > 0, image, filled)
