"""One held-out scan, degraded by one setting, restored by the model and by every classical baseline of the task."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from scidiff.engine.noise import Noise
from scidiff.engine.operator import Observation
from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean
from scidiff.volumes.evaluate import evaluate
from scidiff.volumes.problem import pose
from scidiff.volumes.restore.ability import Ability
from scidiff.volumes.restore.run import How, restore
from scidiff.volumes.trial.settings import SETTINGS, Setting
from scidiff.volumes.volume import Volume

Figures = dict[str, float]
STREAM = 3  # the stream of what disturbed the scan: drawn from the sampler's own, its samples would know the noise


@dataclass(frozen=True, eq=False)
class Trial:
    """A scan of which the truth is known.

    Attributes:
        name: of the setting.
        scan: the truth, its intensities in units of [0, 1].
        observation: what was measured of it.
    """

    name: str
    scan: Volume
    observation: Observation

    @classmethod
    def of(cls, name: str, scan: Volume, seed: int = 0) -> "Trial":
        """Degrade a scan whose intensities are in units of [0, 1]."""
        x = torch.from_numpy(scan.data)[None, None]
        noise = Noise.of(seed, torch.zeros(1, dtype=torch.int64), STREAM)
        return cls(name, scan, setting(name).degrade(x, seed).observe(x, noise))

    @property
    def task(self) -> str:
        """Of the setting."""
        return SETTINGS[self.name].task

    @property
    def truth(self) -> Tensor:
        """(1, 1, X, Y, Z)."""
        return torch.from_numpy(self.scan.data)[None, None]

    def figures(self, x: Tensor, regions: Mapping[str, np.ndarray] | None = None) -> Figures:
        """Of one answer."""
        answer = self.scan.replace(data=x[0, 0].numpy())
        return evaluate(answer, self.scan, residual=float(self.observation.residual(x)), regions=regions)

    def classical(self, names: Sequence[str]) -> dict[str, Figures]:
        """Of some baselines of the task."""
        return {name: self.figures(pose(self.observation, self.task, name).estimate) for name in names}

    def ours(self, model: Ability, how: How | None = None) -> tuple[Figures, Figures]:
        """Of the model's own answer, and of the classical one that it began with.

        The first tells also whether it was found harmless, and the coverage of its intervals if there are samples.
        """
        began = time.perf_counter()
        answer = restore(model, self.observation, self.task, how or How())
        found = self.figures(answer.model) | {"seconds": time.perf_counter() - began}
        found |= {"harmless": float(answer.verdict.harmless), "held": float(answer.verdict.held)}
        if answer.sd is not None:
            found |= self.coverage(answer.model, answer.sd)
        return found, self.figures(answer.classical)

    def coverage(self, x: Tensor, sd: Tensor) -> Figures:
        """Of 90 % intervals: everywhere, where something was open, and in the foreground of that."""
        from scidiff.volumes.evaluate.coverage import covered
        from scidiff.volumes.foreground import foreground

        right = covered(self.truth.numpy(), x.numpy(), sd.numpy())[0, 0]
        open_ = sd[0, 0].numpy() > 0
        inside = open_ & foreground(self.scan)
        return {
            "coverage90": float(right.mean()),
            "open/coverage90": float(right[open_].mean()),
            "foreground/coverage90": float(right[inside].mean()),
        }


def setting(name: str) -> Setting:
    """By name.

    Raises:
        UserError: there is none.
    """
    if name not in SETTINGS:
        raise UserError(
            f"There is no setting '{name}'.{did_you_mean(name, SETTINGS)} There are: {', '.join(SETTINGS)}."
        )
    return SETTINGS[name]


def in_units(model: Ability, scan: Volume) -> Volume:
    """The scan in units of [0, 1]."""
    return replace(scan, data=model.intensity.fit(scan).to_unit(scan.data))
