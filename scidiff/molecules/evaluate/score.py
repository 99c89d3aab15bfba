"""From generated records to figures, a flat dictionary: `metrics.json`.

Every rate is a fraction of all records, the unreadable ones among them, unless its name says otherwise
(uniqueness: of the valid; novelty: of the distinct).
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from scidiff.molecules.evaluate.census import Census
from scidiff.molecules.evaluate.judgement import Findings, Judgement
from scidiff.molecules.evaluate.pool import PATIENCE, judge_all
from scidiff.molecules.evaluate.protocols import DEFAULT, PROTOCOLS, choose
from scidiff.molecules.evaluate.reference import Reference
from scidiff.store.errors import UserError

_NO_CODES = np.empty(0, dtype=np.int64)


def evaluate(
    molecules: Iterable[object],
    reference: Reference | None = None,
    protocols: Iterable[str] = DEFAULT,
    processes: int = 1,
    progress: Callable[[int], None] | None = None,
    each: Callable[[Judgement], None] | None = None,
    patience: float = PATIENCE,
) -> dict:
    """Judge generated molecules.

    Args:
        molecules: Molecules, streamed; anything else stands for a record that could not be read.
        reference: the training set, for novelty, distributions and its own scores.
        protocols: which to apply; a molecule without bonds gets only those that need none.
        processes: judging processes; 0 judges in this one, quicker to start but without a guard against crashes.
        progress: called with the number of records judged so far.
        each: called with every judgement, in order (to write a table, say).
        patience: seconds a single molecule may take before it is given up as failed.

    Returns:
        Figures by "protocol/name"; "n" and "n_unreadable"; "versions"; with a reference, "reference": its own figures.

    Raises:
        UserError: no records at all, an unknown protocol, or one whose extra is not installed.
    """
    chosen = choose(protocols)
    census, judgements = Census(), []
    for judgement in judge_all(molecules, chosen, processes, patience):
        census.add(judgement.codes)
        judgements.append(replace(judgement, codes=_NO_CODES))
        if each:
            each(judgements[-1])
        if progress:
            progress(len(judgements))
    if not judgements:
        raise UserError("There are no molecules to evaluate.")
    return figures(Findings(judgements, census.counted()), chosen, reference)


def figures(found: Findings, protocols: tuple[str, ...], reference: Reference | None = None) -> dict:
    """What `evaluate` returns, from judgements already made."""
    bonded = any(judgement.bonded for judgement in found.judgements)
    answer: dict = {}
    for name in protocols:
        if bonded or not PROTOCOLS[name].needs_bonds:
            answer |= PROTOCOLS[name].summarise(found, reference)
    answer["n"] = len(found)
    answer["n_unreadable"] = sum(judgement.atoms == 0 for judgement in found.judgements)
    answer["versions"] = versions()
    if reference is not None:
        own = {key: reference.scores[key] for key in answer if key in reference.scores}
        answer["reference"] = own | {"name": reference.name}
    return answer


def versions() -> dict[str, str]:
    """The versions that decide what counts as valid."""
    import posebusters
    import rdkit

    import scidiff

    return {"rdkit": rdkit.__version__, "posebusters": posebusters.__version__, "scidiff": scidiff.__version__}
