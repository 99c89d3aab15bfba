"""Judging generated molecules, from any tool's file, by every protocol in use.

`evaluate` turns records into figures, `table` shows them, `find` and `build` bring the training set to compare with.
"""

from scidiff.molecules.evaluate.building import build
from scidiff.molecules.evaluate.judgement import Judgement
from scidiff.molecules.evaluate.protocols import DEFAULT, PROTOCOLS
from scidiff.molecules.evaluate.reference import Reference
from scidiff.molecules.evaluate.report import table
from scidiff.molecules.evaluate.score import evaluate
from scidiff.molecules.evaluate.shelf import find, shipped

__all__ = ["DEFAULT", "PROTOCOLS", "Judgement", "Reference", "build", "evaluate", "find", "shipped", "table"]
