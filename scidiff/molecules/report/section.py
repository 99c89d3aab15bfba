"""The section of molecules: how many are sound, what to beware of, the molecules themselves, and the training data."""

from collections.abc import Mapping, Sequence

from rdkit import rdBase

from scidiff.molecules.evaluate import Reference
from scidiff.molecules.evaluate.judgement import Judgement
from scidiff.molecules.report.distributions import COUNTED, charts
from scidiff.molecules.report.entry import Entry, entry
from scidiff.molecules.report.headline import beware, figures
from scidiff.molecules.report.listing import listing
from scidiff.report.pack import pack_json
from scidiff.report.page import Section
from scidiff.report.parts import Table
from scidiff.report.template import render

SHOWN = 200  # molecules on the page, so that it opens at once
NAME = "molecules"
STYLES = ("molecules/report/viewer.css",)
SCRIPTS = ("report/assets/3Dmol-min.js", "molecules/report/viewer.js")


def section(
    records: Sequence[object],
    total: int,
    judged: Sequence[Judgement],
    metrics: Mapping,
    reference: Reference | None = None,
    sizes: Mapping | None = None,
    tables: Sequence[Table] = (),
    facts: Mapping[str, str] | None = None,
) -> Section:
    """What the page says of generated molecules.

    Args:
        records: the first ones, COUNTED or more if there are; what could not be read is whatever is no Molecule.
        total: how many there are.
        judged: what the protocols found of the first ones; as many are shown, SHOWN at most.
        metrics: what `evaluate` returned, of all records or of the first ones.
        reference: the training data, where it is known.
        sizes: atoms in a molecule -> how many, from the model's header.
        tables: of all figures.
        facts: how they were made, name -> value.
    """
    near = reference is not None and "novelty/tanimoto_median" in metrics  # then its fingerprints are made already
    shown = list(zip(records, judged, strict=False))[:SHOWN]
    with rdBase.BlockLogs():
        entries = [entry(k, *pair, reference, near) for k, pair in enumerate(shown, start=1)]
    body = render(
        "molecules/report/section.html",
        shown=_shown(len(entries), total),
        counted=min(len(records), COUNTED),
        total=total,
        listing=listing(entries),
        charts=charts(records, entries, reference, sizes),
        reference=f"training data ({reference.name})" if reference else "training data" if sizes else "",
    )
    return Section(
        NAME,
        "Molecules",
        figures(metrics, entries, total, reference),
        beware(metrics, entries, total, reference),
        body,
        tables,
        {"molecules-data": pack_json([_drawn(each) for each in entries])},
        STYLES,
        SCRIPTS,
        facts or {},
    )


def _shown(shown: int, total: int) -> str:
    return f"All {total:,} are shown." if shown == total else f"The first {shown:,} of {total:,} are shown."


def _drawn(each: Entry) -> dict:
    """What the viewer needs of one molecule."""
    mark = " · ".join(filter(None, (each.why, f"fails {_checks(each)}" if each.failed and not each.why else "")))
    return {
        "n": each.number,
        "formula": each.formula or "unreadable",
        "smiles": each.smiles,
        "mark": mark,
        "remark": each.remark,
        "flat": each.flat,
        "solid": each.solid,
    }


def _checks(each: Entry) -> str:
    return ", ".join(check.replace("_", " ") for check in each.failed)
