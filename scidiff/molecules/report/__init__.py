"""Molecules on a page: in space, flat, in a table that sorts, and beside the training data."""

from scidiff.molecules.report.distributions import COUNTED
from scidiff.molecules.report.section import SHOWN, section

__all__ = ["COUNTED", "SHOWN", "section"]
