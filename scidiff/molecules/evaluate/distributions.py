"""How far the geometry and make-up of the generated molecules are from the reference's.

For every type (element, element, order; element triple; element quadruple) the Wasserstein-1 distance between the two
sets of values, averaged over types:

    W(kind) = sum_type p(type) W1(generated | type, reference | type),

p(type) the share of the type among the reference's *real* bonds, angles or torsions: no "no bond" entry takes part (it
does in MiDi's figure, which is thereby an order of magnitude too small). Types only one side has cannot be compared by
values; they show in `bond_types`, the total variation between the two shares of bond types. In the same way `elements`,
`rings` (by size) and `groups` (functional groups) compare what the molecules are made of.
"""

import numpy as np
from scipy.stats import wasserstein_distance

from scidiff.molecules.evaluate.geometry import BIN_WIDTHS, select
from scidiff.molecules.evaluate.judgement import Findings
from scidiff.molecules.evaluate.protocol import Protocol

UNITS = {"bond_length": "Angstrom", "bond_angle": "degrees", "torsion": "degrees", "size": "atoms"}

SHARES = {"elements": ("element", 1), "bond_types": ("bond_length", 0), "rings": ("ring", 1), "groups": ("group", 1)}
"""What is compared by shares alone -> kind of code, and whether its types (0) or its bins (1) are shared out."""

Counted = tuple[np.ndarray, np.ndarray]


def compare(generated: Counted, reference: Counted) -> dict[str, float]:
    """All distances between two censuses, each given as sorted (k,) codes and (k,) counts.

    Returns:
        "distribution/bond_length" (Angstrom), "/bond_angle", "/torsion" (degrees), "/size" (atoms): W1;
        "/elements", "/bond_types", "/rings", "/groups": total variation, 0 (alike) to 1.
        What one side lacks altogether is left out.
    """
    figures = {kind: distance(kind, generated, reference) for kind in UNITS}
    for name, (kind, column) in SHARES.items():
        figures[name] = _variation(*(_shares(kind, side, column) for side in (generated, reference)))
    return {f"distribution/{name}": value for name, value in figures.items() if value is not None}


def distance(kind: str, generated: Counted, reference: Counted) -> float | None:
    """W1 of one kind over the types both sides have, in the kind's unit; None where they share no type."""
    ours, theirs = _by_type(kind, generated), _by_type(kind, reference)
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        return None
    each = [wasserstein_distance(ours[t][0], theirs[t][0], ours[t][1], theirs[t][1]) for t in shared]
    return float(np.average(each, weights=[theirs[t][1].sum() for t in shared])) * BIN_WIDTHS[kind]


def summarise(found: Findings, reference=None) -> dict[str, float]:
    """`compare` against the reference; nothing without one."""
    return compare(found.census, reference.census) if reference is not None else {}


def _by_type(kind: str, side: Counted) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Type -> ((k,) bins, (k,) counts)."""
    types, bins, counts = select(kind, *side)
    names, starts = np.unique(types, return_index=True)
    ends = np.append(starts, len(types))[1:]
    rows = zip(names.tolist(), starts.tolist(), ends.tolist(), strict=True)
    return {name: (bins[start:end], counts[start:end]) for name, start, end in rows}


def _shares(kind: str, side: Counted, column: int) -> dict[int, float]:
    """Share of each type (column 0) or each bin (column 1) of a kind."""
    selected = select(kind, *side)
    names, place = np.unique(selected[column], return_inverse=True)
    totals = np.bincount(place, weights=selected[2], minlength=len(names))
    return dict(zip(names.tolist(), totals / max(totals.sum(), 1), strict=True))


def _variation(ours: dict[int, float], theirs: dict[int, float]) -> float | None:
    """Half the summed difference of two shares; None where a side is empty."""
    if not ours or not theirs:
        return None
    names = sorted(ours.keys() | theirs.keys())  # a fixed order, so the same sum to the last digit
    return float(0.5 * sum(abs(ours.get(name, 0.0) - theirs.get(name, 0.0)) for name in names))


PROTOCOL = Protocol("distribution", lambda subject: {}, summarise, needs_bonds=False)
