"""Many molecules, kept piece by piece while they are made: `scidiff generate`, interrupted, goes on where it stopped.

A piece is what the model samples together, so that its molecules do not depend on where a run was stopped. Pieces lie
in the folder `<out>.unfinished`, which goes when all are in the file that was asked for. Devices make a piece each.
"""

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from scidiff.cli.deal import deal
from scidiff.molecules.model import WINDOW
from scidiff.molecules.molecule import Molecule
from scidiff.store.arrays import read_arrays
from scidiff.store.atomic import whole
from scidiff.store.errors import UserError
from scidiff.store.model import find_model
from scidiff.store.unfinished import abandon, resume

_DEPENDS_ON = ("n", "first", "seed", "steps", "sizes", "batch", "churn", "temperature", "sampler")
_PARTS = ("numbers", "positions", "charges", "bonds")

Make = Callable[[int, int, Callable[[int], None], torch.device], Sequence[Molecule]]
"""(first, count, progress, device) -> molecules first, ..., first + count - 1 of the run."""


@dataclass(frozen=True)
class Pieces:
    """n molecules on disk, one piece in memory at a time; iterable again and again.

    Attributes:
        out: the file that they are for.
        folder: where they are.
        n: how many they will be.
        there: how many of them an interrupted run had left.
        size: how many a piece holds.
    """

    out: Path
    folder: Path
    n: int
    there: int = 0
    size: int = WINDOW

    @classmethod
    def begin(cls, out: Path, config: DictConfig) -> "Pieces":
        """Those that an interrupted run of the same settings left, or none.

        Raises:
            UserError: one of other settings is unfinished, or the place cannot be written.
        """
        settings = {key: value for key, value in OmegaConf.to_container(config).items() if key in _DEPENDS_ON}
        with find_model(config.model).open("rb") as file:
            settings["model"] = hashlib.file_digest(file, "sha256").hexdigest()
        empty = cls(out, resume(out, settings, config.overwrite), config.n, size=WINDOW)
        return replace(empty, there=empty._done())

    def fill(self, make: Make, progress: Callable[[int], None], devices: int = 1, accelerator: str = "cpu") -> "Pieces":
        """Make what is missing.

        Raises:
            UserError: the disk is full, or as `make` or `deal`.
        """
        if devices > 1 and self.n <= self.size:
            print(f"Up to {self.size:,} molecules are one piece, for one device.")
        if self.there:
            print(f"Going on: {self.there:,} of {self.n:,} molecules are there from an interrupted run.")
        try:
            deal(partial(self._fill, make), self._missing(), lambda k: progress(self.there + k), devices, accelerator)
        except BaseException:
            kept = f"{self._done():,} of {self.n:,} molecules are kept in {self.folder}"
            print(f"{kept}; the same command goes on from there.", file=sys.stderr)
            raise
        return self

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[Molecule]:
        for start in range(0, self.n, self.size):
            yield from self._read(start)

    def remove(self) -> None:
        """All is where it was to be."""
        abandon(self.out)

    def _fill(self, make: Make, start: int, tick: Callable[[int], None], device: torch.device) -> int:
        self._keep(start, make(start, self._count(start), tick, device))
        return self._count(start)

    def _done(self) -> int:
        return self.n - sum(map(self._count, self._missing()))

    def _missing(self) -> list[int]:
        return [start for start in range(0, self.n, self.size) if not self._path(start).exists()]

    def _count(self, start: int) -> int:
        return min(self.size, self.n - start)

    def _path(self, start: int) -> Path:
        return self.folder / f"{start:010}.npz"

    def _keep(self, start: int, molecules: Sequence[Molecule]) -> None:
        arrays = {part: np.concatenate([getattr(m, part) for m in molecules]) for part in _PARTS}
        sizes = {"atoms": [len(m) for m in molecules], "edges": [len(m.bonds) for m in molecules]}
        with whole(self._path(start), overwrite=True) as temporary:
            np.savez(temporary, **arrays, **{name: np.array(size) for name, size in sizes.items()})

    def _read(self, start: int) -> Iterator[Molecule]:
        try:
            arrays = read_arrays(self._path(start))
            cuts = {name: np.cumsum(arrays[name])[:-1] for name in ("atoms", "edges")}
            parts = [np.split(arrays[part], cuts["edges" if part == "bonds" else "atoms"]) for part in _PARTS]
        except (UserError, KeyError, IndexError, TypeError, ValueError) as error:
            raise UserError(f"{self._path(start)} is damaged: delete it, and it will be made again.") from error
        return (Molecule(*columns) for columns in zip(*parts, strict=True))
