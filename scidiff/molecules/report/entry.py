"""One generated record as the page shows it: the facts of its judgement, its pictures and its scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from re import sub

import numpy as np
from rdkit import rdBase
from rdkit.Chem.Draw import rdMolDraw2D

from scidiff.molecules.evaluate import Reference
from scidiff.molecules.evaluate.judgement import Judgement
from scidiff.molecules.evaluate.plausibility import CHECKS
from scidiff.molecules.files.sdf import to_text
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.picture import Card, draw_flat, formula
from scidiff.molecules.report.scores import scores

WIDTH, HEIGHT = 220, 150  # of a depiction, in points
WHY = {
    "valence": "impossible valence",
    "kekulisation": "impossible aromatic ring",
    "other": "refused by RDKit",
    "fragments": "in several pieces",
    "missing_hydrogens": "hydrogens missing",
    "radicals": "radical",
}
"""Why a molecule is not sound, by the names of the strict protocol, in a few words."""


@dataclass(frozen=True)
class Entry:
    """One record.

    Attributes:
        number: its place in the file, from 1.
        formula, smiles: what it is; the SMILES is empty unless the molecule is sound.
        sound: whether it is one whole, sound molecule; none if nobody asked.
        why: the reason where it is not.
        plausible: whether it passes PoseBusters; none if nobody asked.
        failed: the checks it fails.
        known: whether it is in the training data; none where that is not known.
        nearest: similarity and SMILES of the nearest training molecule, where it was looked for.
        scores: as `scores` has them.
        strain: energy given up by relaxation in kcal/mol, where it was relaxed.
        flat: SVG; empty for a record that could not be read.
        solid: SDF; likewise.
        remark: of the picture, as "bonds by distance".
    """

    number: int
    formula: str = ""
    smiles: str = ""
    sound: bool | None = None
    why: str = ""
    plausible: bool | None = None
    failed: Sequence[str] = ()
    known: bool | None = None
    nearest: tuple[float, str] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    strain: float | None = None
    flat: str = ""
    solid: str = ""
    remark: str = ""


def entry(number: int, record: object, judged: Judgement, reference: Reference | None, near: bool) -> Entry:
    """What the page shows of one record.

    Args:
        number: its place in the file, from 1.
        record: a Molecule; anything else is a record that could not be read.
        judged: what the protocols found.
        reference: the training data, where it is known.
        near: whether to look for the nearest training molecule.
    """
    facts, smiles = judged.facts, str(judged.facts.get("novelty/smiles", ""))
    if not isinstance(record, Molecule) or not judged.atoms:
        return Entry(number, sound=False, why=judged.fault or "the record could not be read")
    pictures = _pictures(record) if np.isfinite(record.positions).all() else {}
    return Entry(
        number,
        formula=formula(record),
        smiles=smiles,
        sound=facts.get("strict/valid_connected"),
        why=WHY.get(str(facts.get("strict/why", "")), "") or judged.fault,
        plausible=facts.get("posebusters/pass"),
        failed=[check for check in CHECKS if facts.get(f"posebusters/{check}") is False],
        known=smiles in reference.smiles if smiles and reference else None,
        nearest=reference.neighbours.closest(smiles) if smiles and reference and near else None,
        scores=scores(smiles) if smiles else {},
        strain=facts.get("relaxation/energy"),
        **pictures,
    )


def _pictures(molecule: Molecule) -> dict[str, str]:
    """Flat and in space; a molecule so strange that RDKit cannot draw it is shown in the table alone."""
    try:
        with rdBase.BlockLogs():
            card = Card.of(molecule)
            drawing = draw_flat(rdMolDraw2D.MolDraw2DSVG(WIDTH, HEIGHT), card.flat, 1)
            solid = to_text(replace(card.molecule, name="", properties={}))
        remark = " · ".join(card.title.split(" · ")[1:])
        return {"flat": themed(str(drawing)), "solid": solid, "remark": remark}
    except Exception:  # RDKit raises what it likes
        return {"remark": "RDKit cannot draw it"}


def themed(drawing: str) -> str:
    """RDKit's SVG as a part of the page: without its head, and in the ink of the page where it is grey or black."""
    body = drawing[drawing.index("<!-- END OF HEADER -->") :]
    body = sub(r"<!--.*?-->| class='[^']*'|\n", "", body)
    body = sub(r"#[0-9A-Fa-f]{6}", lambda found: "currentColor" if _grey(found[0]) else found[0], body)
    return f"<svg viewBox='0 0 {WIDTH} {HEIGHT}'>{body}"


def _grey(colour: str) -> bool:
    channels = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return max(channels) - min(channels) < 16
