"""Are they different from each other, and from what the model was trained on?

Molecules are compared by canonical SMILES without stereo (a mirror image of a training molecule is no discovery), and
only strictly valid ones are compared:

    uniqueness            distinct / valid
    novelty               distinct and not in the reference / distinct
    valid_unique_novel    distinct and not in the reference / all generated
    tanimoto_median       similarity of each distinct molecule to its nearest in the reference (also _mean),
    tanimoto_identical    and how many of them have a neighbour with the very same fingerprint: memory, or nearly
"""

import numpy as np

from scidiff.molecules.chemistry import canonical_smiles
from scidiff.molecules.evaluate import strict
from scidiff.molecules.evaluate.judgement import Fact, Findings
from scidiff.molecules.evaluate.protocol import Protocol
from scidiff.molecules.evaluate.subject import Subject


def inspect(subject: Subject) -> dict[str, Fact]:
    """The SMILES of a strictly valid molecule; empty for any other."""
    return {"novelty/smiles": "" if strict.reason(subject) else canonical_smiles(subject.sound, stereo=False)}


def summarise(found: Findings, reference=None) -> dict[str, float]:
    """Uniqueness; with a reference and something valid, the rest as well."""
    smiles = found.strings("novelty/smiles")
    unique = set(smiles)
    figures = {"novelty/uniqueness": len(unique) / max(len(smiles), 1)}
    if reference is None:
        return figures
    novel = unique - reference.smiles
    figures["novelty/valid_unique_novel"] = len(novel) / max(len(found), 1)
    if unique:
        figures |= {"novelty/novelty": len(novel) / len(unique)} | _similarity(unique, novel, reference)
    return figures


def _similarity(unique: set[str], novel: set[str], reference) -> dict[str, float]:
    """How near the distinct molecules lie to the reference; those in it are at 1 without a search."""
    nearest = np.ones(len(unique))
    nearest[: len(novel)] = [reference.neighbours.nearest(smiles) for smiles in sorted(novel)]
    nearest = nearest[np.isfinite(nearest)]
    if not len(nearest):
        return {}
    return {
        "novelty/tanimoto_median": float(np.median(nearest)),
        "novelty/tanimoto_mean": float(nearest.mean()),
        "novelty/tanimoto_identical": float((nearest == 1).mean()),
    }


PROTOCOL = Protocol("novelty", inspect, summarise)
