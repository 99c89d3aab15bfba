"""What both halves of scidiff evaluate memorisation=true share: the screen, and the words for a chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scidiff.cli import report
from scidiff.cli.config import write_beside
from scidiff.cli.evaluate import write_metrics
from scidiff.report.chart import curve
from scidiff.report.page import Section

ALARM = 0.01
"""A chance below it is called a finding."""

QUANTILES = (5, 25, 50, 75, 95)  # percent


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of what was made, the same of the control, and perhaps the chance."""

    words: str
    made: str
    control: str = ""
    p: float | None = None


@dataclass(frozen=True)
class Found:
    """An audit, ready to be told.

    Attributes:
        metrics: all figures.
        answers: one sentence each.
        rows: of the table.
        caption: below it.
        chart: heading, least and greatest value, and the nearness of what was made and of the control.
    """

    metrics: dict
    answers: Sequence[str]
    rows: Sequence[Row]
    caption: str
    chart: tuple[str, float, float, np.ndarray, np.ndarray]


def publish(config: DictConfig, out: Path, page: Path | None, found: Found) -> None:
    """Write the figures and the page, and show the table and the answers."""
    write_metrics(out, {"answers": list(found.answers), **found.metrics}, config.overwrite)
    write_beside(config, out)
    screen = table(found)
    Console().print(screen)
    for answer in found.answers:
        print(answer)
    print(f"Figures: {out}")
    if page is not None:
        title = f"Memorisation: {report.called(config.input)}"
        report.publish(page, title, [section(found, screen, config)], config.overwrite)


def table(found: Found) -> Table:
    """A row a figure."""
    screen = Table(caption=Text(found.caption), caption_justify="left", pad_edge=False)
    screen.add_column("")
    for heading in ("generated", "control", "p"):
        screen.add_column(heading, justify="right")
    for row in found.rows:
        screen.add_row(row.words, row.made, row.control, "" if row.p is None else chance(row.p))
    return screen


def section(found: Found, screen: Table, config: DictConfig) -> Section:
    """The page's part: the answers, both distributions, every figure."""
    heading, low, high, made, control = found.chart
    edges = np.linspace(low, high, 41)
    shares = [np.histogram(each, edges)[0] / max(len(each), 1) for each in (made, control)]
    lead = "".join(f"<p>{Markup.escape(answer)}</p>" for answer in found.answers)
    drawn = curve(heading, edges, *shares, note="generated filled, held-out as a line") if len(made) else Markup("")
    body = Markup("{}<div class='charts'>{}</div>").format(Markup(lead), drawn)
    how = report.facts(config, "input", "reference", "control")
    return Section("memorisation", "Memorisation", body=body, tables=[report.as_table(screen)], facts=how)


def quantiles(name: str, values: np.ndarray) -> dict[str, float]:
    """Figures "name/q05" and so on; none of nothing."""
    levels = [f"{name}/q{level:02}" for level in QUANTILES]
    return dict(zip(levels, np.percentile(values, QUANTILES).tolist(), strict=True)) if len(values) else {}


def spread(values: np.ndarray) -> str:
    """Median and the middle nine tenths, as 0.48 (0.31 to 0.69)."""
    if not len(values):
        return "none"
    low, middle, high = np.percentile(values, (5, 50, 95))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def chance(p: float) -> str:
    """A p-value in few digits."""
    return "< 1e-6" if p < 1e-6 else f"{p:.2g}"


def told(p: float) -> str:
    """The same inside a sentence."""
    return f"p {chance(p)}" if p < 1e-6 else f"p = {chance(p)}"
