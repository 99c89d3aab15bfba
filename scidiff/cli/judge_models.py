"""The third half of scidiff evaluate: a model of scans, judged on clean held-out scans that it is asked to restore."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig
from rich.console import Console
from rich.table import Table

from scidiff.cli import report
from scidiff.cli.evaluate import write_metrics
from scidiff.cli.progress import progress
from scidiff.report.page import Section
from scidiff.store.atomic import whole
from scidiff.store.errors import UserError
from scidiff.store.model import find_model
from scidiff.volumes import files
from scidiff.volumes.card import card
from scidiff.volumes.model import VolumeModel
from scidiff.volumes.trial.calibrate import calibrate
from scidiff.volumes.trial.judge import judge, published, rows
from scidiff.volumes.trial.trial import setting


def run(config: DictConfig, out: Path) -> None:
    """Calibrate if asked, judge, and write the figures into the model file, its card and `out`.

    Raises:
        UserError: no scans, an unknown setting, or a model of something else.
    """
    path, page = find_model(config.model), report.place(out, config)
    if config.calibrate is not None:
        _calibrate(path, scans_in(config.calibrate))
    names = _names(config.protocols)
    with progress("Judging", None, "restorations") as tick:
        outcomes = judge(path, scans_in(config.input), names, config.side, tick)
    table = rows(outcomes, config.side)
    model = VolumeModel.load(path)
    model = replace(model, header=published(model.header, table))
    model.save(path, overwrite=True)
    with whole(path.with_suffix(".md"), overwrite=True) as temporary:
        temporary.write_text(card(model.header, sum(p.numel() for p in model.network.parameters())), encoding="utf-8")
    write_metrics(out, {"rows": table, "volumes": [asdict(each) for each in outcomes]}, config.overwrite)
    Console().print(screen(table))
    print(f"Figures: {out}\nModel card: {path.with_suffix('.md')}")
    if page is not None:
        tables, how = [report.as_table(screen(table))], report.facts(config, "model", "input", "side", "calibrate")
        section = Section("settings", "Scans", tables=tables, facts=how)
        report.publish(page, f"{model.header['name']} on held-out scans", [section], config.overwrite)


def scans_in(place: str) -> list[Path]:
    """A NIfTI file, or all of a folder.

    Raises:
        UserError: there are none.
    """
    path = Path(place).expanduser()
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.name.endswith(files.ENDINGS))
    if not found:
        raise UserError(f"There are no NIfTI files in {path} to judge by.")
    return found


def _calibrate(path: Path, scans: Sequence[Path]) -> None:
    """Fit trust and widths, and keep them in the model file."""
    model = VolumeModel.load(path)
    with progress("Calibrating", None, "trials") as tick:
        found = calibrate(path, scans, tick)
    facts = {"trust": found.trust, "width": found.width.tasks, "scans": [scan.name for scan in scans]}
    replace(model, header={**model.header, "calibration": facts}).save(path, overwrite=True)


def _names(asked: Any) -> list[str] | None:
    """The settings asked for, or none for all."""
    if asked is None:
        return None
    names = list(asked) if isinstance(asked, ListConfig) else [asked]
    for name in names:
        setting(name)
    return names


def screen(table: Sequence[Mapping[str, Any]]) -> Table:
    """A row a setting: the best classical method, the model, the difference, in the whole volume and the foreground."""
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    found.add_column("setting")
    for heading in ("best classical", "model", "difference", "foreground", "model", "difference", "coverage"):
        found.add_column(heading, justify="right")
    for row in table:
        cells = [cell for part in (row, row["foreground"]) for cell in _cells(part)]
        covered = f"{100 * row['coverage90']:.1f} %" if "coverage90" in row else ""
        found.add_row(row["setting"], *cells, covered)
    return found


def _cells(part: Mapping[str, Any]) -> list[str]:
    rival = f"{part['baseline_psnr']:.2f} ({part['baseline']})"
    return [rival, f"{part['psnr']:.2f}", f"{part['difference']:+.2f}"]
