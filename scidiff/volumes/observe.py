"""What a user has as an observation: y = A x + e with x about [0, 1], and the way back to the units of the scan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scidiff.engine.operator import Observation
from scidiff.store.errors import UserError
from scidiff.volumes.files.checks import check_memory
from scidiff.volumes.foreground import foreground
from scidiff.volumes.intensity import Percentiles, Scale, Window
from scidiff.volumes.learning.degrade import QUIETEST
from scidiff.volumes.measured.record import Measured
from scidiff.volumes.operators.identity import Identity
from scidiff.volumes.operators.mask import Mask
from scidiff.volumes.operators.noise import noise_level
from scidiff.volumes.operators.resample import PROFILES, Resample
from scidiff.volumes.restore.run import exactly_seen
from scidiff.volumes.trial.settings import SETTINGS
from scidiff.volumes.trial.trial import Trial
from scidiff.volumes.volume import Volume

Factors = tuple[float, float, float]
Intensity = Percentiles | Window
COPIES = 50  # float32 volumes at the worst moment, but for the network: 30 to 58 were measured at 96^3


@dataclass(frozen=True, eq=False)
class Observed:
    """One scan ready to be restored.

    Attributes:
        task: one of TASKS.
        observation: in units of [0, 1].
        grid: a volume that lies where the answer will; of its voxels only the `kept` ones are used.
        scale: between units of [0, 1] and those of the scan.
        width: what one unit of y is in those of the scan; k-space and sinograms have units of their own.
        notes: sentences for the user: what was found and estimated.
        warnings: likewise, of what the model has not seen.
        truth: the scan itself, where it was degraded on purpose.
        kept: bool (X, Y, Z), the voxels that are known exactly and stay as they are in `grid`.
    """

    task: str
    observation: Observation
    grid: Volume
    scale: Scale
    width: float
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    truth: Volume | None = None
    kept: np.ndarray | None = None

    @classmethod
    def of(cls, task: str, measured: Measured) -> "Observed":
        """An acquisition."""
        grid = measured.as_volume(torch.zeros(measured.shape))
        return cls(task, measured.observation, grid, measured.scale, measured.width, measured.notes)

    @property
    def sigma(self) -> float:
        """The noise, in the units of the input."""
        return float(self.observation.sigma) * self.width

    def as_volume(self, x: Tensor) -> Volume:
        """An answer (1, 1, X, Y, Z) in the units of the scan, stored as the scan is."""
        data = self.scale.from_unit(x[0, 0].cpu().numpy())
        return self.grid.replace(data=data if self.kept is None else np.where(self.kept, self.grid.data, data))

    def as_spread(self, x: Tensor) -> Volume:
        """A deviation or a difference, stored as float32."""
        width = self.scale.high - self.scale.low
        return self.grid.replace(data=x[0, 0].cpu().numpy() * width).stored_as(np.float32)

    def seen(self) -> Volume | None:
        """What was measured, as float32, where it is a volume: the noisy, holed or coarse scan."""
        operator, y = self.observation.operator, self.observation.y
        if not isinstance(operator, Identity | Mask | Resample):
            return None
        affine = self.grid.affine
        if isinstance(operator, Resample):
            affine = affine @ operator.grid.numpy()
        return self.grid.replace(data=self.scale.from_unit(y[0, 0].cpu().numpy()), affine=affine).stored_as(np.float32)


@dataclass(frozen=True)
class Asked:
    """What the user says of the scan; what is None is found, or not needed.

    Args:
        sigma: noise in the units of the input.
        mask: inpaint: the voxels to fill in, a NIfTI file or an array (X, Y, Z); mri: see `read_kspace`.
        factor: how much finer the answer's voxels are, one number or one for each axis.
        profile: of the slices of the input, box or gaussian.
        frame: which volume of a 4D file.
        axes, coils, centred, spacing: see `read_kspace` and `read_sinogram`.
        degrade: one of SETTINGS.
    """

    sigma: float | None = None
    mask: str | Path | np.ndarray | None = None
    factor: float | Sequence[float] | None = None
    profile: str | None = None
    frame: int | None = None
    axes: Sequence[int] | None = None
    coils: bool | None = None
    centred: bool | None = None
    spacing: float | Sequence[float] | None = None
    degrade: str | None = None

    def given(self) -> dict[str, object]:
        """What the user did say."""
        return {name: value for name, value in vars(self).items() if value is not None}


def observe(scan: Volume, task: str, intensity: Intensity, asked: Asked, holes: np.ndarray | None = None) -> Observed:
    """A scan that was denoised, filled or resolved by nobody yet.

    Args:
        holes: bool (X, Y, Z), the voxels to fill in; what they hold is not looked at.

    Raises:
        UserError: a task that needs another kind of input, or something that the task needs is missing.
    """
    if task not in WAYS:
        raise UserError(f"task={task} starts from what the scanner measured, an .npz file; {_name(scan)} is a scan.")
    check_memory(scan.shape, COPIES, _name(scan), ADVICE)
    return WAYS[task](scan, intensity, asked, holes)


def _denoise(scan: Volume, intensity: Intensity, asked: Asked, holes: np.ndarray | None) -> Observed:
    if asked.sigma == 0:
        raise UserError("sigma=0 says that there is no noise to remove; leave it out to have the noise estimated.")
    scale = _scale(scan, intensity)
    unit = _in_units(scan, scale)
    sigma, note = _noise(scan, unit, scale, asked)
    return _observed("denoise", Observation(unit, Identity(), sigma), scan, scale, note)


def _inpaint(scan: Volume, intensity: Intensity, asked: Asked, holes: np.ndarray | None) -> Observed:
    if holes is None:
        raise UserError("task=inpaint needs mask=<file>: a NIfTI on the scan's grid, nonzero where to fill in.")
    known = scan.data[~holes]
    if not known.size or known.min() == known.max():
        what = "voxels of one value alone" if known.size else "no voxel"
        raise UserError(f"The mask leaves {what}, so there is nothing to fill in from; it is nonzero where to fill in.")
    scan = scan.replace(data=np.where(holes, known.min(), scan.data))  # what the holes hold is not looked at
    scale = _scale(scan, intensity, ~holes)
    operator = Mask(torch.from_numpy(~holes))
    sigma = max((asked.sigma or 0.0) / (scale.high - scale.low), QUIETEST)
    stay = "the others stay as they are" if sigma == QUIETEST else f"noise of sigma {asked.sigma:.4g} in the others"
    note = f"{int(holes.sum()):,} voxels to fill in ({100 * holes.mean():.2g} %); {stay}."
    observed = _observed("inpaint", Observation(operator(_in_units(scan, scale)), operator, sigma), scan, scale, note)
    return replace(observed, kept=None if exactly_seen(observed.observation, "inpaint") is None else ~holes)


def _superres(scan: Volume, intensity: Intensity, asked: Asked, holes: np.ndarray | None) -> Observed:
    if asked.factor is None:
        raise UserError("task=superres needs factor=<number>, as factor=2 or, for thick slices, factor=[1,1,4].")
    factor, profile = factors(asked.factor), asked.profile or "box"
    if profile not in PROFILES:
        raise UserError(f"profile={profile}: the shape of a slice is one of {', '.join(PROFILES)}.")
    shape = tuple(round(n * f) for n, f in zip(scan.shape, factor, strict=True))
    check_memory(shape, COPIES, f"{_name(scan)} made finer", ADVICE)
    operator, scale = Resample(shape, factor, profile), _scale(scan, intensity)
    unit = _in_units(scan, scale)
    sigma, note = _noise(scan, unit, scale, asked)
    affine = scan.affine @ np.linalg.inv(operator.grid.numpy())
    grid = scan.replace(data=np.zeros(shape, dtype=np.float32), affine=affine)
    size = " x ".join(f"{each:.3g}" for each in grid.spacing)
    return _observed("superres", Observation(unit, operator, sigma), grid, scale, note, f"The new voxels: {size} mm.")


WAYS: dict[str, Callable[[Volume, Intensity, Asked, np.ndarray | None], Observed]] = {
    "denoise": _denoise,
    "inpaint": _inpaint,
    "superres": _superres,
}
"""task -> how its observation is made of a scan."""
ADVICE = "Crop it first: it is the whole volume that is too large, as the network sees windows of it anyway."


def degraded(scan: Volume, name: str, intensity: Intensity, seed: int = 0) -> Observed:
    """A scan taken as a truth, degraded by one of SETTINGS.

    Raises:
        UserError: there is no such setting.
    """
    check_memory(scan.shape, COPIES, _name(scan), ADVICE)
    scale = _scale(scan, intensity)
    trial = Trial.of(name, scan.replace(data=scale.to_unit(scan.data)), seed)
    exact = exactly_seen(trial.observation, trial.task)
    observed = _observed(trial.task, trial.observation, scan, scale, f"Degraded on purpose: {SETTINGS[name].meaning}.")
    return replace(observed, truth=scan, kept=None if exact is None else exact[0, 0].numpy())


def factors(value: float | Sequence[float]) -> Factors:
    """One number for all axes, or three.

    Raises:
        UserError: another count, no numbers, one below 1 or none above.
    """
    listed = [value] * 3 if isinstance(value, int | float) else list(value) if isinstance(value, Sequence) else []
    if len(listed) != 3 or not all(isinstance(each, int | float) and not isinstance(each, bool) for each in listed):
        raise UserError(f"factor={value}: expected one number, or one for each axis, as factor=[1,1,4].")
    if not all(1 <= each < float("inf") for each in listed) or max(listed) == 1:
        raise UserError(f"factor={value}: expected 1 or more along each axis, and above 1 along one at least.")
    return float(listed[0]), float(listed[1]), float(listed[2])


def _observed(task: str, observation: Observation, grid: Volume, scale: Scale, *notes: str) -> Observed:
    return Observed(task, observation, grid, scale, scale.high - scale.low, notes)


def _in_units(scan: Volume, scale: Scale) -> Tensor:
    """(1, 1, X, Y, Z)."""
    return torch.from_numpy(scale.to_unit(scan.data))[None, None]


def _scale(scan: Volume, intensity: Intensity, seen: np.ndarray | None = None) -> Scale:
    """Which intensities are called 0 and 1.

    Raises:
        UserError: all that is seen of the patient is of one intensity.
    """
    try:
        inside = None if seen is None else foreground(scan) & seen
        if inside is not None and not inside.any():
            raise ValueError("the mask covers all of the patient")
        return intensity.fit(scan, inside)
    except ValueError as error:
        raise UserError(f"{_name(scan)} has no intensities to scale by: {error}.") from error


def _noise(scan: Volume, unit: Tensor, scale: Scale, asked: Asked) -> tuple[float, str]:
    """sigma in units of [0, 1], and what to tell of it."""
    width = scale.high - scale.low
    if asked.sigma is not None:
        return max(asked.sigma / width, QUIETEST), f"Noise: sigma {asked.sigma:.4g}, as given."
    sigma = noise_level(unit[0, 0], torch.from_numpy(foreground(scan)))
    share = f"{100 * sigma:.2g} % of the brightest tissue"
    return max(sigma, QUIETEST), f"Noise: sigma {sigma * width:.4g} ({share}), estimated; name it by sigma= if known."


def _name(scan: Volume) -> str:
    return scan.name or "The scan"
