"""What a model of molecules is trained on: one set of molecules, its codec, and the facts its model file will carry."""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scidiff.engine.state import State
from scidiff.molecules.batch import Codec, by_size, deviation
from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.files import write_sidecar
from scidiff.molecules.gather import gather
from scidiff.molecules.qm9 import prepare_qm9
from scidiff.molecules.vocabulary import Vocabulary
from scidiff.store.errors import UserError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class MoleculeData:
    """Molecules on disk.

    Args:
        name: of the data set, for the model card.
        source: a prepared .npz, an SDF or XYZ file or a folder of them; for `layout` qm9 see `read_qm9`.
        cache: where what was prepared is kept (.npz); the records left out are named in a table beside it.
        elements, charges: the classes. bonds: their number.
        layout: "qm9", or "files" for anything `gather` reads.
        split: the part to train on, where the set is split; all of it where it is not.
        licence: of the data.
        note: what else a user of the model should know of the data.
        limit: at most so many molecules, for a quick try.
        scale: the unit of length, Angstrom; that of the model whose weights are taken (`init`), where there is one.
    """

    name: str
    source: str
    cache: str
    elements: Sequence[str]
    charges: Sequence[int]
    bonds: int = 4
    layout: str = "files"
    split: str = "train"
    licence: str = "unknown"
    note: str = ""
    limit: int | None = None
    scale: float | None = None
    progress: Progress | None = field(default=None, compare=False)

    unit = "molecules"

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes of the categorical parts."""
        return Vocabulary(tuple(self.elements), tuple(self.charges), self.bonds)

    @cached_property
    def molecules(self) -> MoleculeSet:
        """The training molecules, prepared on first use.

        Raises:
            UserError: there are none, or `source` is not there.
        """
        everything = self._read()
        chosen = everything.subset(self.split) if "split" in everything.columns else everything
        if self.limit is not None:
            chosen = chosen.subset(np.arange(min(self.limit, len(chosen))))
        if not len(chosen):
            raise UserError(f"{self.source} holds no molecules to train on.")
        return chosen

    @cached_property
    def codec(self) -> Codec:
        """Classes, and the unit of length: `scale`, or the standard deviation of the training positions."""
        return Codec(self.vocabulary, self.scale or deviation(self.molecules))

    def groups(self) -> dict[Hashable, State]:
        """One state a size."""
        return dict(by_size(self.molecules, self.codec))

    def facts(self) -> dict[str, Any]:
        """What the model's header says of its data."""
        return {
            "domain": "molecules",
            "vocabulary": {"elements": list(self.elements), "charges": list(self.charges), "bonds": self.bonds},
            "scale": self.codec.scale,
            "sizes": {str(n): count for n, count in self.molecules.size_histogram().items()},
            "data": {
                "name": self.name,
                "licence": self.licence,
                "n": len(self.molecules),
                "sha256": self._hash(),
                "note": self.note,
            },
        }

    def _read(self) -> MoleculeSet:
        if not Path(self.source).exists() and not Path(self.cache).exists():
            raise UserError(f"There is no training data at {self.source}. Set data.source=<file or folder>.")
        if self.layout == "qm9":
            return prepare_qm9(self.source, self.cache, progress=self.progress)
        if self.layout != "files":
            raise UserError(f"data.layout is qm9 or files, not '{self.layout}'.")
        found, broken = gather(self.source)
        write_sidecar(self.source, broken, Path(self.cache).parent)
        return found

    def _hash(self) -> str:
        """Of the training positions and atoms themselves, whatever file they came from."""
        digest = hashlib.sha256(self.molecules.atomic_numbers.tobytes())
        digest.update(self.molecules.positions.tobytes())
        return digest.hexdigest()

    def __str__(self) -> str:
        return f"{len(self.molecules):,} molecules of {self.name}"
