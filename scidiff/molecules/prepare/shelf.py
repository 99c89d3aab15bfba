"""A prepared set while it is made: shards in a folder, each whole or not there; and their merging into one file.

A shard is a small `MoleculeSet` with the columns `smiles`, `names`, `group` and `made`, a table of what was dropped,
and the keys of the candidates that came so far. Its set is written last, so that a shard with a set is complete.
"""

import csv
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.prepare.build import Outcome
from scidiff.molecules.prepare.screen import number
from scidiff.store.atomic import whole
from scidiff.store.table import write_table

SHARDS = "shards"
_ATOMS = ("atomic_numbers", "formal_charges", "positions")


class Shelf:
    """The shards of a folder."""

    def __init__(self, folder: Path) -> None:
        """Counts what is there."""
        self._folder = folder / SHARDS
        self._folder.mkdir(exist_ok=True)
        self.count = next(k for k in count() if not self._path(k, ".npz").exists())

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Write the next shard."""
        kept = [structure for outcome in outcomes for structure in outcome.structures]
        dropped = [each.dropped for each in outcomes if each.dropped]
        rows = ((each.file, each.record, each.name, each.reason) for each in dropped)
        write_table(self._path(self.count, ".csv"), (), rows)
        with whole(self._path(self.count, ".npy"), overwrite=True) as path:
            np.save(path, np.array([key for each in outcomes for key in each.keys], dtype=np.int64))
        columns = {
            "smiles": np.array([each.smiles for each in kept], dtype=np.str_),
            "group": np.array([each.origin.group for each in kept], dtype=np.int64),
            "made": np.array([each.made for each in kept], dtype=np.uint8),
        }
        shard = MoleculeSet.from_molecules((each.molecule for each in kept), **columns)
        shard.save(self._path(self.count, ".npz"), overwrite=True)
        self.count += 1

    def seen(self) -> Counter[int]:
        """How often each key came."""
        return Counter(key for k in range(self.count) for key in np.load(self._path(k, ".npy")).tolist())

    def kept(self) -> Counter[int]:
        """How often each SMILES, as its number, was kept."""
        return Counter(number(smiles) for shard in self for smiles in shard["smiles"].tolist())

    def dropped(self) -> Iterator[list[str]]:
        """(file, record, name, reason) of each, in order."""
        for k in range(self.count):
            with self._path(k, ".csv").open(newline="", encoding="utf-8") as text:
                yield from filter(None, csv.reader(text))

    def column(self, name: str) -> np.ndarray:
        """(N,) one column of all molecules."""
        return np.concatenate([shard[name] for shard in self])

    def merge(self, path: Path, columns: Mapping[str, np.ndarray]) -> None:
        """All shards in one file, as `MoleculeSet.load` reads it, with these further columns.

        Of what has rows for atoms or bonds, and of text, one shard is in memory at a time.
        """
        with whole(path, overwrite=True) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for owner, names in (("offsets", _ATOMS), ("bond_offsets", ("bonds",))):
                sizes = [np.diff(shard[owner]) for shard in self]
                offsets = np.concatenate([[0], *sizes]).cumsum(dtype=np.int64)
                _put(archive, owner, len(offsets), [offsets])
                for name in names:
                    _put(archive, name, int(offsets[-1]), (shard[name] for shard in self))
            for name in ("smiles", "names"):
                width = max(_bytes(shard[name]).dtype.itemsize for shard in self)
                _put(archive, name, len(offsets) - 1, (_bytes(shard[name]).astype(f"S{width}") for shard in self))
            for name, column in columns.items():
                _put(archive, name, len(column), [column])

    def __iter__(self) -> Iterator[Mapping[str, np.ndarray]]:
        """The arrays of each shard, read when they are asked for."""
        for k in range(self.count):
            with np.load(self._path(k, ".npz"), allow_pickle=False) as arrays:
                yield arrays

    def _path(self, k: int, suffix: str) -> Path:
        return self._folder / f"{k:06}{suffix}"


def _put(archive: zipfile.ZipFile, name: str, rows: int, parts: Iterable[np.ndarray]) -> None:
    """One array of the file, written part by part."""
    member = zipfile.ZipInfo(f"{name}.npy")  # without a date: the same molecules, the same bytes
    member.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(member, "w", force_zip64=True) as file:
        for k, part in enumerate(parts):
            if k == 0:
                header = {"descr": part.dtype.str, "fortran_order": False, "shape": (rows, *part.shape[1:])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(part).tobytes())


def _bytes(text: np.ndarray) -> np.ndarray:
    """Text as UTF-8, which takes a quarter of numpy's own."""
    return np.char.encode(text.astype(np.str_), "utf-8")
