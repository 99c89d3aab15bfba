"""What a model of scans is trained on: a folder of them, examples made of them, and the facts for its model file."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scidiff.store.errors import UserError
from scidiff.volumes.intensity import Percentiles, Window
from scidiff.volumes.learning.bank import Bank, Example
from scidiff.volumes.learning.patches import Patches
from scidiff.volumes.problem import TASKS, Difficulty

FEWEST = 3
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class VolumeData:
    """Scans on disk.

    Args:
        name: of the data set, for the model card.
        source: a folder of NIfTI files, looked through with all its subfolders, BIDS or not.
        cache: folder where the prepared examples are kept.
        files: which files of the folder, as a glob pattern.
        exclude: words; a file whose path below `source` has one of them is left out: the subjects to test on.
        tasks: what to learn.
        draws: examples of each scan and task.
        patch: voxels along each axis of a training patch.
        prior: share of the patches shown without any observation.
        intensity: which intensities are called 0 and 1: percentiles for MRI, a window in HU for CT.
        seed: of pieces and degradations.
        licence: of the data.
        note: what else a user of the model should know of the data.
    """

    name: str
    source: str
    cache: str
    files: str = "**/*.nii*"
    exclude: Sequence[str] = ()
    tasks: Sequence[str] = TASKS
    draws: int = 5
    patch: int = 48
    prior: float = 0.1
    intensity: Percentiles | Window = field(default_factory=Percentiles)
    seed: int = 0
    licence: str = "unknown"
    note: str = ""
    progress: Progress | None = field(default=None, compare=False)

    unit = "patches"

    @cached_property
    def scans(self) -> list[Path]:
        """The files to train on, in order.

        Raises:
            UserError: there is no such folder, or it holds fewer than three scans.
        """
        folder = Path(self.source).expanduser()
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder} of scans to train on. Set data.source=<folder>.")
        found = sorted(p for p in folder.glob(self.files) if p.name.endswith((".nii", ".nii.gz")))
        kept = [p for p in found if not any(word in str(p.relative_to(folder)) for word in self.exclude)]
        if len(kept) < FEWEST:
            raise UserError(f"{folder} holds {len(kept)} scans that match {self.files}; at least {FEWEST} are needed.")
        return kept

    @cached_property
    def examples(self) -> list[Example]:
        """All examples, prepared on first use.

        Raises:
            UserError: an unknown task, or a scan that cannot be read.
        """
        strange = [task for task in self.tasks if task not in TASKS]
        if strange:
            raise UserError(f"There is no task '{strange[0]}'. Tasks: {', '.join(TASKS)}.")
        bank = Bank(Path(self.cache), tuple(self.tasks), self.draws, self.seed, self.intensity)
        return [Example.load(path) for path in bank.prepare(self.scans, self.progress)]

    @cached_property
    def difficulty(self) -> Difficulty:
        """How far off each task's classical answer is."""
        columns = zip(*((e.task, e.noise, e.fraction, e.error) for e in self.examples), strict=True)
        return Difficulty.fit(*columns)

    @cached_property
    def spread(self) -> float:
        """Root mean square of the scans, in units of [0, 1]."""
        return float(np.sqrt(np.mean([np.mean(e.clean.astype(np.float32) ** 2) for e in self.examples])))

    def batches(self, size: int, seed: int, first: int = 0) -> Patches:
        """Batches of `size` patches."""
        return Patches(self.examples, self.difficulty, size, self.patch, self.prior, self.spread, seed, first)

    def facts(self) -> dict[str, Any]:
        """What the model's header says of its data."""
        return {
            "domain": "volumes",
            "tasks": list(self.tasks),
            "difficulty": dict(self.difficulty.tasks),
            "spread": self.spread,
            "intensity": {"_target_": f"{type(self.intensity).__module__}.{type(self.intensity).__name__}"}
            | vars(self.intensity),
            "data": {
                "name": self.name,
                "licence": self.licence,
                "n": len(self.scans),
                "sha256": self._hash(),
                "note": self.note,
            },
        }

    def _hash(self) -> str:
        """Of the training files' own bytes."""
        digest = hashlib.sha256()
        for path in self.scans:
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def __str__(self) -> str:
        return f"{len(self.scans)} scans of {self.name}, {len(self.examples)} examples"
