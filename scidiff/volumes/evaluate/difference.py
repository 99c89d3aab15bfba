"""Are some scans higher in a figure than others? Student's t test with one variance, one value a scan.

One scan in question is enough for it: then only the others tell how far scans of one law differ.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Difference:
    """Of the means of some scans and others.

    Attributes:
        mean: the difference.
        low, high: of its 95 % interval.
        p: chance of so large a difference or a larger one between scans of one law.
    """

    mean: float
    low: float
    high: float
    p: float


def difference(ours: np.ndarray, control: np.ndarray) -> Difference:
    """By the t test with one variance, which one scan in question is enough for."""
    m, n = len(ours), len(control)
    squares = sum(float(((each - each.mean()) ** 2).sum()) for each in (ours, control))
    free = m + n - 2
    error = sqrt(max(squares / free * (1 / m + 1 / n), np.finfo(float).tiny))
    mean, width = float(ours.mean() - control.mean()), float(stats.t.ppf(0.975, free)) * error
    return Difference(mean, mean - width, mean + width, float(stats.t.sf(mean / error, free)))
