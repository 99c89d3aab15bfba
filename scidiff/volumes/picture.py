"""A page of slices to look at: what came in, the classical answer, ours, and how sure of it we are.

Every column is one volume, every row one plane through the middle of the patient, all in one scale of millimetres and
one of grays. Standard deviations and errors share one scale of colours, so that one can be held against the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from scidiff.store.atomic import whole
from scidiff.store.errors import UserError
from scidiff.volumes.intensity import Percentiles
from scidiff.volumes.slices import ENDS, Patient, Plane
from scidiff.volumes.volume import Volume

KINDS = ("image", "sd", "error")
CT_WINDOW = (-160.0, 240.0)  # HU: soft tissue
TAIL = 99.5  # percentile of what the maps show that ends their colours
RULERS = (100, 50, 20, 10, 5, 2, 1)  # millimetres: the longest that is under 0.4 of its cell

DPI = 160
COLUMN, NARROWEST, WIDEST, TALLEST = 2.9, 1.7, 17.0, 10.0  # inches: one column, at most and at least; all; all rows
THINNEST = 0.5  # inches of a row
LEFT, RIGHT, TOP, BOTTOM, GAP = 0.42, 0.15, 0.42, 0.62, 0.09  # inches: rims of the page, between cells
LINE, LETTER, BOLD = 0.16, 0.066, 0.105  # inches: a line of text, a letter of a caption, one of a name
PAPER, INK, GREY, MARK = "#0e0f11", "#f2f2f0", "#a4a7ad", "#ffc63d"
HALO = [withStroke(linewidth=2.2, foreground="black")]  # around what stands on the slices
TYPE: dict[str, Any] = {"family": "DejaVu Sans", "color": GREY, "ha": "center", "parse_math": False}


@dataclass(frozen=True, eq=False)
class Panel:
    """One column of the page.

    Args:
        name: what it is, to stand above it.
        data: (X, Y, Z), in the units of the scan.
        kind: "image" in the grays of the scan; "sd", or "error" whose sign is not shown, in colours.
        caption: a line below the name, such as a figure.
        affine: (4, 4), where its voxels lie if not on the scan's grid; it is then shown by its nearest voxels.

    Raises:
        ValueError: an unknown kind, or the data has not three axes.
    """

    name: str
    data: np.ndarray
    kind: str = "image"
    caption: str = ""
    affine: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS or np.ndim(self.data) != 3:
            raise ValueError(f"a panel is one of {', '.join(KINDS)} and (X, Y, Z), not {self.kind}, {self.data.shape}")


def draw(
    path: str | Path,
    panels: Sequence[Panel],
    volume: Volume,
    title: str = "",
    window: tuple[float, float] | None = None,
    overwrite: bool = False,
) -> Path:
    """Draw the panels side by side, and write the page whole or not at all.

    Args:
        path: ends in .png.
        panels: at least one, from left to right.
        volume: the scan whose grid, patient and grays they are shown by.
        title: of the page.
        window: intensities shown black and white; if none, soft tissue for CT, else from no signal to the 99.5
            percentile of the foreground.
        overwrite: write over an existing file.

    Raises:
        UserError: another ending, no panels, or the file cannot be written.
        ValueError: a panel without an affine has another shape than the scan.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise UserError(f"{path}: a picture of scans ends in .png.")
    if not panels:
        raise UserError("A picture needs at least one panel.")
    for panel in panels:
        if panel.affine is None and panel.data.shape != volume.shape:
            raise ValueError(f"{panel.name} is {panel.data.shape}, the scan {volume.shape}; give its affine")
    with whole(path, overwrite) as temporary:
        figure = _page(Patient.of(volume), panels, title, window)
        FigureCanvasAgg(figure).print_png(temporary, metadata={"Software": None})
    return path


@dataclass(frozen=True)
class _Sheet:
    """Where things stand on the page, in inches from its lower left.

    Attributes:
        scale: inches a millimetre, everywhere.
        column: width of every cell.
        rows: their heights, from the top.
        roof: where they begin, below title and captions.
    """

    figure: Figure
    scale: float
    column: float
    rows: tuple[float, ...]
    roof: float

    @classmethod
    def of(cls, patient: Patient, panels: Sequence[Panel], title: str) -> "_Sheet":
        across, up = zip(*(patient.size(plane) for plane in patient.planes), strict=True)
        scale = min(COLUMN / max(across), WIDEST / len(panels) / max(across), TALLEST / sum(up))
        column, rows = max(scale * max(across), NARROWEST), tuple(max(scale * size, THINNEST) for size in up)
        lines = max(len(_wrapped(panel, column)) for panel in panels)
        roof = BOTTOM + sum(rows) + GAP * (len(rows) - 1)
        width = LEFT + len(panels) * (column + GAP) - GAP + RIGHT
        height = roof + LINE * (lines + 2) + TOP * bool(title)
        return cls(Figure((width, height), dpi=DPI, facecolor=PAPER), scale, column, rows, roof)

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """The lower left of a cell."""
        return LEFT + column * (self.column + GAP), self.roof - sum(self.rows[: row + 1]) - GAP * row

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes at a place."""
        across, up = self.figure.get_size_inches()
        return self.figure.add_axes((left / across, bottom / up, width / across, height / up))

    def write(self, x: float, y: float, text: str, size: float, **how: Any) -> None:
        """Text at a place."""
        across, up = self.figure.get_size_inches()
        self.figure.text(x / across, y / up, text, **TYPE | {"size": size} | how)


def _page(patient: Patient, panels: Sequence[Panel], title: str, window: tuple[float, float] | None) -> Figure:
    """All of it."""
    sheet = _Sheet.of(patient, panels, title)
    cuts = [[_cut(patient, plane, panel) for panel in panels] for plane in patient.planes]
    maps = [cut for row in cuts for cut, panel in zip(row, panels, strict=True) if panel.kind != "image"]
    grays, heat = _shade("gray", *(window or window_of(patient))), _shade("inferno", 0.0, highest(maps))
    shades = [grays if panel.kind == "image" else heat for panel in panels]
    _headings(sheet, panels, title)
    for row, plane in enumerate(patient.planes):
        left, bottom = sheet.corner(row, 0)
        sheet.write(left - 0.15, bottom + sheet.rows[row] / 2, patient.position(plane), 8, rotation=90, va="center")
        for column, (cut, shade) in enumerate(zip(cuts[row], shades, strict=True)):
            axes = _cell(sheet, row, column, patient.size(plane), cut, shade)
            if column == 0:
                _letters(axes, plane)
            if column == row == 0:
                _ruler(axes, patient.size(plane))
    unit = "HU" if patient.volume.modality == "CT" else "scan units"
    for shade, run in groupby(range(len(panels)), key=shades.__getitem__):
        _colour_bar(sheet, list(run), shade, unit)
    return sheet.figure


def _cut(patient: Patient, plane: Plane, panel: Panel) -> np.ndarray:
    """What one cell shows."""
    pixels = patient.cut(plane, panel.data, panel.affine)
    return np.abs(pixels) if panel.kind == "error" else pixels


def _headings(sheet: _Sheet, panels: Sequence[Panel], title: str) -> None:
    """The title, and what each column is."""
    sheet.write(LEFT, sheet.figure.get_figheight() - 0.15, title, 12.5, color=INK, ha="left", va="top")
    top = sheet.roof + LINE * (max(len(_wrapped(panel, sheet.column)) for panel in panels) + 0.6)
    for column, panel in enumerate(panels):
        middle = sheet.corner(0, column)[0] + sheet.column / 2
        size = min(10.0, 10.0 * sheet.column / (BOLD * max(len(panel.name), 1)))
        sheet.write(middle, top, panel.name, size, color=INK, weight="bold")
        for line, text in enumerate(_wrapped(panel, sheet.column), start=1):
            sheet.write(middle, top - LINE * line, text, 8)


def _wrapped(panel: Panel, width: float) -> list[str]:
    """The caption's lines, none wider than a column."""
    return [line for part in panel.caption.splitlines() for line in wrap(part, int(width / LETTER))]


def _cell(
    sheet: _Sheet, row: int, column: int, size: tuple[float, float], cut: np.ndarray, shade: ScalarMappable
) -> Axes:
    """One slice in the middle of its cell, at its true proportions."""
    (left, bottom), width, height = sheet.corner(row, column), sheet.scale * size[0], sheet.scale * size[1]
    axes = sheet.axes(left + (sheet.column - width) / 2, bottom + (sheet.rows[row] - height) / 2, width, height)
    axes.set_axis_off()
    axes.imshow(cut, cmap=shade.cmap, norm=shade.norm, origin="lower", aspect="auto", interpolation_stage="data")
    return axes


def _letters(axes: Axes, plane: Plane) -> None:
    """Which side of the patient is where."""
    for axis, places in ((plane.across, ((0.02, 0.5), (0.98, 0.5))), (plane.up, ((0.5, 0.02), (0.5, 0.98)))):
        for (x, y), letter in zip(places, ENDS[axis], strict=True):
            ha, va = {0.02: "left", 0.98: "right"}.get(x, "center"), {0.02: "bottom", 0.98: "top"}.get(y, "center")
            how = {"size": 8, "weight": "bold", "color": MARK, "ha": ha, "va": va, "path_effects": HALO}
            axes.text(x, y, letter, transform=axes.transAxes, **TYPE | how)


def _ruler(axes: Axes, size: tuple[float, float]) -> None:
    """How long some millimetres are."""
    length = next((each for each in RULERS if each < 0.4 * size[0]), RULERS[-1])
    right = 0.03 + length / size[0]
    axes.plot([0.03, right], [0.03, 0.03], transform=axes.transAxes, color=INK, lw=1.5, solid_capstyle="butt")
    how = {"size": 7, "color": INK, "ha": "left", "va": "bottom", "path_effects": HALO}
    axes.text(0.03, 0.045, f"{length} mm", transform=axes.transAxes, **TYPE | how)


def _shade(colours: str, low: float, high: float) -> ScalarMappable:
    """Numbers to colours; none where a panel has no voxels."""
    return ScalarMappable(Normalize(low, high), colormaps[colours].with_extremes(bad=PAPER))


def window_of(patient: Patient) -> tuple[float, float]:
    """The intensities shown black and white: soft tissue for CT, else from no signal to the 99.5 percentile."""
    if patient.volume.modality == "CT":
        return CT_WINDOW
    try:
        scale = Percentiles().fit(patient.volume, patient.mask)
    except ValueError:  # a constant volume
        return 0.0, 1.0
    return scale.low, scale.high


def highest(maps: Iterable[np.ndarray]) -> float:
    """Where the colours of all maps end, so that they can be compared."""
    ends = [float(np.nanpercentile(each, TAIL)) for each in maps if np.isfinite(each).any()]
    return max(ends, default=0.0) or 1.0


def _colour_bar(sheet: _Sheet, columns: Sequence[int], shade: ScalarMappable, unit: str) -> None:
    """Below neighbouring columns of one kind: what their colours mean."""
    left, right = sheet.corner(0, columns[0])[0], sheet.corner(0, columns[-1])[0] + sheet.column
    width = 0.8 * sheet.column
    axes = sheet.axes((left + right - width) / 2, BOTTOM - 0.22, width, 0.09)
    bar = sheet.figure.colorbar(shade, cax=axes, orientation="horizontal", ticks=MaxNLocator(4))
    bar.outline.set_visible(False)
    axes.tick_params(colors=GREY, labelsize=7.5, length=2, pad=2)
    bar.set_label(unit, **{key: TYPE[key] for key in ("family", "color")}, size=7.5, labelpad=1)
