"""Continuing an interrupted run: its checkpoint, its own configuration with what may change, its figures so far."""

import csv
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from scidiff.cli.config import check
from scidiff.cli.speed import duration
from scidiff.store.build import DEEPEST
from scidiff.store.errors import UserError
from scidiff.training.speed import seconds_of

MAY_CHANGE = (
    "steps",
    "trainer",
    "save_every",
    "score_every",
    "score_n",
    "data.source",
    "data.cache",
    "compile",
    "debug",
)
_NEEDED = (
    "data", "process", "network", "parameterization", "objective", "sampler", "optimizer", "scheduler", "callbacks",
    "logger", "trainer", "name", "seed", "steps", "batch", "save_every", "score_every", "score_n", "recipe",
)  # fmt: skip
_LONGEST = 100_000  # characters; ours have five thousand


def checkpoint_of(run: str) -> tuple[Path, int, float]:
    """The last checkpoint of a run, the steps it had done by then, and the seconds they took.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = Path(run) / "checkpoints" / "last.ckpt"
    for needed in (path, Path(run) / "config.yaml"):
        if not needed.is_file():
            raise UserError(f"There is nothing to resume in {run}: {needed} is missing.")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return path, int(found["global_step"]), float(found["callbacks"].get("Speed", {}).get("seconds", 0))
    except Exception as error:  # torch raises many kinds for damaged files; what is no tensor or number is not opened
        raise UserError(f"{path} is damaged or cut short: {run} cannot be resumed. Train it anew.") from error


def continued(config: DictConfig, typed: Sequence[str], done: int, seconds: float = 0.0) -> DictConfig:
    """The configuration that the run `config.resume` began with, changed in what was typed and may change.

    Args:
        config: of the new command line. typed: the names of its keys that were typed. done: steps done before.
        seconds: that they took.

    Raises:
        UserError: a key that must stay as it was, or nothing is left to do.
    """
    fixed = [name for name in typed if name != "resume" and not _may_change(name)]
    if fixed:
        listed = ", ".join(MAY_CHANGE)
        raise UserError(f"{fixed[0]} cannot change on the way: a resumed run may be given {listed} alone.")
    before = configuration_of(config.resume)
    after = OmegaConf.merge(before, {"resume": config.resume})
    for name in sorted(typed):  # a group before its keys
        OmegaConf.update(after, name, OmegaConf.select(config, name), merge=False, force_add=True)
    check(after, "train")
    if done >= after.steps:
        raise UserError(f"{config.resume} has done its {done:,} steps. Add steps=<more> to go on.")
    limit = seconds_of(after.trainer.get("max_time"))
    if limit is not None and seconds >= limit:
        spent = f"{config.resume} has trained for its {duration(limit)}, all pieces counted"
        raise UserError(f"{spent}. Add trainer.max_time=<more>, or =null, to go on.")
    if "trainer.max_steps" not in typed:
        after.trainer.max_steps = after.steps
    if after.scheduler and after.scheduler.get("steps") == before.steps:
        after.scheduler.steps = after.steps
    return after


def configuration_of(run: str) -> DictConfig:
    """What a run began with: plain values, as we write them.

    A stranger's might refer to itself without end, or to our environment; such a file is refused.

    Raises:
        UserError: it cannot be read, or is not one of ours.
    """
    path = Path(run) / "config.yaml"
    try:
        text = path.read_text(encoding="utf-8")
        if len(text) > _LONGEST or _depth(text) > DEEPEST or "${" in text:
            raise ValueError("it is none of ours")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise ValueError("it holds references")
        config = OmegaConf.create(text)
        if not isinstance(config, DictConfig) or any(name not in config for name in _NEEDED):
            raise ValueError("something is missing")
    except (OSError, ValueError, RecursionError, AttributeError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{path} is damaged, or not the configuration of a run: {run} cannot be resumed.") from error
    return config


def _depth(text: str) -> int:
    """Of brackets: YAML's parser takes minutes for a few thousand."""
    return max(accumulate({"[": 1, "{": 1, "]": -1, "}": -1}.get(sign, 0) for sign in text), default=0)


def _may_change(name: str) -> bool:
    return name in MAY_CHANGE or name.startswith("trainer.")


def figures_before(folder: Path, done: int) -> list[dict[str, float]]:
    """The rows of metrics.csv up to the checkpoint; those after it will be made again.

    A row that cannot be read, as the last one of a run that was killed, is left out.
    """
    path = folder / "metrics.csv"
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").replace("\0", "").splitlines()
    rows = [row for row in map(_numbers, csv.DictReader(lines, strict=False)) if row]
    return [row for row in rows if row["step"] < done or (row["step"] == done and "loss/total" not in row)]


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """A row's figures, or nothing where one cannot be read."""
    try:
        figures = {str(key): float(value) for key, value in row.items() if value}
        return figures if figures["step"].is_integer() else {}
    except (ValueError, TypeError, KeyError):
        return {}


def log_again(logger: Any, rows: Sequence[dict[str, float]]) -> None:
    """Lightning's CSV logger begins its file anew, so it is told the earlier rows; others keep their own past."""
    if isinstance(logger, CSVLogger):
        for row in rows:
            figures = {key: value for key, value in row.items() if key != "step"}
            logger.log_metrics(figures, int(row["step"]))
