"""What was generated beside the training data, as small charts: sizes, elements, geometry, rings, groups, scores."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from rdkit import Chem, rdBase

from scidiff.molecules.chemistry import Unsound, sanitise, to_rdkit
from scidiff.molecules.evaluate import Reference, geometry, groups
from scidiff.molecules.evaluate.census import Census
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.report.entry import Entry
from scidiff.molecules.report.scores import SCORES, scores
from scidiff.report.chart import bars, curve, rows

Counted = tuple[np.ndarray, np.ndarray]  # sorted (k,) codes, (k,) counts
COUNTED = 1000  # molecules, of which the charts are made
SAMPLED = 400  # training molecules, for the scores
GROUPS_SHOWN = 12
LIGHTER = 14  # bits of a bond's type below the lighter atom: those of the heavier one and of the order

CURVES = {
    "bond_length": ("bond lengths without hydrogen (Å)", (1.1, 1.7), 60),
    "bond_angle": ("bond angles (°)", (50, 180), 65),
    "torsion": ("torsions (°)", (0, 180), 45),
}
"""Kind of code -> title, what is shown of it, in how many bins."""

SPANS = {"qed": (0.0, 1.0), "sa": (1.0, 10.0), "logp": None, "weight": None}
"""Score -> what is shown of it; none is what there is."""


def charts(
    molecules: Sequence[object], entries: Sequence[Entry], reference: Reference | None, sizes: Mapping | None
) -> list[Markup]:
    """Every chart that can be made.

    Args:
        molecules: what was generated; what is no Molecule is passed over.
        entries: those that have scores.
        reference: the training data, where it is known.
        sizes: atoms in a molecule -> how many training molecules, from the model's header, where that is all there is.
    """
    ours = census(molecules)
    theirs = reference.census if reference else None
    listed = _census_of_sizes(sizes) if sizes and not reference else theirs
    made = [_classes("size", "atoms in a molecule", ours, listed, str), _elements(ours, theirs)]
    made += [_values(kind, ours, theirs) for kind in CURVES]
    made += [_classes("ring", "atoms in a ring", ours, theirs, str), _groups(ours, theirs)]
    return [chart for chart in [*made, *_scores(entries, reference)] if chart]


def census(molecules: Sequence[object]) -> Counted:
    """The codes of the first molecules."""
    found = Census()
    with rdBase.BlockLogs(), np.errstate(all="ignore"):
        for molecule in molecules[:COUNTED]:
            if isinstance(molecule, Molecule) and len(molecule) and np.isfinite(molecule.positions).all():
                found.add(np.concatenate([geometry.codes(molecule), groups.codes(_sound(molecule))]))
    return found.counted()


def _sound(molecule: Molecule) -> Chem.Mol | None:
    if molecule.bonds is None:
        return None
    try:
        return sanitise(to_rdkit(molecule))
    except Unsound:
        return None


def _census_of_sizes(sizes: Mapping) -> Counted:
    """Atoms in a molecule as the header counts them, in the form of a census."""
    known = np.array(sorted(int(size) for size in sizes))
    counts = np.array([sizes.get(str(size), sizes.get(size, 0)) for size in known.tolist()])
    return geometry.code("size", 0 * known, known), counts


def _shares(kind: str, side: Counted | None) -> dict[int, float] | None:
    """Share of each bin of a kind; none where the side has none of it."""
    if side is None:
        return None
    _, bins, counts = geometry.select(kind, *side)
    totals = np.bincount(bins, weights=counts)
    return {k: totals[k] / totals.sum() for k in np.flatnonzero(totals).tolist()} or None


def _classes(kind: str, title: str, ours: Counted, theirs: Counted | None, name) -> Markup | None:
    """Bars over whole numbers."""
    mine, others = _shares(kind, ours), _shares(kind, theirs)
    if mine is None:
        return None
    seen = [k for each in (mine, others or {}) for k, share in each.items() if share > 0.001]
    span = range(min(seen), max(seen) + 1)
    return bars(title, [name(k) for k in span], *(_over(span, each) for each in (mine, others)))


def _elements(ours: Counted, theirs: Counted | None) -> Markup | None:
    """Shares of all atoms."""
    mine, others = _shares("element", ours), _shares("element", theirs)
    if mine is None:
        return None
    numbers = sorted(mine.keys() | (others or {}).keys())
    names = [Chem.GetPeriodicTable().GetElementSymbol(number) for number in numbers]
    return bars("elements, of all atoms", names, _over(numbers, mine), _over(numbers, others))


def _groups(ours: Counted, theirs: Counted | None) -> Markup | None:
    """Shares of all functional groups found, the commonest."""
    mine, others = _shares("group", ours), _shares("group", theirs)
    if mine is None:
        return None
    weight = {k: mine.get(k, 0) + (others or {}).get(k, 0) for k in mine.keys() | (others or {}).keys()}
    first = sorted(weight, key=weight.__getitem__, reverse=True)[:GROUPS_SHOWN]
    names = [list(groups.GROUPS)[k] for k in first]
    return rows("functional groups, of all found", names, *(_over(first, side) for side in (mine, others)))


def _over(keys, shares: Mapping[int, float] | None) -> np.ndarray | None:
    return None if shares is None else np.array([shares.get(k, 0.0) for k in keys])


def _values(kind: str, ours: Counted, theirs: Counted | None) -> Markup | None:
    """A histogram over lengths or angles."""
    title, span, bins = CURVES[kind]
    edges = np.linspace(*span, bins + 1)
    mine, others = _histogram(kind, ours, edges), _histogram(kind, theirs, edges)
    return None if mine is None else curve(title, edges, mine, others)


def _histogram(kind: str, side: Counted | None, edges: np.ndarray) -> np.ndarray | None:
    """Shares by bins; of bond lengths, those of two heavy atoms."""
    if side is None:
        return None
    types, bins, counts = geometry.select(kind, *side)
    if kind == "bond_length":
        heavy = types >> LIGHTER > 1
        bins, counts = bins[heavy], counts[heavy]
    found, _ = np.histogram((bins + 0.5) * geometry.BIN_WIDTHS[kind], edges, weights=counts)
    return found / found.sum() if found.sum() else None


def _scores(entries: Sequence[Entry], reference: Reference | None) -> list[Markup]:
    """Histograms of the scores of sound molecules, beside those of some training molecules."""
    mine = [each.scores for each in entries if each.scores]
    if not mine:
        return []
    others = [found for text in _some(reference) if (found := scores(text))]
    return [_score(name, mine, others) for name in SCORES if name in mine[0]]


def _some(reference: Reference | None) -> list[str]:
    """Training molecules drawn at random, always the same."""
    if reference is None:
        return []
    listed = sorted(reference.smiles)
    chosen = np.random.default_rng(0).choice(len(listed), min(SAMPLED, len(listed)), replace=False)
    return [listed[k] for k in sorted(chosen.tolist())]


def _score(name: str, mine: Sequence[Mapping[str, float]], others: Sequence[Mapping[str, float]]) -> Markup:
    sides = [np.array([each[name] for each in side]) for side in (mine, others)]
    together = np.concatenate(sides)
    low, high = SPANS[name] or (np.floor(together.min()), np.ceil(together.max()))
    edges = np.linspace(low, max(high, low + 1e-6), 25)
    shares = [np.histogram(side, edges)[0] / max(len(side), 1) if len(side) else None for side in sides]
    return curve(SCORES[name], edges, *shares)
