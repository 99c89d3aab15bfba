"""A scan as an observation: y = A x + e with x about [0, 1], from what the user says of how it came about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scidiff.engine.operator import Observation
from scidiff.store.errors import UserError
from scidiff.volumes.foreground import foreground
from scidiff.volumes.intensity import Percentiles, Scale, Window
from scidiff.volumes.learning.degrade import QUIETEST
from scidiff.volumes.operators.identity import Identity
from scidiff.volumes.operators.mask import Mask
from scidiff.volumes.operators.noise import noise_level
from scidiff.volumes.operators.resample import Resample
from scidiff.volumes.trial.settings import SETTINGS
from scidiff.volumes.trial.trial import Trial
from scidiff.volumes.volume import Volume

Factors = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Observed:
    """One scan ready to be restored.

    Attributes:
        observation: in units of [0, 1].
        grid: a volume that lies where the answer will; of its voxels only the number is used.
        scale: between units of [0, 1] and those of the scan.
        notes: sentences for the user.
        truth: the scan itself, where it was degraded on purpose.
    """

    observation: Observation
    grid: Volume
    scale: Scale
    notes: tuple[str, ...] = ()
    truth: Volume | None = None

    def as_volume(self, x: Tensor, spread: bool = False) -> Volume:
        """An answer (1, 1, X, Y, Z) in the units of the scan; a `spread` is a deviation, stored as float32."""
        data = x[0, 0].numpy()
        if spread:
            return self.grid.replace(data=data * (self.scale.high - self.scale.low)).stored_as(np.float32)
        return self.grid.replace(data=self.scale.from_unit(data))


@dataclass(frozen=True)
class Asked:
    """What the user says of the scan.

    Args:
        sigma: noise in the units of the scan; estimated if none.
        holes: bool (X, Y, Z), the voxels to fill in.
        factors: how much finer the answer's voxels are along each axis.
        profile: of the slices, box or gaussian.
    """

    sigma: float | None = None
    holes: np.ndarray | None = None
    factors: Factors | None = None
    profile: str = "box"


def observe(scan: Volume, task: str, intensity: Percentiles | Window, asked: Asked) -> Observed:
    """A scan that was denoised, filled or resolved by nobody yet.

    Raises:
        UserError: a task that needs another kind of input, or something that the task needs is missing.
    """
    if task not in WAYS:
        raise UserError(
            f"task={task} starts from what the scanner measured, an .npz file."
        )
    try:
        scale = intensity.fit(scan, None if asked.holes is None else foreground(scan) & ~asked.holes)
    except ValueError as error:
        raise UserError(f"{scan.name or 'The scan'} has no intensities to scale by: {error}.") from error
    unit = torch.from_numpy(scale.to_unit(scan.data))[None, None]
    return WAYS[task](scan, unit, scale, asked)


def _denoise(scan: Volume, unit: Tensor, scale: Scale, asked: Asked) -> Observed:
    sigma, note = _noise(scan, unit, scale, asked)
    return Observed(Observation(unit, Identity(), max(sigma, QUIETEST)), scan, scale, (note,))


def _inpaint(scan: Volume, unit: Tensor, scale: Scale, asked: Asked) -> Observed:
    if asked.holes is None:
        raise UserError("task=inpaint needs mask=<file>: a NIfTI on the scan's grid, nonzero where to fill in.")
    if asked.holes.all():
        raise UserError("The mask covers the whole scan, so there is nothing to fill in from.")
    operator = Mask(torch.from_numpy(~asked.holes))
    sigma = 0.0 if asked.sigma is None else asked.sigma / (scale.high - scale.low)
    count = int(asked.holes.sum())
    note = f"{count:,} voxels to fill in ({100 * asked.holes.mean():.2g} %); the others stay as they are."
    return Observed(Observation(operator(unit), operator, max(sigma, QUIETEST)), scan, scale, (note,))


def _superres(scan: Volume, unit: Tensor, scale: Scale, asked: Asked) -> Observed:
    if asked.factors is None:
        raise UserError("task=superres needs factor=<number>, as factor=2 or, for thick slices, factor=[1,1,4].")
    if min(asked.factors) < 1 or max(asked.factors) == 1:
        raise UserError(f"factor={list(asked.factors)}: expected 1 or more along each axis, and above 1 along one.")
    shape = tuple(round(n * f) for n, f in zip(scan.shape, asked.factors, strict=True))
    operator = Resample(shape, asked.factors, asked.profile)
    sigma, note = _noise(scan, unit, scale, asked)
    affine = scan.affine @ np.linalg.inv(operator.grid.numpy())
    grid = scan.replace(data=np.zeros(shape, dtype=np.float32), affine=affine)
    size = " x ".join(f"{each:.3g}" for each in grid.spacing)
    notes = (note, f"The answer has voxels of {size} mm.")
    return Observed(Observation(unit, operator, max(sigma, QUIETEST)), grid, scale, notes)


WAYS: dict[str, Callable[[Volume, Tensor, Scale, Asked], Observed]] = {
    "denoise": _denoise,
    "inpaint": _inpaint,
    "superres": _superres,
}
"""task -> how its observation is made of a scan."""


def degraded(scan: Volume, name: str, intensity: Percentiles | Window, seed: int = 0) -> Observed:
    """A scan taken as a truth, degraded by one of SETTINGS.

    Raises:
        UserError: there is no such setting.
    """
    scale = intensity.fit(scan)
    trial = Trial.of(name, scan.replace(data=scale.to_unit(scan.data)), seed)
    return Observed(trial.observation, scan, scale, (f"Degraded on purpose: {SETTINGS[name].meaning}.",), scan)


def seen(observed: Observed) -> Volume | None:
    """What was measured, as a volume where it is one: the noisy, holed or coarse scan."""
    operator, y = observed.observation.operator, observed.observation.y
    if isinstance(operator, Resample):
        affine = observed.grid.affine @ operator.grid.numpy()
        return observed.grid.replace(data=observed.scale.from_unit(y[0, 0].numpy()), affine=affine)
    return observed.as_volume(y) if isinstance(operator, Identity | Mask) else None


def factors(value: float | Sequence[float]) -> Factors:
    """One number for all axes, or three.

    Raises:
        UserError: another count, or no numbers.
    """
    listed = [value] * 3 if isinstance(value, int | float) else list(value)
    if len(listed) != 3 or not all(isinstance(each, int | float) and not isinstance(each, bool) for each in listed):
        raise UserError(f"factor={value}: expected one number, or one for each axis, as factor=[1,1,4].")
    return float(listed[0]), float(listed[1]), float(listed[2])


def _noise(scan: Volume, unit: Tensor, scale: Scale, asked: Asked) -> tuple[float, str]:
    """sigma in units of [0, 1], and what to tell of it."""
    width = scale.high - scale.low
    if asked.sigma is not None:
        return asked.sigma / width, f"Noise: sigma {asked.sigma:.4g}, as given."
    sigma = noise_level(unit[0, 0], torch.from_numpy(foreground(scan)))
    return sigma, f"Noise: sigma {sigma * width:.4g} ({100 * sigma:.2g} % of the brightest tissue), estimated."
