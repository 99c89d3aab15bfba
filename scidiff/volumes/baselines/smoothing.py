"""Non-local means: every voxel becomes a mean of voxels whose surroundings look alike."""

import numpy as np
import torch
from torch import Tensor

from scidiff.engine.operator import Operator
from scidiff.volumes.baselines.samples import each, number


@torch.no_grad()
def nonlocal_means(
    y: Tensor, operator: Operator, sigma: float | Tensor, patch: int = 3, distance: int = 3, strength: float = 0.6
) -> Tensor:
    """Weights exp(-max(|P_i - P_j|^2 - 2 sigma^2, 0) / (strength sigma)^2) of 3D patches P, by scikit-image.

    Buades, Coll, Morel 2005 (doi 10.1109/CVPR.2005.38); integral images of Darbon et al. 2008
    (doi 10.1109/ISBI.2008.4541250).

    Args:
        y: noisy volumes (B, 1, X, Y, Z), or what the operator's adjoint lays out as such.
        sigma: their noise, a number or (B,).
        patch, distance: voxels along an axis of a patch, and how far others are looked for.
        strength: of the filter, in units of the noise.

    Returns:
        (B, 1, X, Y, Z) float32.
    """
    from skimage.restoration import denoise_nl_means

    def smooth(image: np.ndarray, level: float) -> np.ndarray:
        if level <= 0:
            return image
        return denoise_nl_means(
            image, patch_size=patch, patch_distance=distance, h=strength * level, sigma=level, fast_mode=True
        )

    noisy = operator.adjoint(y).float()
    return each(smooth, noisy, number(sigma, noisy))
