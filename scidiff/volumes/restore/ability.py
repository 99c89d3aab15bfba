"""What restoring asks of a model. `scidiff.volumes.model.VolumeModel` has it, and restores by what stands here."""

from collections.abc import Mapping
from typing import Any, Protocol

from torch import nn

from scidiff.engine.denoiser import NetworkDenoiser
from scidiff.engine.plan import Plan
from scidiff.engine.process import Process
from scidiff.volumes.intensity import Percentiles, Window
from scidiff.volumes.power_law import PowerLaw


class Ability(Protocol):
    """A denoiser of scans, and what its training says of them; see `VolumeModel` for each."""

    denoiser: NetworkDenoiser
    plan: Plan
    difficulty: PowerLaw
    spread: float
    intensity: Percentiles | Window
    header: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What the model is called."""
        ...

    @property
    def processes(self) -> Mapping[str, Process]:
        """The noise of the image."""
        ...

    def network_of(self, task: str) -> nn.Module:
        """The network that answers a task."""
        ...

    def planned(self, steps: int) -> Plan:
        """The model's way to sample, in so many steps."""
        ...
