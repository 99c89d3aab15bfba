"""A positive number that grows with how little was measured: an error, the width of an interval.

ln v = a + b ln(noise + 0.01) + c ln(fraction) + d ln(least of along)    for each task
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scidiff.volumes.operators.along import Along

LEAST = 2**-9  # a smaller share counts as this one


class Seen(Protocol):
    """What it depends on: see `scidiff.volumes.problem.Problem`."""

    task: str
    noise: float
    fraction: float
    along: Along


@dataclass(frozen=True)
class PowerLaw:
    """v of a problem.

    Args:
        tasks: task -> (a, b, c, d), and perhaps the least and the largest v that may be said.

    Raises:
        ValueError: other than four or six numbers.
    """

    tasks: Mapping[str, Sequence[float]]

    def __post_init__(self) -> None:
        if any(len(numbers) not in (4, 6) for numbers in self.tasks.values()):
            raise ValueError("a power law has four numbers a task, or six")

    def __call__(self, problem: Seen) -> float:
        """v; the geometric mean of all tasks for one that was never seen."""
        known = [self.tasks[problem.task]] if problem.task in self.tasks else list(self.tasks.values())
        return float(np.exp(np.mean([_log(numbers, problem) for numbers in known])))

    @classmethod
    def fit(
        cls, problems: Sequence[Seen], values: Sequence[float], weight: float = 0.1, bounded: bool = False
    ) -> "PowerLaw":
        """Least squares on problems of known v.

        Args:
            weight: of the penalty that holds slopes near 0 where few problems differ.
            bounded: keep to what it says of these problems, whatever it is asked of.
        """
        rows, wanted = np.array([_features(each) for each in problems]), np.log(np.maximum(values, 1e-4))
        tasks = np.array([each.task for each in problems])
        found = {}
        for task in sorted({str(task) for task in tasks}):
            slopes = _ridge(rows[tasks == task], wanted[tasks == task], weight)
            said = np.exp(rows[tasks == task] @ slopes)
            found[task] = [float(v) for v in (*slopes, *((said.min(), said.max()) if bounded else ()))]
        return cls(found)


def _features(seen: Seen) -> tuple[float, ...]:
    shares = (seen.fraction, min(seen.along))
    return 1.0, math.log(seen.noise + 0.01), *(math.log(max(share, LEAST)) for share in shares)


def _log(numbers: Sequence[float], seen: Seen) -> float:
    said = float(np.dot(numbers[:4], _features(seen)))
    return float(np.clip(said, *np.log(numbers[4:]))) if len(numbers) == 6 else said


def _ridge(rows: np.ndarray, wanted: np.ndarray, weight: float) -> np.ndarray:
    """Least squares with a penalty on the slopes, taken about the means."""
    middle, level = rows.mean(0), wanted.mean()
    centred = rows[:, 1:] - middle[1:]
    slopes = np.linalg.solve(centred.T @ centred + weight * np.eye(centred.shape[1]), centred.T @ (wanted - level))
    return np.array([level - middle[1:] @ slopes, *slopes])
