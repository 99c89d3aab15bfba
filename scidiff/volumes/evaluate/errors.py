"""How far off the voxels are: x restored, r the reference, R the range of the reference's intensities.

PSNR = 10 log10(R^2 / mean (x - r)^2)      NRMSE = sqrt(mean (x - r)^2) / R      NMSE = |x - r|^2 / |r|^2
HFEN = |L (x - r)| / |L r|                 gain = <r - mean r, x - mean x> / |r - mean r|^2

L is the Laplacian of a Gaussian of 1.5 voxels in three dimensions (Ravishankar and Bresler 2011,
doi 10.1109/TMI.2010.2090538, who have it in two). NMSE is fastMRI's (arXiv:1811.08839); it depends on where the unit
has its zero, so HU and HU + 1024 read differently; the others do not. Means and norms run over a region; L sees beyond.
"""

from math import log10, sqrt

import numpy as np
from scipy.ndimage import gaussian_laplace

HIGHEST_PSNR = 200.0
"""What two identical volumes read, in dB: JSON has no infinity, and float32 tells nothing apart above 150."""

HFEN_SIGMA = 1.5  # voxels
_TAIL = 6.0  # sigmas; at scipy's 4 the kernel's sum is far enough from 0 for HU's offset to show


def psnr(restored: np.ndarray, truth: np.ndarray, data_range: float) -> float:
    """Peak signal to noise ratio in dB."""
    mean_square = float(np.mean((restored - truth) ** 2))
    lowest = data_range**2 * 10 ** (-HIGHEST_PSNR / 10)
    return 10 * log10(data_range**2 / max(mean_square, lowest))


def nrmse(restored: np.ndarray, truth: np.ndarray, data_range: float) -> float:
    """Root mean square error as a share of the range."""
    return sqrt(float(np.mean((restored - truth) ** 2))) / data_range


def nmse(restored: np.ndarray, truth: np.ndarray) -> float:
    """Squared error as a share of the truth's squares; NaN where the truth is 0 throughout."""
    return _ratio(float(np.sum((restored - truth) ** 2)), float(np.sum(truth**2)))


def gain(restored: np.ndarray, truth: np.ndarray) -> float:
    """Slope of the restored intensities over the true ones: far from 1, one of the files is in other units."""
    centred = truth - truth.mean()
    return _ratio(float(np.sum(centred * (restored - restored.mean()))), float(np.sum(centred**2)))


def edges(image: np.ndarray) -> np.ndarray:
    """Laplacian of Gaussian, (X, Y, Z)."""
    return gaussian_laplace(image, HFEN_SIGMA, truncate=_TAIL)


def hfen(edges_of_error: np.ndarray, edges_of_truth: np.ndarray) -> float:
    """High frequency error norm from both volumes' `edges`; NaN where the truth has none."""
    return _ratio(float(np.linalg.norm(edges_of_error)), float(np.linalg.norm(edges_of_truth)))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
