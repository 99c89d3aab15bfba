"""Physical plausibility by PoseBusters' `mol_fast` checks, over everything generated.

Bond lengths and angles within distance-geometry bounds, no clash, flat aromatic rings and double bonds, no flat
saturated rings, sanitising, InChI, one fragment, no radicals. `pass` is the rate of passing all of them; a check that
could not be made counts as failed. The molecule is handed over as PoseBusters would read it from a file. It looks at
heavy atoms alone, so `hydrogens` looks at the rest.

Buttenschoen, Morris, Deane: PoseBusters (2024), https://doi.org/10.1039/D3SC04185A.
"""

import functools
import logging
import sys

import rdkit
from rdkit import Chem

from scidiff.molecules.evaluate.judgement import Fact, Findings
from scidiff.molecules.evaluate.protocol import Protocol
from scidiff.molecules.evaluate.subject import Subject

CHECKS = (
    "mol_pred_loaded",
    "sanitization",
    "inchi_convertible",
    "all_atoms_connected",
    "no_radicals",
    "bond_lengths",
    "bond_angles",
    "internal_steric_clash",
    "aromatic_ring_flatness",
    "non-aromatic_ring_non-flatness",
    "double_bond_flatness",
)
"""PoseBusters' own names, in its order."""


@functools.cache
def _buster():
    from posebusters import PoseBusters  # brings pandas: only who asks for it pays for it

    rdkit.log_handler.setLevel(logging.CRITICAL)  # where it sends RDKit's remarks; its own captures still get them
    return PoseBusters(config="mol_fast")


def inspect(subject: Subject) -> dict[str, Fact]:
    """Each check, and whether all passed."""
    buster = _buster()
    _mend_log()
    row = buster.bust([Chem.Mol(subject.mol)]).iloc[0]  # a copy: it sanitises what it is given, in place
    passed = {f"posebusters/{check}": bool(row[check] == 1) for check in CHECKS}  # NA: not passed
    return {"posebusters/pass": all(passed.values())} | passed


def summarise(found: Findings, reference=None) -> dict[str, float]:
    """The rate of passing all, and of each check."""
    facts = ["posebusters/pass", *(f"posebusters/{check}" for check in CHECKS)]
    return {fact: found.rate(fact) for fact in facts}


def _mend_log() -> None:
    """PoseBusters leaves RDKit's log on whatever sys.stderr was, and calls InChI a failure once that is closed."""
    if getattr(rdkit.log_handler.stream, "closed", False):
        rdkit.log_handler.stream = sys.stderr


PROTOCOL = Protocol("posebusters", inspect, summarise)
