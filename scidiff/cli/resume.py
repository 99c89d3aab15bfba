"""Continuing an interrupted run: its checkpoint, its own configuration with what may change, its figures so far."""

import csv
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig, OmegaConf

from scidiff.store.errors import UserError

MAY_CHANGE = ("steps", "trainer", "save_every", "score_every", "score_n", "data.source", "data.cache", "debug")


def checkpoint_of(run: str) -> tuple[Path, int]:
    """The last checkpoint of a run, and the steps it had done by then.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = Path(run) / "checkpoints" / "last.ckpt"
    for needed in (path, Path(run) / "config.yaml"):
        if not needed.is_file():
            raise UserError(f"There is nothing to resume in {run}: {needed} is missing.")
    try:
        return path, int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["global_step"])
    except (RuntimeError, ValueError, KeyError, TypeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise UserError(f"{path} is damaged or cut short: {run} cannot be resumed. Train it anew.") from error


def continued(config: DictConfig, typed: Sequence[str], done: int) -> DictConfig:
    """The configuration that the run `config.resume` began with, changed in what was typed and may change.

    Args:
        config: of the new command line. typed: the names of its keys that were typed. done: steps done before.

    Raises:
        UserError: a key that must stay as it was, or nothing is left to do.
    """
    fixed = [name for name in typed if name != "resume" and not _may_change(name)]
    if fixed:
        listed = ", ".join(MAY_CHANGE)
        raise UserError(f"{fixed[0]} cannot change on the way: a resumed run may be given {listed} alone.")
    before = OmegaConf.load(Path(config.resume) / "config.yaml")
    after = OmegaConf.merge(before, {"resume": config.resume})
    for name in {"trainer" if name.startswith("trainer.") else name for name in typed}:
        OmegaConf.update(after, name, OmegaConf.select(config, name), merge=False)
    if done >= after.steps:
        raise UserError(f"{config.resume} has done its {done:,} steps. Add steps=<more> to go on.")
    if "trainer.max_steps" not in typed:
        after.trainer.max_steps = after.steps
    if after.scheduler and after.scheduler.get("steps") == before.steps:
        after.scheduler.steps = after.steps
    return after


def _may_change(name: str) -> bool:
    return name in MAY_CHANGE or name.startswith("trainer.")


def figures_before(folder: Path, done: int) -> list[dict[str, str]]:
    """The rows of metrics.csv up to the checkpoint; those after it will be made again."""
    path = folder / "metrics.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    return [row for row in rows if int(row["step"]) < done or (int(row["step"]) == done and "loss/total" not in row)]


def log_again(logger: Any, rows: Sequence[dict[str, str]]) -> None:
    """Lightning's CSV logger begins its file anew, so it is told the earlier rows; others keep their own past."""
    if isinstance(logger, CSVLogger):
        for row in rows:
            figures = {key: float(value) for key, value in row.items() if key != "step"}
            logger.log_metrics(figures, int(row["step"]))
