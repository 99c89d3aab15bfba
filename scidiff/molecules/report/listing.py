"""The table of the section: a row for each molecule."""

from collections.abc import Sequence

from scidiff.molecules.report.entry import Entry
from scidiff.molecules.report.scores import SCORES
from scidiff.report.parts import Cell, Table

FORMS = {"qed": "{:.2f}", "sa": "{:.1f}", "logp": "{:.1f}", "weight": "{:.1f}"}
HEADINGS = {"qed": "QED", "sa": "SA", "logp": "logP", "weight": "weight"}
WORDS = ("formula", "sound", "PoseBusters", "in training", "SMILES", "nearest in training")
Column = tuple[str, str, list[Cell]]  # heading, what it means, a cell for each molecule


def listing(entries: Sequence[Entry]) -> Table:
    """A row for each molecule; a column that nothing is known of is left out."""
    columns: list[Column] = [
        ("#", "place in the file", [Cell(str(each.number), each.number) for each in entries]),
        ("formula", "", [Cell(each.formula or "unreadable") for each in entries]),
        ("sound", "one piece, no hydrogen missing, no radical", [_sound(each) for each in entries]),
        ("PoseBusters", "the checks it fails", [_plausible(each) for each in entries]),
        ("in training", "whether the training data holds it", [_known(each) for each in entries]),
        ("nearest", "Tanimoto similarity of the nearest training molecule, 0 to 1", [_near(each) for each in entries]),
        *((HEADINGS[name], SCORES[name], [_score(each, name) for each in entries]) for name in SCORES),
        ("strain", "energy given up by GFN2-xTB relaxation, kcal/mol", [_strain(each) for each in entries]),
        ("SMILES", "", [Cell(each.smiles) for each in entries]),
        ("nearest in training", "", [Cell(each.nearest[1] if each.nearest else "") for each in entries]),
    ]
    kept = [column for column in columns if any(cell.text for cell in column[2])]
    return Table(
        headings=[heading for heading, _, _ in kept],
        rows=list(zip(*(cells for _, _, cells in kept), strict=True)),
        caption="Press a heading to sort, a row to see the molecule.",
        words=WORDS,
        name="molecules-table",
        hints=[hint for _, hint, _ in kept],
    )


def _sound(each: Entry) -> Cell:
    if each.sound is None:
        return Cell(each.why)
    return Cell("yes", 0, "good") if each.sound else Cell(each.why or "no", 1, "bad")


def _plausible(each: Entry) -> Cell:
    if each.plausible is None:
        return Cell("")
    failed = [check.replace("_", " ") for check in each.failed]
    words = failed[0] if len(failed) == 1 else f"{len(failed)} checks"
    return Cell("pass", 0, "good") if each.plausible else Cell(words, max(len(failed), 1), "bad", ", ".join(failed))


def _known(each: Entry) -> Cell:
    return Cell("") if each.known is None else Cell("yes" if each.known else "no", float(each.known))


def _near(each: Entry) -> Cell:
    return Cell(f"{each.nearest[0]:.2f}", each.nearest[0], hint=each.nearest[1]) if each.nearest else Cell("")


def _score(each: Entry, name: str) -> Cell:
    value = each.scores.get(name)
    return Cell("") if value is None else Cell(FORMS[name].format(value), round(value, 4))


def _strain(each: Entry) -> Cell:
    return Cell("") if each.strain is None else Cell(f"{each.strain:.1f}", round(each.strain, 3))
