"""One generated record in, one judgement out, whatever the record is."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from rdkit import rdBase

from scidiff.molecules.evaluate import geometry, groups
from scidiff.molecules.evaluate.judgement import Fact, Judgement
from scidiff.molecules.evaluate.protocols import PROTOCOLS
from scidiff.molecules.evaluate.subject import Subject
from scidiff.molecules.molecule import Molecule


def judge(record: object, protocols: Iterable[str]) -> Judgement:
    """Judge one record by the protocols named.

    Args:
        record: a Molecule; anything else is a record that could not be read.
        protocols: names from `PROTOCOLS`.
    """
    if not isinstance(record, Molecule) or not len(record):
        return unjudged(record, getattr(record, "reason", "") or "the record could not be read")
    if not np.isfinite(record.positions).all():  # libraries let these pass: nothing is farther off than not-a-number
        return unjudged(record, "its coordinates are not numbers")
    subject, bonded = Subject(record), record.bonds is not None
    asked = [PROTOCOLS[name] for name in protocols if bonded or not PROTOCOLS[name].needs_bonds]
    facts: dict[str, Fact] = {}
    faults = []
    with rdBase.BlockLogs(), np.errstate(all="ignore"):
        for protocol in asked:
            try:
                facts |= protocol.inspect(subject)
            except Exception as error:  # a molecule so strange that a library gives up has failed, and the run goes on
                faults.append(f"{protocol.name}: {type(error).__name__}: {error}")
        try:
            found = np.concatenate([geometry.codes(record), groups.codes(subject.sound if bonded else None)])
        except Exception as error:
            return Judgement(record.name, len(record), bonded, facts, fault="; ".join([*faults, f"census: {error}"]))
        return Judgement(record.name, len(record), bonded, facts, found, "; ".join(faults))


@dataclass(frozen=True)
class Unreadable:
    """What is sent to another process in place of a record that could not be read."""

    name: str
    reason: str


def lean(record: object) -> Molecule | Unreadable:
    """The record without what nobody looks at here and what perhaps cannot be sent to another process."""
    if isinstance(record, Molecule):
        return replace(record, properties={})
    return Unreadable(str(getattr(record, "name", "")), str(getattr(record, "reason", "")))


def unjudged(record: object, fault: str) -> Judgement:
    """The judgement of a record nothing could be found out about."""
    name = str(getattr(record, "name", ""))
    if not isinstance(record, Molecule):
        return Judgement(name, fault=fault)
    return Judgement(name, len(record), record.bonds is not None, fault=fault)
