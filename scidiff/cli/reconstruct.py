"""scidiff reconstruct: a better scan, the classical answer beside it, how sure it is, and a picture."""

import json
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from omegaconf import DictConfig, ListConfig

import scidiff
from scidiff.cli.config import write_beside
from scidiff.cli.progress import progress
from scidiff.store.atomic import claim, whole
from scidiff.store.errors import UserError
from scidiff.volumes import files
from scidiff.volumes.evaluate import evaluate
from scidiff.volumes.likeness import unlike
from scidiff.volumes.measured import read_kspace, read_sinogram
from scidiff.volumes.model import VolumeModel
from scidiff.volumes.observe import Asked, Observed, degraded, factors, observe, seen
from scidiff.volumes.picture import Panel, draw
from scidiff.volumes.problem import TASKS
from scidiff.volumes.restore.run import Answer, How
from scidiff.volumes.trial.trial import setting
from scidiff.volumes.volume import Volume

READERS = {"mri": read_kspace, "ct": read_sinogram}
BESIDE = {"classical": ".nii.gz", "sd": ".nii.gz", "residual": ".nii.gz", "input": ".nii.gz"}


def run(config: DictConfig) -> None:
    """Restore, write and draw; everything that can be refused is refused before the work.

    Raises:
        UserError: an input, a task, a model or a place that will not do.
    """
    out = files.claim_nifti(config.out, config.overwrite)
    for name in ("classical", "sd", "residual", "input"):
        claim(beside(out, name), config.overwrite)
    model = load(config.model)
    task, observed = problem(config, model)
    for note in observed.notes:
        print(note)
    start = perf_counter()
    with progress("Restoring", None, "evaluations") as show:
        answer = model.restore(observed.observation, task, how(config), progress=show)
    seconds = perf_counter() - start
    volumes, facts = write(config, out, observed, answer), report(observed, answer, task, seconds)
    with whole(out.with_name(stem(out) + ".json"), overwrite=True) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    write_beside(config, out)
    print(f"Restored in {seconds:.1f} s: {out}" + (f" (with {', '.join(volumes)} beside it)" if volumes else ""))
    print(judgement(answer, model))
    if config.picture:
        print(f"Picture: {picture(config, out, observed, answer, facts)}")


def load(name: str) -> VolumeModel:
    """The model of this name.

    Raises:
        UserError: there is none, or it is not one of scans.
    """
    model = scidiff.load(name)
    if not isinstance(model, VolumeModel):
        raise UserError(f"{name} is a model of {model.header['domain']}; reconstruct needs a model of scans.")
    return model


def problem(config: DictConfig, model: VolumeModel) -> tuple[str, Observed | Any]:
    """The task, and what was observed; warnings of what the model has not seen are printed.

    Raises:
        UserError: a key is missing, of another task, or its file cannot be read.
    """
    task = setting(config.degrade).task if config.degrade else config.task
    if task is None:
        raise UserError(f"reconstruct needs task=...: one of {', '.join(TASKS)}.")
    if task not in TASKS:
        raise UserError(f"There is no task '{task}'. Tasks: {', '.join(TASKS)}.")
    if task in READERS and not config.degrade:
        measured = READERS[task](Path(config.input).expanduser(), sigma=config.sigma, **_mask_of(config, task))
        return task, measured
    scan = files.read(config.input, config.frame)
    facts = model.header.get("likeness")
    for warning in unlike(scan, facts, model.name) if facts else ():
        print(f"Warning: {warning}")
    if config.degrade:
        return task, degraded(scan, config.degrade, model.intensity, config.seed)
    holes = files.read_mask(config.mask, scan) if config.mask else None
    given = None if config.factor is None else factors(_plain(config.factor))
    return task, observe(scan, task, model.intensity, Asked(config.sigma, holes, given, config.profile))


def _mask_of(config: DictConfig, task: str) -> Mapping[str, Any]:
    return {"mask": config.mask} if task == "mri" and config.mask else {}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, ListConfig) else value


def how(config: DictConfig) -> How:
    """The settings of the restoration."""
    names = ("method", "guidance", "samples", "steps", "seed", "window", "check", "baseline")
    return How(**{name: config[name] for name in names})


def write(config: DictConfig, out: Path, observed: Observed | Any, answer: Answer) -> list[str]:
    """The restored scan in the way of the input, and what lies beside it; the names of those."""
    scan = Path(config.input).expanduser()
    like = scan if str(scan).endswith(files.ENDINGS) else None
    files.write(observed.as_volume(answer.x), out, like, config.overwrite)
    pieces: dict[str, Volume | None] = {"classical": observed.as_volume(answer.classical)}
    if answer.sd is not None:
        pieces["sd"] = observed.as_volume(answer.sd, spread=True)
    pieces["residual"] = observed.as_volume(answer.mismatch, spread=True)
    pieces["input"] = seen(observed) if config.degrade else None
    kept = {name: volume for name, volume in pieces.items() if volume is not None}
    for name, volume in kept.items():
        files.write(volume, beside(out, name), None, config.overwrite)
    return list(kept)


def beside(out: Path, name: str) -> Path:
    """out.nii.gz -> out.<name>.nii.gz."""
    return out.with_name(f"{stem(out)}.{name}{out.name[len(stem(out)) :]}")


def stem(out: Path) -> str:
    """The name without .nii or .nii.gz."""
    return out.name.removesuffix(".gz").removesuffix(".nii")


def report(observed: Observed | Any, answer: Answer, task: str, seconds: float) -> dict[str, Any]:
    """The facts of a restoration, and its figures where the truth is known."""
    judged = answer.verdict
    facts: dict[str, Any] = {
        "task": task,
        "returned": "model" if judged.harmless else "classical",
        "sigma": float(observed.observation.sigma),
        "residual": answer.residual,
        "held_out": judged.held,
        "seconds": round(seconds, 2),
    }
    if judged.held:
        facts |= {"misfit/model": judged.ours, "misfit/classical": judged.classical}
    truth = getattr(observed, "truth", None)
    if truth is not None:
        facts |= evaluate(observed.as_volume(answer.x), truth)
        rival = evaluate(observed.as_volume(answer.classical), truth)
        facts |= {f"baseline/{key}": value for key, value in rival.items()}
    return facts


def judgement(answer: Answer, model: VolumeModel) -> str:
    """One sentence on whose answer was returned, and why."""
    judged = answer.verdict
    if not judged.held:
        return f"Not checked against held-out measurements: {judged.reason.rstrip('.')}."
    figures = f"misfit {judged.ours:.4g}, the classical answer's {judged.classical:.4g}"
    if judged.harmless:
        return f"{judged.held:,} held-out measurements agree with '{model.name}': {figures} (1 is noise alone)."
    return f"The classical answer was returned: it predicts {judged.held:,} held-out measurements better ({figures})."


def picture(config: DictConfig, out: Path, observed: Observed | Any, answer: Answer, facts: Mapping[str, Any]) -> Path:
    """The input, both answers and the uncertainty, in three planes."""
    grid = observed.as_volume(answer.x)
    unlike_it = seen(observed) if isinstance(observed, Observed) else None
    panels = []
    if unlike_it is not None:
        panels.append(Panel("input", unlike_it.data, affine=unlike_it.affine))
    panels.append(Panel("classical", observed.as_volume(answer.classical).data, caption=_psnr(facts, "baseline/")))
    panels.append(Panel("scidiff" if answer.verdict.harmless else "returned", grid.data, caption=_psnr(facts, "")))
    if answer.sd is not None:
        panels.append(Panel("uncertainty", observed.as_volume(answer.sd, spread=True).data, "sd"))
    truth = getattr(observed, "truth", None)
    if truth is not None:
        panels += [Panel("truth", truth.data), Panel("error", abs(grid.data - truth.data), "error")]
    return draw(out.with_name(stem(out) + ".png"), panels, grid, title=f"{facts['task']}: {grid.name}", overwrite=True)


def _psnr(facts: Mapping[str, Any], prefix: str) -> str:
    key = f"{prefix}psnr"
    return f"PSNR {facts[key]:.1f} dB" if key in facts else ""
