"""Two distributions in one small chart, as SVG in the colours of the page: ours filled, the other's as a line."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from scidiff.report.template import render

WIDTH, HEIGHT, FOOT, LEFT = 300, 120, 18, 2  # of the drawing, and of its rims below and beside, in points
NAMES = 152  # of the names of lying bars
MOST_LABELS = 8


def curve(title: str, edges: np.ndarray, ours: np.ndarray, theirs: np.ndarray | None, note: str = "") -> Markup:
    """Histograms over a continuous quantity.

    Args:
        title: the quantity and its unit.
        edges: (k + 1,) of the bins.
        ours, theirs: (k,) shares or densities, on one scale; theirs may be unknown.
        note: a line below the title.
    """
    ours, theirs, top = _scaled(ours, theirs)
    x = LEFT + (WIDTH - 2 * LEFT) * np.arange(len(ours) + 1) / len(ours)
    ticks = [(x[k], f"{edges[k]:.4g}") for k in np.linspace(0, len(ours), 5).round().astype(int)]
    area = f"M{x[0]:.1f} {HEIGHT}{_steps(x, ours)}V{HEIGHT}Z"
    line = "" if theirs is None else f"M{x[0]:.1f} {HEIGHT}{_steps(x, theirs)}V{HEIGHT}"
    return _chart(title, note, ticks, area, line, top)


def bars(title: str, names: Sequence[str], ours: np.ndarray, theirs: np.ndarray | None, note: str = "") -> Markup:
    """The same over a few named classes: bars, and a mark where the other's would end."""
    ours, theirs, top = _scaled(ours, theirs)
    step = (WIDTH - 2 * LEFT) / max(len(names), 1)
    middles = LEFT + step * (np.arange(len(names)) + 0.5)
    half = min(0.36 * step, 16)
    area = "".join(
        f"M{m - half:.1f} {HEIGHT}V{y:.1f}H{m + half:.1f}V{HEIGHT}Z" for m, y in zip(middles, ours, strict=True)
    )
    marks = [] if theirs is None else zip(middles, theirs, strict=True)
    line = "".join(f"M{m - half - 3:.1f} {y:.1f}h{2 * half + 6:.1f}" for m, y in marks)
    every = -(-len(names) // MOST_LABELS) if all(name.isdigit() for name in names) else 1
    return _chart(title, note, list(zip(middles, names, strict=True))[::every], area, line, top)


def rows(title: str, names: Sequence[str], ours: np.ndarray, theirs: np.ndarray | None, note: str = "") -> Markup:
    """The same as `bars`, lying, one below the other, for names that are long."""
    top = max(float(np.max(each, initial=0)) for each in (ours, theirs) if each is not None) or 1.0
    room = WIDTH - NAMES - LEFT
    lines = [
        (name, 15 * k + 4, room * ours[k] / top, None if theirs is None else NAMES + room * theirs[k] / top)
        for k, name in enumerate(names)
    ]
    return render("report/assets/rows.html", title=title, note=note, lines=lines, width=WIDTH, names=NAMES)


def _scaled(ours: np.ndarray, theirs: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None, float]:
    """Heights on the page, counted from its top, and the largest value."""
    top = max(float(np.max(each, initial=0)) for each in (ours, theirs) if each is not None) or 1.0
    heights = [None if each is None else HEIGHT - (HEIGHT - 8) * np.asarray(each) / top for each in (ours, theirs)]
    return heights[0], heights[1], top


def _steps(x: np.ndarray, y: np.ndarray) -> str:
    return "".join(f"V{height:.1f}H{right:.1f}" for height, right in zip(y, x[1:], strict=True))


def _chart(title: str, note: str, ticks: Sequence, area: str, line: str, top: float) -> Markup:
    size = {"width": WIDTH, "height": HEIGHT, "foot": FOOT}
    return render(
        "report/assets/chart.html", title=title, note=note, ticks=ticks, area=area, line=line, top=top, **size
    )
