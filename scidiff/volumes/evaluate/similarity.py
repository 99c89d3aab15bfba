"""Structural similarity, in space and slice by slice, as maps over the voxels whose whole window lies in the volume.

SSIM = (2 mx mr + c1) (2 sxr + c2) / ((mx^2 + mr^2 + c1) (sx^2 + sr^2 + c2)), c1 = (.01 R)^2, c2 = (.03 R)^2, with
means, variances and covariance over a window (Wang, Bovik, Sheikh, Simoncelli 2004, doi 10.1109/TIP.2003.819861).

Both are scikit-image's. With sigma 1.5 its Gaussian has the protocol's 11 taps, in three dimensions too, and no sample
correction on request. MONAI's SSIMMetric gives the same number, but in float32, without a map for regions, and by a
dense kernel of 1331 taps where three of 11 will do.
"""

import numpy as np
from skimage.metrics import structural_similarity

WINDOW = 11  # voxels, Gaussian
SLICE_WINDOW = 7  # pixels, uniform


def ssim(restored: np.ndarray, truth: np.ndarray, data_range: float) -> np.ndarray | None:
    """3D Gaussian SSIM, sigma 1.5, window 11: a map (X, Y, Z), NaN within 5 voxels of the border.

    None when an axis is shorter than the window.
    """
    if min(truth.shape) < WINDOW:
        return None
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, values = structural_similarity(truth, restored, data_range=data_range, full=True, **options)
    return _valid(values, [WINDOW // 2] * 3)


def ssim_fastmri(restored: np.ndarray, truth: np.ndarray, data_range: float) -> np.ndarray | None:
    """FastMRI's SSIM (arXiv:1811.08839): 7 x 7 uniform windows in each slice across the last axis, one R a volume.

    A map (X, Y, Z), NaN within 3 voxels of a slice's border; none when a slice is smaller than the window.
    """
    if min(truth.shape[:2]) < SLICE_WINDOW:
        return None
    options = {"win_size": SLICE_WINDOW, "channel_axis": 2}
    _, values = structural_similarity(truth, restored, data_range=data_range, full=True, **options)
    return _valid(values, [SLICE_WINDOW // 2, SLICE_WINDOW // 2, 0])


def _valid(values: np.ndarray, border: list[int]) -> np.ndarray:
    """The same map, NaN where the window reaches out of the volume."""
    inner = tuple(slice(width, -width or None) for width in border)
    out = np.full_like(values, np.nan)
    out[inner] = values[inner]
    return out
