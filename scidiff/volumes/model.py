"""A model of scans: network, process and how to sample, and what its training says of scans; one file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from scidiff.engine.denoiser import NetworkDenoiser
from scidiff.engine.operator import Observation
from scidiff.engine.plan import Plan
from scidiff.engine.precision import fast_precision
from scidiff.engine.process import Process
from scidiff.store.build import MODEL_ALLOWED, build
from scidiff.store.errors import UserError
from scidiff.store.model import save_model
from scidiff.store.weights import packed, revived
from scidiff.volumes.intensity import Percentiles, Window
from scidiff.volumes.networks.experts import Experts
from scidiff.volumes.power_law import PowerLaw
from scidiff.volumes.restore.run import Answer, How, restore

if TYPE_CHECKING:
    from scidiff.volumes.restore.scan import Restoration
    from scidiff.volumes.restore.ticks import Progress
    from scidiff.volumes.volume import Volume


@dataclass(frozen=True)
class VolumeModel:
    """What restores scans.

    Attributes:
        denoiser: the network in its wrapper.
        plan: how samples are drawn.
        difficulty: the unit s of a problem's error.
        spread: the unit of the prior: root mean square of the training scans.
        intensity: which intensities are called 0 and 1.
        header: everything known of the model, as in its file.
    """

    denoiser: NetworkDenoiser
    plan: Plan
    difficulty: PowerLaw
    spread: float
    intensity: Percentiles | Window
    header: Mapping[str, Any]

    @classmethod
    def create(cls, header: Mapping[str, Any]) -> "VolumeModel":
        """Build from a header's `config` (network, process, parameterization, sampler), `difficulty`, `intensity` ...

        Raises:
            UserError: something is missing, or names a class that a model file may not name.
        """
        try:
            config = header["config"]
            parts = {key: build(config[key], MODEL_ALLOWED) for key in ("network", "process", "parameterization")}
            plan, intensity = (build(each, MODEL_ALLOWED) for each in (config["sampler"], header["intensity"]))
            difficulty, spread = PowerLaw(dict(header["difficulty"])), float(header["spread"])
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise UserError(f"The model's header is incomplete: {error}.") from error
        denoiser = NetworkDenoiser(parts["network"], parts["process"], parts["parameterization"], fast_precision())
        return cls(denoiser, plan, difficulty, spread, intensity, header)

    @classmethod
    def load(cls, path: str | Path) -> "VolumeModel":
        """Read a model file.

        Raises:
            UserError: it is not a model of volumes, or its tensors do not fit its network.
        """
        return revived(path, "volumes", cls.create)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the model file."""
        save_model(path, packed(self.network), dict(self.header), overwrite)

    @property
    def name(self) -> str:
        """What the model is called."""
        return str(self.header.get("name", "unnamed"))

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return self.denoiser.network  # type: ignore[return-value]

    def network_of(self, task: str) -> nn.Module:
        """The network that answers a task."""
        return self.network.of(task) if isinstance(self.network, Experts) else self.network

    @property
    def processes(self) -> Mapping[str, Process]:
        """The noise of the image."""
        return self.denoiser.processes

    def planned(self, steps: int) -> Plan:
        """The model's way to sample, in so many steps."""
        return replace(self.plan, steps=steps)

    def restore(self, observation: Observation, task: str, how: How | None = None, **told: Any) -> Answer:
        """Answer one observation of volumes in units of [0, 1]; see `scidiff.volumes.restore.run.restore`."""
        return restore(self, observation, task, how or How(), **told)

    def reconstruct(
        self,
        source: "str | Path | Volume",
        task: str | None = None,
        progress: "Progress | None" = None,
        **settings: Any,
    ) -> "Restoration":
        """Restore a scan: `scidiff.load("brain").reconstruct("scan.nii.gz", task="denoise").restored`.

        Args:
            source: a NIfTI file, a folder of DICOM slices or a volume; for mri and ct an .npz file.
            task: denoise, inpaint, superres, mri or ct.
            progress: told how many steps are done, and of how many.
            settings: of `scidiff.volumes.observe.Asked` and `scidiff.volumes.restore.run.How`: mask, samples ...

        Raises:
            UserError: a setting is missing, unknown or of another task, or a file cannot be read.
        """
        from scidiff.volumes.restore import scan  # here, not above: its trials stand on models

        asked, how = scan.settings(settings)
        return scan.give(self, scan.take(self, source, task, asked, how), how, progress)
