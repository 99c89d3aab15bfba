"""scidiff train: from a configuration to a run's folder: config.yaml, metrics.csv, checkpoints, model.safetensors."""

import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf, open_dict

import scidiff
from scidiff.cli.fit import fit
from scidiff.cli.progress import progress
from scidiff.cli.resume import checkpoint_of, continued, figures_before, log_again
from scidiff.store.atomic import whole
from scidiff.store.build import build
from scidiff.store.errors import UserError
from scidiff.store.model import find_model, load_model
from scidiff.store.weights import fill
from scidiff.training.batches import GroupedBatches
from scidiff.training.callbacks import KeepModelFile, SampleAndScore
from scidiff.training.checkpoints import WholeCheckpoints
from scidiff.training.module import DiffusionModule

MODEL_KEYS = ("network", "process", "parameterization", "sampler")  # what a model file needs of the configuration


def run(config: DictConfig) -> None:
    """Train, or continue the run named by `resume`.

    Raises:
        UserError: the folder, the data, the checkpoint or a setting will not do, or the loss stays not finite.
    """
    with open_dict(config):
        typed = config.pop("typed", [])
    folder, checkpoint, done = _folder(config)
    if checkpoint:
        config = continued(config, typed, done)
    plain = OmegaConf.to_container(config, resolve=True)
    torch.manual_seed(plain["seed"])
    data = _data(plain)
    batches = _batches(data, plain, done)
    facts = header(plain, data)
    model = scidiff.model_class(facts["domain"]).create(facts)
    if plain.get("init") and not checkpoint:  # a run of an older version does not have the key
        begin_with(model, plain["init"])
    module, figures = _module(plain, model), figures_before(folder, done) if checkpoint else []
    trainer = _trainer(plain, folder, model)
    _begin(config, folder, fresh=checkpoint is None)
    log_again(trainer.logger, figures)
    print(_opening(model, data, batches, plain))
    fit(trainer, module, batches, folder, checkpoint, plain["batch"])
    print(f"Wrote {folder / 'model.safetensors'}.")  # by KeepModelFile, in the process that trained


def begin_with(model: Any, path: str) -> None:
    """Take the weights of another model of the same network: to go on from it with other data, elements or tasks.

    Raises:
        UserError: it is no model file, or its network is another.
    """
    tensors, facts = load_model(find_model(path))
    if facts["domain"] == "molecules" and model.header["domain"] == "molecules":
        tensors = model.adopt(tensors, facts)
    fill(
        model.network,
        tensors,
        f"init={path}: its network is not the one that is to be trained. Set network= as it has it, or init=null.",
    )


def header(config: Mapping[str, Any], data: Any) -> dict[str, Any]:
    """The header of the model file: the part of the configuration it is built from, and the facts of its data."""
    facts = {"name": config["name"], "version": scidiff.__version__, "seed": config["seed"], **data.facts()}
    return {**facts, "config": {key: config[key] for key in MODEL_KEYS}}


def _folder(config: DictConfig) -> tuple[Path, Path | None, int]:
    """The run's folder, the checkpoint to start from, and the steps done by then."""
    if config.resume:
        return Path(config.resume), *checkpoint_of(config.resume)
    folder = Path(config.out)
    if (folder / "config.yaml").exists() and not config.overwrite:
        raise UserError(f"{folder} holds a run already. Choose another out=, or resume={folder}, or overwrite=true.")
    return folder, None, 0


def _data(config: Mapping[str, Any]) -> Any:
    with progress("preparing the data", 1, "pieces") as show:
        data = build(config["data"], progress=lambda done, total: show(done, total))
        if hasattr(data, "foresee"):
            print(_foreseen(data, config))
        str(data)  # reads and prepares it
    return data


def _foreseen(data: Any, config: Mapping[str, Any]) -> str:
    """What the work will take, by a network of the same kind, which leaves no trace in the random numbers."""
    with torch.random.fork_rng(devices=[]):
        network = build(config["network"])
    return data.foresee(network, config["batch"], _gpus(config["trainer"]))


def _gpus(trainer: Mapping[str, Any]) -> int:
    """How many GPUs will share a batch; none if a processor does the work."""
    kind, devices = trainer.get("accelerator", "auto"), trainer.get("devices", "auto")
    if kind not in ("gpu", "cuda", "auto") or not torch.cuda.is_available():
        return 0
    if isinstance(devices, list):
        return len(devices)
    return int(devices) if str(devices).isdigit() else torch.cuda.device_count()


def _batches(data: Any, config: Mapping[str, Any], first: int) -> Any:
    """Scans cut their own patches; molecules come in groups of one size."""
    if hasattr(data, "batches"):
        return data.batches(config["batch"], config["seed"], first)
    return GroupedBatches(data.groups(), config["batch"], config["seed"], first)


def _module(config: Mapping[str, Any], model: Any) -> DiffusionModule:
    objective = build(
        config["objective"], processes=model.processes, parameterizations=model.denoiser.parameterizations
    )
    optimizer, rate = build(config["optimizer"]), build(config["scheduler"])
    model.network.train()
    return DiffusionModule(model.denoiser, objective, optimizer, rate, config["seed"])


def _trainer(config: Mapping[str, Any], folder: Path, model: Any) -> lightning.Trainer:
    warnings.filterwarnings("ignore", module="lightning")  # their advice speaks of data loaders, which we have none of
    callbacks = [_callback(each, folder) for each in config["callbacks"]]
    callbacks.append(KeepModelFile(_save(model, config, folder), config["save_every"]))
    if config["score_every"]:
        if not hasattr(model, "score"):
            raise UserError("Only molecules are scored while a model is trained: set score_every=0.")
        score = partial(model.score, config["score_n"], config["seed"])
        callbacks.append(SampleAndScore(score, config["score_every"]))
    logger = build(config["logger"], save_dir=str(folder), name="", version="")
    try:
        return build(config["trainer"], callbacks=callbacks, logger=logger, plugins=[WholeCheckpoints()])
    except MisconfigurationException as error:
        raise UserError(f"This machine cannot train so: {str(error).rstrip('.!')}. Try trainer=cpu.") from error


def _callback(config: Any, folder: Path) -> Any:
    """One callback; checkpoints stay in the run's folder, whatever its configuration says."""
    if not isinstance(config, Mapping) or not str(config.get("_target_")).endswith("ModelCheckpoint"):
        return build(config)
    if {"/", "\\"} & set(str(config.get("filename"))):
        raise UserError(f"callbacks: filename={config['filename']} would lead out of the run's folder.")
    return build(config, dirpath=str(folder / "checkpoints"))


def _save(model: Any, config: Mapping[str, Any], folder: Path) -> Callable[[Mapping[str, Any]], None]:
    def save(facts: Mapping[str, Any]) -> None:
        training = {**facts, "batch": config["batch"], "recipe": config["recipe"]}
        named = replace(model, header={**model.header, "training": training})
        named.save(folder / "model.safetensors", overwrite=True)

    return save


def _begin(config: DictConfig, folder: Path, fresh: bool) -> None:
    """Write the configuration; the checkpoints of a run that is written over must not be resumed by mistake."""
    with whole(folder / "config.yaml", overwrite=True) as temporary:
        temporary.write_text(OmegaConf.to_yaml(config, resolve=True))
    if fresh:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def _opening(model: Any, data: Any, batches: Any, config: Mapping[str, Any]) -> str:
    size = sum(p.numel() for p in model.network.parameters()) / 1e6
    passes = config["steps"] / batches.per_epoch
    return (
        f"{data}; a network of {size:.1f} M parameters; "
        f"{config['steps']:,} steps of up to {config['batch']} {data.unit}: {passes:.1f} passes."
    )
