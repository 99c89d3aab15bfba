"""Lightning's trainer as a run configures it: its callbacks, its logger, and none of its own words on the screen."""

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException

from scidiff.cli.progress import progress
from scidiff.store.build import build
from scidiff.store.errors import UserError
from scidiff.training.callbacks import KeepLast, KeepModelFile, KeepOnDevice, SampleAndScore
from scidiff.training.checkpoints import WholeCheckpoints
from scidiff.training.progress import ShowProgress
from scidiff.training.speed import Speed

HEADER = ("device", "seconds", "samples_per_second", "peak_memory")  # what a model file says of the speed


def trainer_of(config: Mapping[str, Any], folder: Path, model: Any, batches: Any, speed: Speed) -> lightning.Trainer:
    """The trainer of a run.

    Raises:
        UserError: a setting that this machine or this domain cannot have.
    """
    hush()
    callbacks = [_callback(each, folder) for each in config["callbacks"]]
    callbacks += [KeepOnDevice(batches), speed, KeepLast(str(folder / "checkpoints" / "last.ckpt"))]
    callbacks.append(ShowProgress(lambda steps: progress("training", steps, "steps"), speed.share_of_time))
    callbacks.append(KeepModelFile(_save(model, config, folder, speed), config["save_every"]))
    if config["score_every"]:
        if not hasattr(model, "score"):
            raise UserError("Only molecules are scored while a model is trained: set score_every=0.")
        score = partial(model.score, config["score_n"], config["seed"])
        callbacks.append(SampleAndScore(score, config["score_every"]))
    ours = {"max_time": None, "enable_progress_bar": False, "plugins": [WholeCheckpoints()]}  # the time: see Speed
    logger = build(config["logger"], save_dir=str(folder), name="", version="")
    try:
        return build(config["trainer"], callbacks=callbacks, logger=logger, **ours)
    except MisconfigurationException as error:
        raise UserError(f"This machine cannot train so: {str(error).rstrip('.!')}. Try trainer=cpu.") from error


def hush() -> None:
    """Lightning tells what devices there are, what else could be bought, and when it stops; we say what matters."""
    warnings.filterwarnings("ignore", module="lightning")  # their advice speaks of data loaders, which we have none of
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _callback(config: Any, folder: Path) -> Any:
    """One callback; checkpoints stay in the run's folder, whatever its configuration says."""
    if not isinstance(config, Mapping) or not str(config.get("_target_")).endswith("ModelCheckpoint"):
        return build(config)
    if {"/", "\\"} & set(str(config.get("filename"))):
        raise UserError(f"callbacks: filename={config['filename']} would lead out of the run's folder.")
    return build(config, dirpath=str(folder / "checkpoints"))


def _save(model: Any, config: Mapping[str, Any], folder: Path, speed: Speed) -> Callable[[Mapping[str, Any]], None]:
    def save(facts: Mapping[str, Any]) -> None:
        said = {key: speed.figures()[key] for key in HEADER}
        said |= {key: float(f"{value:.3g}") for key, value in said.items() if isinstance(value, float)}
        training = {**facts, "batch": config["batch"], "recipe": config["recipe"], **said}
        named = replace(model, header={**model.header, "training": training})
        named.save(folder / "model.safetensors", overwrite=True)

    return save
