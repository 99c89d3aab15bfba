"""The section of a scan: how good, what to beware of, the planes, and every figure with the protocol it was made by."""

from collections.abc import Mapping, Sequence

from scidiff.report.pack import pack, pack_json
from scidiff.report.page import Section
from scidiff.report.parts import Figure, Table
from scidiff.report.template import render
from scidiff.volumes.picture import Panel
from scidiff.volumes.report.view import LEVELS, Packed, View, look_at, packed
from scidiff.volumes.slices import ENDS
from scidiff.volumes.volume import Volume

NAME = "scan"
STYLES = ("volumes/report/viewer.css",)
SCRIPTS = ("volumes/report/viewer.js",)
GRAYS = LEVELS["image"]
PLANES = ("axial", "coronal", "sagittal")


def section(
    scan: Volume,
    panels: Sequence[Panel],
    figures: Sequence[Figure] = (),
    beware: Sequence[str] = (),
    tables: Sequence[Table] = (),
    facts: Mapping[str, str] | None = None,
) -> Section:
    """What the page says of a scan.

    Args:
        scan: whose grid, patient and grays the panels are shown by.
        panels: what to look at, from left to right.
        figures: what to read first.
        beware: sentences.
        tables: of all figures.
        facts: how it was made, name -> value.
    """
    view = look_at(scan)
    made = packed(view, panels)
    body = render("volumes/report/section.html", planes=_planes(view), layers=made, grid=_grid(view))
    data = {"scan-data": pack_json(_about(view, made))}
    data |= {f"scan-layer-{k}": pack(each.codes) for k, each in enumerate(made)}
    return Section(NAME, "Scan", figures, beware, body, tables, data, STYLES, SCRIPTS, facts or {})


def _planes(view: View) -> list[dict]:
    """The cuts that show more than a line, each with its slider."""
    through = {plane.name: plane.through for plane in view.patient.planes}
    return [
        {"name": name, "axis": through[name], "last": view.shape[through[name]] - 1, "at": view.centre[through[name]]}
        for name in PLANES
        if name in through
    ]


def _grid(view: View) -> str:
    """What is left out, in a sentence."""
    spacing = " x ".join(f"{size:.3g}" for size in view.spacing)
    if not view.coarser:
        return f"Every voxel around the patient is here ({spacing} mm), in {GRAYS} grays."
    own = " x ".join(f"{size:.3g}" for size in view.patient.volume.spacing)
    return (
        f"To stay small, this page shows a scan of {own} mm by the nearest voxel every {spacing} mm, in {GRAYS} grays."
    )


def _about(view: View, layers: Sequence[Packed]) -> dict:
    """What the viewer needs to know."""
    return {
        "shape": view.shape,
        "spacing": view.spacing,
        "places": view.millimetres,
        "centre": view.centre,
        "ends": ENDS,
        "planes": [{"name": p.name, "across": p.across, "up": p.up, "through": p.through} for p in view.patient.planes],
        "unit": "HU" if view.patient.volume.modality == "CT" else "",
        "layers": [
            {
                "name": each.panel.name,
                "kind": each.panel.kind,
                "low": each.low,
                "high": each.high,
                "levels": each.levels,
            }
            for each in layers
        ],
    }
