"""scidiff train: from a configuration to a run's folder: config.yaml, metrics.csv, checkpoints, model.safetensors."""

import gc
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf, open_dict

import scidiff
from scidiff.cli.batch import asked, probed
from scidiff.cli.fit import OutOfMemory, fit, kept
from scidiff.cli.machine import device_of, gpus, processes
from scidiff.cli.progress import progress
from scidiff.cli.resume import checkpoint_of, continued, figures_before, log_again
from scidiff.cli.speed import FILE, clock, told
from scidiff.cli.teacher import origin, taught
from scidiff.cli.trainer import trainer_of
from scidiff.store.atomic import whole
from scidiff.store.build import build
from scidiff.store.errors import UserError
from scidiff.store.model import find_model, load_model
from scidiff.store.weights import fill
from scidiff.training.batches import GroupedBatches
from scidiff.training.compiling import compile_in_place, decided
from scidiff.training.module import DiffusionModule
from scidiff.training.rates import InTime
from scidiff.training.speed import Speed, seconds_of

MODEL_KEYS = ("network", "process", "parameterization", "sampler")  # what a model file needs of the configuration


def run(config: DictConfig) -> None:
    """Train, or continue the run named by `resume`.

    Raises:
        UserError: the folder, the data, the checkpoint or a setting will not do, or the loss stays not finite.
    """
    with open_dict(config):
        typed = config.pop("typed", [])
    folder, checkpoint, done, seconds = _folder(config)
    if checkpoint:
        config = continued(config, typed, done, seconds)
    plain = OmegaConf.to_container(config, resolve=True)
    asked(plain["batch"]), seconds_of(plain["trainer"].get("max_time"))  # what is wrong is told before any work
    torch.manual_seed(plain["seed"])
    data = _data(plain)
    facts = header(plain, data)
    model = scidiff.model_class(facts["domain"]).create(facts)
    if plain.get("init") and not checkpoint:  # a run of an older version does not have the key
        begin_with(model, plain["init"])
    _settle(config, data, model)
    while True:
        try:
            return _train(config, data, model, folder, checkpoint, done)
        except OutOfMemory as full:
            config, checkpoint, done = _smaller(config, folder, full)


def _settle(config: DictConfig, data: Any, model: Any) -> None:
    """Compile the network where that is wanted, and decide on the batch.

    Raises:
        UserError: as `probed`; of several devices none is asked for its memory.
    """
    plain = OmegaConf.to_container(config, resolve=True)
    device, alone = device_of(plain["trainer"]), processes(plain["trainer"]) == 1
    how = decided(plain.get("compile"), device if alone else torch.device("cpu"))  # a GPU in use cannot be forked
    compile_in_place(model.network, how, device)
    config.batch = asked(plain["batch"])
    if config.batch is None and not alone:
        raise UserError("batch=auto asks one device for its memory: with several, type batch=<number>.")
    if config.batch is None:
        config.batch = probed(_module(plain, model), partial(_hardest, data, plain), device, data.unit)


def _hardest(data: Any, config: Mapping[str, Any], size: int) -> Any:
    """A batch of samples as large as they come; patches all have one size."""
    batches = _batches(data, {**config, "batch": size}, 0)
    return batches.hardest(size) if hasattr(batches, "hardest") else next(iter(batches))


def _train(config: DictConfig, data: Any, model: Any, folder: Path, checkpoint: Path | None, done: int) -> None:
    plain = OmegaConf.to_container(config, resolve=True)
    batches = _batches(data, plain, done)
    speed = clock(model.header["domain"], folder, seconds_of(plain["trainer"].get("max_time")))
    module, figures = _module(plain, model, speed), figures_before(folder, done) if checkpoint else []
    trainer = trainer_of(plain, folder, model, batches, speed)
    _begin(config, folder, fresh=checkpoint is None)
    log_again(trainer.logger, figures)
    print(_opening(model, data, batches, plain))
    try:
        fit(trainer, module, batches, folder, checkpoint, plain["batch"])
    finally:
        print(told(folder, data.unit), end="")
    print(f"Wrote {folder / 'model.safetensors'}.")  # by KeepModelFile, in the process that trained


def _smaller(config: DictConfig, folder: Path, full: OutOfMemory) -> tuple[DictConfig, Path | None, int]:
    """Where and how to go on with half the batch, once all that the last attempt held is given back.

    Raises:
        UserError: there is no half.
    """
    if config.batch == 1:
        raise UserError(f"{full} {kept(folder)}") from full
    full.__traceback__ = full.__cause__ = None
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    config.batch //= 2
    there = (folder / "checkpoints" / "last.ckpt").exists()
    checkpoint, done, _ = checkpoint_of(str(folder)) if there else (None, 0, 0.0)
    print(f"Memory ran out with batch={2 * config.batch}: going on from step {done:,} with batch={config.batch}.")
    return config, checkpoint, done


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
    return {**facts, **origin(config), "config": {key: config[key] for key in MODEL_KEYS}}


def _folder(config: DictConfig) -> tuple[Path, Path | None, int, float]:
    """The run's folder, the checkpoint to start from, the steps done by then, and the seconds they took."""
    if config.resume:
        return Path(config.resume), *checkpoint_of(config.resume)
    folder = Path(config.out)
    if (folder / "config.yaml").exists() and not config.overwrite:
        raise UserError(f"{folder} holds a run already. Choose another out=, or resume={folder}, or overwrite=true.")
    return folder, None, 0, 0.0


def _data(config: Mapping[str, Any]) -> Any:
    with progress("preparing the data", 1, "pieces") as show:
        data = build(config["data"], progress=lambda done, total: show(done, total))
        if hasattr(data, "foresee") and config["batch"] != "auto":
            print(_foreseen(data, config))
        str(data)  # reads and prepares it
    return data


def _foreseen(data: Any, config: Mapping[str, Any]) -> str:
    """What the work will take, by a network of the same kind, which leaves no trace in the random numbers."""
    with torch.random.fork_rng(devices=[]):
        network = build(config["network"])
    return data.foresee(network, asked(config["batch"]), gpus(config["trainer"]))


def _batches(data: Any, config: Mapping[str, Any], first: int) -> Any:
    """Scans cut their own patches; molecules come in groups of one size."""
    if hasattr(data, "batches"):
        return data.batches(config["batch"], config["seed"], first)
    return GroupedBatches(data.groups(), config["batch"], config["seed"], first)


def _module(config: Mapping[str, Any], model: Any, speed: Speed | None = None) -> DiffusionModule:
    known = {"processes": model.processes, "parameterizations": model.denoiser.parameterizations}
    objective = build(config["objective"], **known, **taught(config, model.header))
    optimizer, rate = build(config["optimizer"]), build(config["scheduler"])
    if speed is not None and speed.limit and rate is not None:
        rate = InTime(rate, config["steps"], speed.share_of_time)
    model.network.train()
    return DiffusionModule(model.denoiser, objective, optimizer, rate, config["seed"])


def _begin(config: DictConfig, folder: Path, fresh: bool) -> None:
    """Write the configuration; the checkpoints of a run that is written over must not be resumed by mistake."""
    with whole(folder / "config.yaml", overwrite=True) as temporary:
        temporary.write_text(OmegaConf.to_yaml(config, resolve=True))
    (folder / FILE).unlink(missing_ok=True)  # of an earlier piece of the run
    if fresh:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def _opening(model: Any, data: Any, batches: Any, config: Mapping[str, Any]) -> str:
    size = sum(p.numel() for p in model.network.parameters()) / 1e6
    passes = config["steps"] / batches.per_epoch
    return (
        f"{data}; a network of {size:.1f} M parameters; "
        f"{config['steps']:,} steps of up to {config['batch']} {data.unit}: {passes:.1f} passes."
    )
