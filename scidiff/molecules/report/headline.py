"""What to read first of generated molecules, and what to be careful with."""

from collections.abc import Mapping, Sequence
from math import sqrt

from scidiff.molecules.evaluate import Reference
from scidiff.molecules.report.entry import WHY, Entry
from scidiff.report.parts import Figure

RATES = {
    "strict/valid_connected": "sound: one piece, no hydrogen missing, no radical",
    "posebusters/pass": "plausible in space, all checks of PoseBusters",
    "novelty/valid_unique_novel": "sound, unique and new to the training data",
    "novelty/uniqueness": "different from one another, of the sound",
    "edm/molecule_stability": "stable, EDM's protocol",
}
"""Figure -> what it means, the first three or so to be trusted first."""

FEW = 100  # molecules, below which a rate is only a hint


def figures(metrics: Mapping, entries: Sequence[Entry], total: int, reference: Reference | None) -> list[Figure]:
    """How many, and the rates that there are, held against the training data's own."""
    theirs = metrics.get("reference", {})
    names = [name for name in RATES if name in metrics]
    if "novelty/valid_unique_novel" in names:
        names.remove("novelty/uniqueness")
    made = [Figure(f"{total:,}", "molecules", "" if metrics["n"] == total else f"{metrics['n']:,} judged")]
    made += [Figure(percent(metrics[name], metrics["n"]), RATES[name], _held(theirs.get(name))) for name in names[:4]]
    known = [each.known for each in entries if each.known is not None]
    if reference and known and "novelty/valid_unique_novel" not in metrics:
        made.append(Figure(percent(1 - sum(known) / len(known), len(known)), "new to the training data, of the sound"))
    return made


def percent(rate: float, n: int) -> str:
    """A rate, with its standard error where there is one to tell."""
    error = 100 * sqrt(rate * (1 - rate) / max(n, 1))
    return f"{100 * rate:.0f} ± {error:.0f} %" if error >= 0.5 else f"{100 * rate:.1f} %".replace(".0 %", " %")


def beware(metrics: Mapping, entries: Sequence[Entry], total: int, reference: Reference | None) -> list[str]:
    """Sentences: too few, what most often goes wrong, how much is memory."""
    n, said = metrics["n"], []
    if n < total:
        said.append(f"Only the first {n:,} of {total:,} were judged; scidiff evaluate judges them all.")
    if n < FEW:
        said.append(f"{n} molecules are few: every rate here may be off by twice the ± beside it.")
    faults = {why: round(n * metrics.get(f"strict/reason/{name}", 0)) for name, why in WHY.items()}
    faults["record unreadable"] = metrics.get("n_unreadable", 0)
    common = sorted((count, why) for why, count in faults.items() if count)[::-1][:3]
    if common:
        said.append(f"Why not sound: {', '.join(f'{why} ({count:,})' for count, why in common)}.")
    novelty = metrics.get("novelty/novelty")
    if novelty is not None and novelty < 0.95:
        said.append(f"{percent(1 - novelty, n)} of the distinct molecules are in the training data.")
    if not reference:
        said.append("The training data is not known here, so nothing is said of novelty.")
    if any(each.remark == "bonds by distance" for each in entries):
        said.append("The file holds no bonds; those that are drawn were guessed from distances.")
    return said


def _held(value: float | None) -> str:
    return "" if value is None else f"training data {100 * value:.1f} %"
