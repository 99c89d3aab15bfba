"""Judging restored scans, from any tool's NIfTI, against the truth.

`evaluate` turns one pair of volumes into figures; `compare` sets those of many against classical baselines.
"""

from scidiff.volumes.evaluate.compare import HIGHER, LOWER, compare
from scidiff.volumes.evaluate.coverage import coverage, residual
from scidiff.volumes.evaluate.protocol import evaluate

__all__ = ["HIGHER", "LOWER", "compare", "coverage", "evaluate", "residual"]
