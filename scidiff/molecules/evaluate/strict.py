"""The figure to trust first: is it one whole, sound molecule exactly as it was generated?

    valid_connected = sanitises  and  one fragment  and  no hydrogen missing  and  no radical,      over all generated

A hydrogen is missing where RDKit, reading the record as it reads any file, silently fills one in: the usual "validity"
counts such a molecule as valid although it was never generated. Radicals are counted with nothing filled in, which also
finds charges no atom can carry (a methane C3+ passes for sound otherwise). The first test a molecule fails is its
reason, so the reasons and `valid_connected` add up to one.
"""

from scidiff.molecules.evaluate.judgement import Fact, Findings, Judgement
from scidiff.molecules.evaluate.protocol import Protocol
from scidiff.molecules.evaluate.subject import Subject

REASONS = ("unreadable", "no_bonds", "valence", "kekulisation", "other", "fragments", "missing_hydrogens", "radicals")
"""Why a molecule is not strictly valid, in the order the tests are made."""


def reason(subject: Subject) -> str:
    """The first test the molecule fails; empty where it passes all."""
    if subject.fault:
        return subject.fault
    if len(subject.fragments) != 1:
        return "fragments"
    if any(atom.GetTotalNumHs() for atom in subject.sound.GetAtoms()):  # those that are not atoms of their own
        return "missing_hydrogens"
    return "radicals" if subject.unpaired else ""


def inspect(subject: Subject) -> dict[str, Fact]:
    """Whether the molecule passes, else why not."""
    why = reason(subject)
    return {"strict/valid_connected": not why, "strict/why": why}


def summarise(found: Findings, reference=None) -> dict[str, float]:
    """The rate of passing, and of each reason for not passing."""
    whys = [_why(judgement) for judgement in found.judgements]
    reasons = {f"strict/reason/{name}": whys.count(name) / max(len(whys), 1) for name in REASONS}
    return {"strict/valid_connected": found.rate("strict/valid_connected")} | reasons


def _why(judgement: Judgement) -> str:
    if not judgement.atoms:
        return "unreadable"
    return str(judgement.facts.get("strict/why", "other" if judgement.bonded else "no_bonds"))


PROTOCOL = Protocol("strict", inspect, summarise)
