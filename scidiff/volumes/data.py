"""What a model of scans is trained on: a folder of them, examples made of them, and the facts for its model file."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from scidiff.store.errors import UserError
from scidiff.store.memory import free_memory
from scidiff.store.suggest import did_you_mean
from scidiff.volumes import files
from scidiff.volumes.intensity import Percentiles, Window
from scidiff.volumes.learning import memory
from scidiff.volumes.learning.bank import Bank, Example
from scidiff.volumes.learning.degrade import Shape
from scidiff.volumes.learning.patches import Patches, largest
from scidiff.volumes.learning.scans import find, shape_of
from scidiff.volumes.likeness import facts_of
from scidiff.volumes.power_law import PowerLaw
from scidiff.volumes.problem import TASKS

GRID = 8  # voxels: networks halve a patch three times
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class VolumeData:
    """Scans on disk.

    Args:
        name: of the data set, for the model card.
        source: a folder of NIfTI files, looked through with all its subfolders, BIDS or not.
        cache: folder where the prepared examples are kept.
        files: which files of the folder, as a glob pattern.
        exclude: words; a file whose path from the name of `source` on has one of them is left out, as are the subjects
            to test on: see `scidiff.volumes.learning.scans.names`.
        tasks: what to learn.
        draws: examples of each scan and task.
        patch: voxels along each axis of a training patch.
        prior: share of the patches shown without any observation.
        intensity: which intensities are called 0 and 1: percentiles for MRI, a window in HU for CT.
        seed: of pieces and degradations.
        licence: of the data.
        note: what else a user of the model should know of the data.

    Raises:
        UserError: an unknown task, or a number that cannot be.
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

    def __post_init__(self) -> None:
        for name in ("exclude", "tasks"):  # one word may be typed without brackets
            object.__setattr__(self, name, _listed(getattr(self, name)))
        strange = [task for task in self.tasks or [""] if task not in TASKS]
        if strange:
            hint = did_you_mean(strange[0], TASKS)
            raise UserError(f"data.tasks: There is no task '{strange[0]}'.{hint} Tasks: {', '.join(TASKS)}.")
        if not (isinstance(self.patch, int) and self.patch > 0 and self.patch % GRID == 0):
            raise UserError(f"data.patch={self.patch}: expected a multiple of {GRID} voxels, such as 48.")
        if not (isinstance(self.draws, int) and self.draws >= 1):
            raise UserError(f"data.draws={self.draws}: expected 1 or more examples of each scan and task.")
        if not (isinstance(self.prior, int | float) and 0 <= self.prior <= 1):
            raise UserError(f"data.prior={self.prior}: expected a share of the patches, from 0 to 1.")

    @cached_property
    def _found(self) -> tuple[list[Path], int]:
        if self.source == "???":
            raise UserError("Training needs data.source=<folder>: a folder of NIfTI scans, five of them or more.")
        return find(Path(self.source).expanduser(), self.files, self.exclude)

    @property
    def scans(self) -> list[Path]:
        """The files to train on, in order.

        Raises:
            UserError: as `scidiff.volumes.learning.scans.find`.
        """
        return self._found[0]

    @cached_property
    def shapes(self) -> list[Shape]:
        """Of the scans, as their headers say.

        Raises:
            UserError: as `scidiff.volumes.learning.scans.shape_of`.
        """
        return [shape_of(scan) for scan in self.scans]

    @cached_property
    def examples(self) -> list[Example]:
        """All examples, prepared on first use.

        Raises:
            UserError: a scan that cannot be read, or of which nothing can be made.
        """
        space = memory.preparing(self.shapes, self.tasks)  # what is wrong with a header is told before any work
        bank = Bank(Path(self.cache).expanduser(), self.tasks, self.draws, self.seed, self.intensity)
        return [Example.load(path) for path in bank.prepare(self.scans, self.progress, space)]

    @cached_property
    def difficulty(self) -> PowerLaw:
        """How far off each task's classical answer is."""
        return PowerLaw.fit(self.examples, [each.error for each in self.examples])

    @cached_property
    def spread(self) -> float:
        """Root mean square of the scans, in units of [0, 1]."""
        return float(np.sqrt(np.mean([np.mean(e.clean.astype(np.float32) ** 2) for e in self.examples])))

    def batches(self, size: int, seed: int, first: int = 0) -> Patches:
        """Batches of `size` patches."""
        return Patches(self.examples, self.difficulty, size, self.patch, self.prior, self.spread, seed, first)

    def foresee(self, network: nn.Module, batch: int, gpus: int = 0) -> str:
        """How much memory training will take, in words; nothing is prepared for that.

        Args:
            batch: patches a step.
            gpus: how many share a batch; the processor does the steps if none.

        Raises:
            UserError: more than is free here.
        """
        share = -(-batch // max(gpus, 1))
        held = memory.held(self.shapes, self.tasks, self.draws)
        step = memory.step(network, share * largest(self.patch))
        examples = f"{_bytes(held)} for {len(self.shapes) * len(self.tasks) * self.draws:,} examples"
        patches = f"{_bytes(step)} for a step of {share} patches of {self.patch} x {self.patch} x {self.patch} voxels"
        here = [examples] if gpus else [examples, patches]
        needed, free = held + step * (not gpus), free_memory()
        first = memory.preparing(self.shapes, self.tasks)
        if free is not None and first > free:
            raise UserError(
                f"To prepare examples of these scans takes {_bytes(first)} of memory, and {_bytes(free)} are free."
                " Crop the largest, or leave mri and ct out of data.tasks."
            )
        if free is not None and needed > free:
            smaller = f"data.draws={self.draws}" + f", batch={batch} or data.patch={self.patch}" * (not gpus)
            raise UserError(
                f"Training needs {_bytes(needed)} of memory, and {_bytes(free)} are free: {', '.join(here)}."
                f" Make {smaller} smaller."
            )
        return f"Memory needed: {examples}, {'on each GPU ' if gpus else ''}{patches}."

    def facts(self) -> dict[str, Any]:
        """What the model's header says of its data."""
        return {
            "domain": "volumes",
            "tasks": list(self.tasks),
            "difficulty": dict(self.difficulty.tasks),
            "spread": self.spread,
            "intensity": {"_target_": f"{type(self.intensity).__module__}.{type(self.intensity).__name__}"}
            | vars(self.intensity),
            "likeness": facts_of((files.read(path) for path in self.scans), self.intensity, turned=True),
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
        left = f" ({self._found[1]} left out)" if self._found[1] else ""
        return f"{len(self.scans)} scans of {self.name}{left}, {len(self.examples)} examples"


def _listed(words: Any) -> list[str]:
    """What may be one word, or none, as a list without repeats."""
    words = [] if words is None else [words] if isinstance(words, str) else words
    return list(dict.fromkeys(str(word) for word in words))


def _bytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
