"""scidiff evaluate: the molecules of any tool's file, or restored scans against the true ones, judged;
or, where memorisation=true, held against training data and held-out data.

Which of the two it is follows from `input` alone, before anything of the other domain is loaded: who installed
scidiff[volumes] needs no RDKit, and the reverse.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from scidiff.cli.config import folder, write_beside
from scidiff.cli.progress import progress
from scidiff.store.atomic import claim, whole
from scidiff.store.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

MEANT_FOR = {
    "molecules": ("protocols", "processes", "relax", "model"),
    "volumes": ("baseline", "mask", "sd", "regions", "frame"),
    "models": ("protocols", "model", "calibrate", "side"),
}
"""What can be judged -> the keys that mean something for it, among those that do not for all."""

AUDITED = ("processes", "frame")
"""Those of them that memorisation=true looks at."""

SCANS = (".nii", ".nii.gz", ".dcm", ".hdr", ".img", ".mgh", ".mgz", ".mha", ".nrrd")
"""Endings of scans; the reader of volumes says what to do with those that it cannot read."""


def run(config: DictConfig) -> None:
    """Judge what `config.input` holds.

    Raises:
        UserError: no such file, keys of the other domain, no reference for a scan, or as the domain's own half.
    """
    domain = _domain(Path(config.input).expanduser())
    if domain == "volumes" and config.model is not None and not config.memorisation:
        domain = "models"  # of scans, which restore what is given
    _check_keys(config, domain)
    half = "audit" if config.memorisation else "judge"
    import_module(f"scidiff.cli.{half}_{domain}").run(config, claim(config.out, config.overwrite))


def publish(config: DictConfig, out: Path, metrics: dict, screen: "Table") -> None:
    """Write the figures, with the configuration beside them, and show them."""
    write_metrics(out, metrics, config.overwrite)
    write_beside(config, out)
    Console().print(screen)
    print(f"Figures: {out}")


def write_metrics(out: Path, metrics: dict, overwrite: bool) -> None:
    """Write the figures as JSON."""
    with whole(out, overwrite) as temporary:
        temporary.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Judged:
    """What judging molecules found.

    Attributes:
        metrics: all figures.
        each: the judgements, one for each record.
        reference: the training data they were held against, if any.
    """

    metrics: dict
    each: Sequence[Any]
    reference: Any


def judge(records: Sequence, name: str | None, protocols: Sequence[str], processes: int | None = None) -> Judged:
    """The figures of molecules, beside those of the reference of this name."""
    from scidiff.molecules import evaluate

    each: list = []
    processes = _cores() if processes is None else processes
    reference = None
    if name is not None:
        with progress(f"Preparing {name}", None, "molecules") as tick:
            reference = evaluate.find(name, max(processes, 1), tick)
    with progress("Judging", len(records), "molecules") as tick:
        metrics = evaluate.evaluate(records, reference, protocols, processes, tick, each.append)
    return Judged(metrics, each, reference)


def _cores() -> int:
    """Cores this process may use; not every system tells them apart from those there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _domain(path: Path) -> str:
    """One of DOMAINS; a folder holds scans."""
    if path.is_dir() or path.name.lower().endswith(SCANS):
        return "volumes"
    if not path.suffix and not path.exists():
        raise UserError(f"There is no file or folder {path}.")
    return "molecules"


def _check_audit(config: DictConfig, domain: str, usual: Any) -> None:
    """Refuse what an audit does not look at, and scans without those that they are held against."""
    for key in sorted({key for keys in MEANT_FOR.values() for key in keys} - set(AUDITED)):
        if config[key] != usual[key]:
            raise UserError(
                f"{key}= is not for memorisation=true, which is an audit of its own; leave one of them out."
            )
    if domain == "volumes" and config.reference in (None, usual.reference):
        raise UserError("memorisation=true needs the scans that were trained on: add reference=<their folder>.")


def _check_keys(config: DictConfig, domain: str) -> None:
    """Refuse what was typed for the other domain, and a scan without its truth."""
    usual = OmegaConf.load(folder() / "evaluate.yaml")
    for other, keys in MEANT_FOR.items():
        for key in set(keys) - set(MEANT_FOR[domain]):
            if config[key] != usual[key]:
                raise UserError(f"{key}= is for {other}, and {config.input} is judged as {domain}; leave {key}= out.")
    if config.memorisation:
        _check_audit(config, domain, usual)
    elif config.control is not None:
        raise UserError("control= is for memorisation=true; leave it out, or add that.")
    elif domain == "volumes" and config.reference in (None, usual.reference):
        raise UserError(f"A scan is judged against the true one: add reference=... with the truth of {config.input}.")
