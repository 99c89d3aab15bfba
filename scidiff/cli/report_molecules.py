"""The molecules' half of the report."""

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

from omegaconf import DictConfig

from scidiff.cli.evaluate import Judged, judge
from scidiff.cli.report import as_table, facts
from scidiff.molecules import evaluate
from scidiff.molecules.report import COUNTED, SHOWN, section
from scidiff.report.page import Section
from scidiff.store.model import find_model, read_header

QUICK = ("strict", "posebusters", "novelty")
"""What generate judges by, and of the first molecules alone; the rest is for scidiff evaluate."""

SETTINGS = ("model", "n", "steps", "seed", "sizes", "churn", "temperature")


def generated(molecules: Collection, config: DictConfig) -> Section:
    """Molecules that were just made, the first of them judged now."""
    found = judge(list(islice(molecules, SHOWN)), None, QUICK)
    header = read_header(find_model(config.model))
    name = header.get("data", {}).get("name")
    reference = evaluate.find(name) if name in evaluate.shipped() else None
    return _section(molecules, found, reference, header.get("sizes"), facts(config, *SETTINGS) | _data(header))


def judged(records: Collection, found: Judged, config: DictConfig) -> Section:
    """Molecules that scidiff evaluate, or the demo, judged."""
    return _section(records, found, found.reference, None, facts(config, "input", "reference", *SETTINGS))


def _section(records: Collection, found: Judged, reference: Any, sizes: Any, how: Mapping[str, str]) -> Section:
    first, tables = list(islice(records, COUNTED)), [as_table(evaluate.table(found.metrics))]
    return section(first, len(records), found.each, found.metrics, reference, sizes, tables, how)


def _data(header: Mapping[str, Any]) -> dict[str, str]:
    """What the model was trained on."""
    data, words = header.get("data", {}), "{n:,} molecules of {name} (licence: {licence})"
    return {"training data": words.format(**data)} if {"n", "name", "licence"} <= data.keys() else {}
