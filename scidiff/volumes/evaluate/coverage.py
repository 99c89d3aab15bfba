"""Whether the stated uncertainty is true, and whether the restored volume agrees with what was measured.

Coverage is the share of voxels whose truth lies in their 90 % interval: m +- z sd for a stated deviation, z = 1.645,
and m +- t s sqrt(1 + 1/K) for K samples of mean m and deviation s, t the 95th percentile of Student's law with K - 1
degrees of freedom: the prediction interval, exact for Gaussian voxels at any K, where the quantiles of 8 samples could
not reach 90 %.

The residual is |A x - y| / (sigma sqrt n), n measurements: about 1 is right, less has fitted the noise.
"""

from math import sqrt

import numpy as np
from scipy import stats

LEVEL = 0.9


def covered(truth: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Whether each voxel's truth lies in its 90 % interval, for a stated standard deviation."""
    return np.abs(truth - mean) <= stats.norm.ppf(0.5 + LEVEL / 2) * sd


def covered_by(truth: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """The same for samples (K, X, Y, Z), two or more."""
    count = len(samples)
    width = stats.t.ppf(0.5 + LEVEL / 2, count - 1) * sqrt(1 + 1 / count)
    return np.abs(truth - samples.mean(0)) <= width * samples.std(0, ddof=1)


def coverage(
    truth: np.ndarray, mean: np.ndarray | None = None, sd: np.ndarray | None = None, samples: np.ndarray | None = None
) -> float:
    """Share of voxels inside their 90 % interval, from a mean and a standard deviation or from samples (K, ...).

    Raises:
        ValueError: neither is given.
    """
    if samples is not None:
        return float(covered_by(truth, samples).mean())
    if mean is None or sd is None:
        raise ValueError("coverage needs a mean and a standard deviation, or samples")
    return float(covered(truth, mean, sd).mean())


def residual(predicted: np.ndarray, observed: np.ndarray, sigma: float) -> float:
    """Misfit to the measurements in units of their noise.

    Args:
        predicted: A x, (n,) or any shape.
        observed: y, of the same shape; NumPy, real or complex.
        sigma: standard deviation of the noise of one measurement, of real and imaginary part together if it is complex.

    Raises:
        ValueError: sigma is not positive.
    """
    if not sigma > 0:
        raise ValueError(f"a residual needs noise of positive sigma, not {sigma}")
    return float(np.linalg.norm((predicted - observed).ravel()) / (sigma * sqrt(observed.size)))
