"""Many volumes against classical baselines: mean, deviation, and the paired difference to the best of them.

The best baseline is chosen for each figure by its mean over the same volumes, so that a method has to win against the
strongest there is in that figure. p is of the paired t test, or of Wilcoxon's signed ranks; two-sided.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from scidiff.store.errors import UserError

HIGHER = ("psnr", "ssim", "ssim_fastmri")
LOWER = ("nmse", "nrmse", "hfen")
TESTS = ("t", "wilcoxon")

Figures = Mapping[str, float]


def compare(
    volumes: Sequence[Figures], baselines: Mapping[str, Sequence[Figures]] | None = None, test: str = "t"
) -> dict[str, float | str]:
    """Summarise the figures of many volumes.

    Args:
        volumes: what `evaluate` gave for each, one method throughout.
        baselines: name -> the same volumes' figures, in the same order, by that method.
        test: "t" or "wilcoxon".

    Returns:
        n; for every figure f that all volumes have f/mean and, from two volumes on, f/sd (over n - 1); where baselines
        have it and one way is the better f/baseline (the best one's name), f/baseline_mean, f/difference (ours less
        its, so below 0 is better for errors) and, from two volumes on, f/difference_sd and f/p.

    Raises:
        UserError: no volumes, a baseline with another number of them, an unknown test.
    """
    _check(volumes, baselines or {}, test)
    summary: dict[str, float | str] = {"n": len(volumes)}
    for figure in (key for key in volumes[0] if all(key in other for other in volumes)):
        ours = _column(volumes, figure)
        summary |= {f"{figure}/mean": float(ours.mean())} | _spread(f"{figure}/sd", ours)
        rivals = {name: _column(rows, figure) for name, rows in (baselines or {}).items() if _has(rows, figure)}
        if rivals and _direction(figure):
            summary |= {f"{figure}/{key}": value for key, value in _against(ours, rivals, figure, test).items()}
    return summary


def _check(volumes: Sequence[Figures], baselines: Mapping[str, Sequence[Figures]], test: str) -> None:
    if not volumes:
        raise UserError("There are no volumes to compare.")
    for name, rows in baselines.items():
        if len(rows) != len(volumes):
            raise UserError(
                f"The baseline {name} has {len(rows)} volumes and the method {len(volumes)}; pairs need both."
            )
    if test not in TESTS:
        raise UserError(f"There is no test '{test}'; choose one of {', '.join(TESTS)}.")


def _has(rows: Sequence[Figures], figure: str) -> bool:
    return all(figure in row for row in rows)


def _column(rows: Sequence[Figures], figure: str) -> np.ndarray:
    return np.array([row[figure] for row in rows], dtype=float)


def _direction(figure: str) -> int:
    """1 where more is better, -1 where less is, 0 for what is no merit by itself."""
    name = figure.rpartition("/")[2]
    return (name in HIGHER) - (name in LOWER)


def _spread(name: str, values: np.ndarray) -> dict[str, float]:
    return {name: float(values.std(ddof=1))} if len(values) > 1 else {}


def _against(ours: np.ndarray, rivals: Mapping[str, np.ndarray], figure: str, test: str) -> dict[str, float | str]:
    """The paired difference to the best baseline."""
    best = max(rivals, key=lambda name: _direction(figure) * rivals[name].mean())
    difference = ours - rivals[best]
    found: dict[str, float | str] = {
        "baseline": best,
        "baseline_mean": float(rivals[best].mean()),
        "difference": float(difference.mean()),
    }
    p = {"p": _p(difference, test)} if len(difference) > 1 else {}
    return found | _spread("difference_sd", difference) | p


def _p(difference: np.ndarray, test: str) -> float:
    """Chance of such differences between two methods that are equally good; 1 when nothing differs."""
    if not difference.any():
        return 1.0
    if test == "wilcoxon":
        return float(stats.wilcoxon(difference).pvalue)
    if not np.ptp(difference):
        return 0.0  # always the same difference, which t calls infinitely far from chance
    return float(stats.ttest_1samp(difference, 0.0).pvalue)
