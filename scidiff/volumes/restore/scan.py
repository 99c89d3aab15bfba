"""A scan restored, from a file to volumes in the scan's own units: what the command line and Python share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean
from scidiff.volumes import files
from scidiff.volumes.evaluate import evaluate
from scidiff.volumes.files.checks import check_values
from scidiff.volumes.holdout import Verdict
from scidiff.volumes.likeness import unlike
from scidiff.volumes.measured import read_kspace, read_sinogram
from scidiff.volumes.observe import Asked, Observed, degraded, observe
from scidiff.volumes.problem import TASKS
from scidiff.volumes.restore.ability import Ability
from scidiff.volumes.restore.run import Answer, How, Work
from scidiff.volumes.restore.ticks import Progress
from scidiff.volumes.trial.trial import setting
from scidiff.volumes.volume import Volume

Source = str | Path | Volume
SCANS = ("denoise", "inpaint", "superres")
BELONGS: Mapping[str, tuple[str, ...]] = {
    "mask": ("inpaint", "mri"),
    "factor": ("superres",),
    "profile": ("superres",),
    "frame": SCANS,
    "axes": ("mri",),
    "coils": ("mri",),
    "centred": ("mri",),
    "spacing": ("mri", "ct"),
}
"""What the user may say of some tasks only."""


@dataclass(frozen=True, eq=False)
class Restoration:
    """What came of one scan, every volume in its units.

    Attributes:
        task: one of TASKS.
        restored: what to use: the model's answer, or the classical one where that predicts the measurements better.
        classical: the classical answer.
        sd: standard deviation of `restored`; none without samples, and none for a classical answer.
        residual: what the measurements still say against `restored`, as a map.
        misfit: |A x - y| / (sigma sqrt m) of `restored`: about 1, less where noise was fitted.
        sigma: noise of the measurements, in the units of the input.
        verdict: of the held-out measurements.
        notes: sentences: what was found and estimated.
        warnings: likewise, of what to be careful with.
        seen: what was measured, where it is a volume.
        truth: the scan itself, where it was degraded on purpose.
    """

    task: str
    restored: Volume
    classical: Volume
    sd: Volume | None
    residual: Volume
    misfit: float
    sigma: float
    verdict: Verdict
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    seen: Volume | None
    truth: Volume | None

    @property
    def volumes(self) -> dict[str, Volume]:
        """By name, those that there are."""
        names = ("restored", "classical", "sd", "residual")
        return {name: volume for name in names if (volume := getattr(self, name)) is not None}

    def figures(self) -> dict[str, Any]:
        """Plain facts, and where the truth is known every figure of `evaluate`, the classical answer's beside it."""
        judged = self.verdict
        facts = {"task": self.task, "returned": "model" if judged.harmless else "classical"}
        facts |= {"sigma": self.sigma, "residual": self.misfit, "held_out": judged.held}
        if judged.held:
            told = {"misfit/model": judged.ours, "misfit/classical": judged.classical}
            facts |= {name: value if np.isfinite(value) else None for name, value in told.items()}
        if self.truth is not None:
            rival = evaluate(self.classical, self.truth)
            facts |= evaluate(self.restored, self.truth) | {f"baseline/{key}": value for key, value in rival.items()}
        return facts


def take(model: Ability, source: Source, task: str | None, asked: Asked, how: How) -> Observed:
    """Read what was measured, and refuse what cannot be restored before any work is done on it.

    Args:
        source: a NIfTI file, a folder of DICOM slices or a volume; for mri and ct an .npz file.
        task: one of TASKS; that of `asked.degrade` if none.

    Raises:
        UserError: a setting is missing or of another task, or a file cannot be read.
    """
    task = _task(task, asked)
    Work(model, task, how)
    if how.steps is not None and how.method == "conditioned" and not how.samples:
        raise UserError("steps= counts for samples, and the answer without them takes one: add samples=8, say.")
    if asked.sigma is not None and not asked.sigma >= 0:
        raise UserError(f"sigma={asked.sigma}: the noise must be 0 or more.")
    if task not in SCANS and asked.degrade is None:
        return _measured(source, task, asked)
    scan = _scan(source, asked.frame)
    if asked.degrade is not None:
        observed = degraded(scan, asked.degrade, model.intensity, how.seed)
    else:
        observed = observe(scan, task, model.intensity, asked, _holes(asked.mask, scan))
    if _judged_after(observed):
        return observed
    return replace(observed, warnings=_unlike(model, scan, observed.grid.affine))


def give(model: Ability, observed: Observed, how: How, progress: Progress | None = None, **told: Any) -> Restoration:
    """Restore what was taken; `told` are further arguments of `restore`."""
    answer = model.restore(observed.observation, observed.task, how, progress=progress, **told)
    sd = answer.sd if answer.verdict.harmless else None
    classical = observed.as_volume(answer.classical)
    return Restoration(
        task=observed.task,
        restored=observed.as_volume(answer.x),
        classical=classical,
        sd=None if sd is None else observed.as_spread(sd),
        residual=observed.as_spread(answer.mismatch),
        misfit=answer.residual,
        sigma=observed.sigma,
        verdict=answer.verdict,
        notes=observed.notes,
        warnings=(*observed.warnings, *_warnings(model, observed, answer, how, classical)),
        seen=observed.seen(),
        truth=observed.truth,
    )


def settings(given: Mapping[str, Any]) -> tuple[Asked, How]:
    """What was said of the scan, and how to restore it.

    Raises:
        UserError: a name that is neither's, or a value that will not do.
    """
    of_scan, of_how = Asked.__dataclass_fields__, How.__dataclass_fields__
    for name in given:
        if name not in of_scan and name not in of_how:
            known = [*of_scan, *of_how]
            raise UserError(f"reconstruct has no setting '{name}'.{did_you_mean(name, known)}")
    asked = Asked(**{name: value for name, value in given.items() if name in of_scan})
    return asked, How(**{name: value for name, value in given.items() if name in of_how})


def _task(task: str | None, asked: Asked) -> str:
    """The task, once all that was said goes with it."""
    found = setting(asked.degrade).task if asked.degrade is not None else task
    if found is None:
        raise UserError(f"reconstruct needs a task: one of {', '.join(TASKS)}.")
    if found not in TASKS:
        raise UserError(f"There is no task '{found}'.{did_you_mean(found, TASKS)} Tasks: {', '.join(TASKS)}.")
    if task not in (None, found):
        raise UserError(f"degrade={asked.degrade} is a problem of {found}, not of task={task}; leave task= out.")
    others = set(asked.given()) - {"degrade", "frame"}
    if asked.degrade is not None and others:
        raise UserError(f"{min(others)}= does not go with degrade={asked.degrade}, which settles that itself.")
    for name in asked.given():
        if found not in BELONGS.get(name, TASKS) and asked.degrade is None:
            raise UserError(f"{name}= is for {' and '.join(BELONGS[name])}, not for {found}; leave it out.")
    return found


def _measured(source: Source, task: str, asked: Asked) -> Observed:
    """An acquisition, from its file."""
    name = "k-space" if task == "mri" else "a sinogram"
    if isinstance(source, Volume) or str(source).lower().endswith(files.ENDINGS):
        raise UserError(
            f"task={task} starts from what the scanner measured: {name} in an .npz file, and not from a scan. "
            f"To try it on a scan, let it be degraded first: degrade={'mri-4' if task == 'mri' else 'ct-60'}."
        )
    if task == "ct":
        return Observed.of(task, read_sinogram(source, sigma=asked.sigma, spacing=asked.spacing))
    names = ("mask", "axes", "coils", "centred", "sigma", "spacing")
    return Observed.of(task, read_kspace(source, **{key: getattr(asked, key) for key in names}))


def _scan(source: Source, frame: int | None) -> Volume:
    """The scan, its values checked."""
    if isinstance(source, Volume):
        check_values(source.data, source.name or "The scan")
        return source
    if str(source).lower().endswith(".npz"):
        raise UserError(f"{source} holds what a scanner measured; task=mri and task=ct take that, the others a scan.")
    return files.read(source, frame)


def _holes(mask: str | Path | np.ndarray | None, scan: Volume) -> np.ndarray | None:
    """The voxels to fill in."""
    if not isinstance(mask, np.ndarray):
        return None if mask is None else files.read_mask(mask, scan)
    if mask.shape != scan.shape or not mask.any():
        raise UserError(f"The mask is {mask.shape} with {int(mask.sum())} voxels set; the scan is {scan.shape}.")
    return mask.astype(bool)


def _judged_after(observed: Observed) -> bool:
    """Whether there is a whole scan only once the classical answer is known."""
    return observed.truth is None and observed.task not in ("denoise", "superres")


def _unlike(model: Ability, scan: Volume, affine: np.ndarray) -> tuple[str, ...]:
    """What the model has not seen, if it knows what it has seen."""
    facts = model.header.get("likeness")
    return tuple(unlike(scan, facts, f"'{model.name}'", affine)) if facts else ()


def _warnings(model: Ability, observed: Observed, answer: Answer, how: How, classical: Volume) -> tuple[str, ...]:
    """What became known with the answer."""
    found = answer.warnings
    if _judged_after(observed):
        found += _unlike(model, classical, classical.affine)
    if answer.sd is None:
        return found
    if not answer.verdict.harmless:
        return (*found, "No uncertainty is given: the samples were the model's, and its answer is not returned.")
    if not Work(model, observed.task, how).calibrated:
        return (*found, f"'{model.name}' was not calibrated for this: take sd for a rough, mostly too small, figure.")
    return found
