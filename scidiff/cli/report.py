"""The page that a verb leaves beside its output: one HTML file, to be opened in any browser, without a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig
from rich.text import Text

from scidiff.report.page import Section, write
from scidiff.report.parts import Cell, Table
from scidiff.store.atomic import claim

if TYPE_CHECKING:
    from rich import table as rich

FILES = ("input", "reference", "baseline", "mask", "sd", "calibrate")
ENDINGS = (".gz", ".sdf", ".xyz", ".nii", ".json")


def place(out: Path, config: DictConfig) -> Path | None:
    """Where the page of an output goes, once it is sure to be free; none where none is wanted.

    Raises:
        UserError: it exists and `overwrite` is false, or its folder cannot be written.
    """
    return claim(beside(out), config.overwrite) if config.report else None


def beside(out: Path) -> Path:
    """molecules.sdf.gz -> molecules.html."""
    name = out.name
    for ending in ENDINGS:
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return out.with_name(f"{name}.html")


def publish(path: Path, title: str, sections: Sequence[Section], overwrite: bool) -> None:
    """Write the page and say where."""
    write(path, title, sections, overwrite)
    print(f"Report:    {path} (open it in a browser)")


def facts(config: Mapping[str, Any], *names: str) -> dict[str, str]:
    """What was typed for these keys, those left to themselves aside."""
    given = {name: config[name] for name in names if name in config}
    kept = {name: value for name, value in given.items() if value not in (None, "", False)}
    return {name: called(value) if name in FILES else Path(str(value)).name for name, value in kept.items()}


def called(path: str | Path) -> str:
    """What a page calls a file: its name alone; nothing of a folder, since those are named after patients."""
    return "a folder" if Path(path).expanduser().is_dir() else Path(path).name


def as_table(screen: "rich.Table") -> Table:
    """A table of the terminal for the page, so that the two cannot disagree."""
    headings = [_plain(column.header).plain for column in screen.columns]
    rows = [[_plain(cell) for cell in row] for row in zip(*(column.cells for column in screen.columns), strict=True)]
    cells = [[Cell(cell.plain, tone="head" if _bold(cell) else "") for cell in row] for row in rows]
    caption = _plain(screen.caption or "").plain
    return Table(headings, cells, caption, words=headings[:1], sortable=False)


def _plain(cell: Any) -> Text:
    return cell if isinstance(cell, Text) else Text.from_markup(str(cell))


def _bold(cell: Text) -> bool:
    return "bold" in str(cell.style) or any("bold" in str(span.style) for span in cell.spans)
