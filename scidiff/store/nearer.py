"""Is what was generated nearer to the training data than fresh data of the same law is? Two tests, both one-sided.

Nearness.  a_1..a_m tells how near each generated thing lies to its nearest training example, b_1..b_n the same of
held-out ones, which no model has seen:

    AUC = mean over i, j of [a_i > b_j] + [a_i = b_j] / 2,      z = (AUC - 1/2) / sd of AUC if both had one law

z is Mann and Whitney's, their ties counted: minus the C_T of Meehan, Chaudhuri and Dasgupta, A non-parametric test to
detect data-copying in generative models (2020), https://arxiv.org/abs/2004.05675, with one cell. The interval is that
of DeLong et al. 1988 (doi 10.2307/2531595).

Hits.  Of N training and M held-out examples, divided at random, k and l were met by what was generated. Whatever the
generator does, a model that cannot tell the two apart has k of k + l ~ Binomial(k + l, N / (N + M)).
"""

from dataclasses import dataclass
from math import comb, erfc, sqrt

import numpy as np

_Z = 1.959964  # of 95 %


@dataclass(frozen=True)
class Nearer:
    """AUC above 1/2: nearer to the training data than held-out things are.

    Attributes:
        auc: chance that a generated thing is nearer than a held-out one.
        low, high: of its 95 % interval.
        z: Mann and Whitney's; 0 where nothing differs.
        p: chance of such a z or a larger one if both had one law.
    """

    auc: float
    low: float
    high: float
    z: float
    p: float


def nearer(ours: np.ndarray, control: np.ndarray) -> Nearer:
    """Compare (m,) nearnesses of generated things with (n,) of held-out ones; larger is nearer.

    Raises:
        ValueError: one of them is empty.
    """
    if not (len(ours) and len(control)):
        raise ValueError("nothing to compare")
    ours_won, control_lost = _won(ours, control), 1 - _won(control, ours)
    auc, m, n = float(ours_won.mean()), len(ours), len(control)
    _, ties = np.unique(np.concatenate([ours, control]), return_counts=True)
    tied = float((ties.astype(float) ** 3 - ties).sum()) / ((m + n) * max(m + n - 1, 1))
    null = sqrt(max(m + n + 1 - tied, 0) / (12 * m * n))
    z = (auc - 0.5) / null if null else 0.0
    off = _Z * sqrt(_variance(ours_won) + _variance(control_lost))
    return Nearer(auc, max(auc - off, 0.0), min(auc + off, 1.0), z, erfc(z / sqrt(2)) / 2)


def _won(ours: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(m,) share of the others that each of ours is above, half of those it is equal to."""
    ordered = np.sort(others)
    below, not_above = (np.searchsorted(ordered, ours, side=side) for side in ("left", "right"))
    return (below + not_above) / (2 * len(others))


def _variance(values: np.ndarray) -> float:
    """Of their mean."""
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0


@dataclass(frozen=True)
class Hits:
    """Training examples met, beside held-out ones met.

    Attributes:
        train, held: how many distinct ones were met.
        share: of training examples among those met; none where nothing was.
        low, high: of its 95 % interval (Wilson).
        expected: the share of training examples among all.
        p: chance of so many training examples or more among those met, did it not matter which were trained on.
        excess: training examples met beyond as many as the held-out ones would lead to expect.
        excess_error: its standard error.
    """

    train: int
    held: int
    share: float | None
    low: float
    high: float
    expected: float
    p: float
    excess: float
    excess_error: float


def hits(train: int, held: int, of_train: int, of_held: int) -> Hits:
    """Compare `train` hits among `of_train` training examples with `held` among `of_held` held-out ones.

    Raises:
        ValueError: one of the sets is empty.
    """
    if not (of_train and of_held):
        raise ValueError("nothing to meet")
    met, chance, scale = train + held, of_train / (of_train + of_held), of_train / of_held
    low, high = wilson(train, met)
    p = _tail(train, met, of_train, of_train + of_held)
    error = sqrt(train + held * scale**2)
    return Hits(train, held, train / met if met else None, low, high, chance, p, train - held * scale, error)


def wilson(count: int, n: int) -> tuple[float, float]:
    """95 % interval of a share, Wilson's; 0 to 1 of nothing."""
    if not n:
        return 0.0, 1.0
    middle, off = count / n + _Z**2 / (2 * n), _Z * sqrt(count * (n - count) / n**3 + _Z**2 / (4 * n**2))
    return max((middle - off) / (1 + _Z**2 / n), 0.0), min((middle + off) / (1 + _Z**2 / n), 1.0)


def _tail(count: int, n: int, part: int, whole: int) -> float:
    """P(K >= count) of Binomial(n, part / whole), in whole numbers until the end."""
    rest = whole - part
    return sum(comb(n, k) * part**k * rest ** (n - k) for k in range(count, n + 1)) / whole**n
