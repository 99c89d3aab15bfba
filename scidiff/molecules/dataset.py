"""Many molecules as flat arrays: molecule i owns the atom rows offsets[i]:offsets[i+1], and its bonds likewise.

On disk it is a compressed .npz without pickles holding the same arrays; every further array with one row per
molecule (SMILES, split, properties) is a column.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scidiff.molecules.molecule import Molecule
from scidiff.store.arrays import read_arrays
from scidiff.store.atomic import whole
from scidiff.store.errors import UserError

if TYPE_CHECKING:
    from torch_geometric.data import Data

SPLITS = {"train": 0, "valid": 1, "test": 2}
_ARRAYS = {
    "atomic_numbers": np.uint8,
    "formal_charges": np.int8,
    "positions": np.float32,
    "offsets": np.int64,
    "bonds": np.int16,
    "bond_offsets": np.int64,
}


@dataclass(frozen=True)
class MoleculeSet:
    """N molecules with A atoms and M bonds in all.

    Attributes:
        atomic_numbers: (A,) uint8.
        formal_charges: (A,) int8.
        positions: (A, 3) float32, Angstrom.
        offsets: (N + 1,) int64.
        bonds: (M, 3) int16 rows (i, j, order), i and j counted within the molecule.
        bond_offsets: (N + 1,) int64.
        columns: (N,) arrays by name: `smiles`, `names`, `split` (0 train, 1 valid, 2 test), `index`, properties.

    Raises:
        UserError: arrays that do not fit together.
    """

    atomic_numbers: np.ndarray
    formal_charges: np.ndarray
    positions: np.ndarray
    offsets: np.ndarray
    bonds: np.ndarray
    bond_offsets: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fault = _fault(self)
        if fault:
            raise UserError(f"These are no molecules: {fault}.")

    @classmethod
    def load(cls, path: str | Path) -> "MoleculeSet":
        """Read a set.

        Raises:
            UserError: no such file, not a whole .npz, pickled objects inside, arrays missing or not fitting together.
        """
        path = Path(path)
        arrays = read_arrays(path)
        missing = [name for name in _ARRAYS if name not in arrays]
        if missing:
            raise UserError(
                f"{path} is no set of molecules: it lacks {', '.join(missing)}. Make it with scidiff prepare."
            )
        core = {name: arrays.pop(name) for name in _ARRAYS}
        core["bonds"] = _ascending(core["bonds"])
        size = core["offsets"].size - 1
        columns = {name: _text(array) for name, array in arrays.items() if array.ndim == 1 and len(array) == size}
        try:
            return cls(
                **{name: array.astype(_ARRAYS[name], copy=False) for name, array in core.items()}, columns=columns
            )
        except (UserError, TypeError, ValueError) as error:
            raise UserError(f"{path}: {error}") from error

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the set, whole or not at all, as a compressed .npz.

        Raises:
            UserError: the file exists already or cannot be written.
        """
        if Path(path).suffix != ".npz":
            raise UserError(f"A set of molecules is written as .npz; {path} ends otherwise.")
        with whole(path, overwrite) as temporary:
            np.savez_compressed(temporary, **{name: getattr(self, name) for name in _ARRAYS}, **self.columns)

    @classmethod
    def from_molecules(cls, molecules: Iterable[Molecule], **columns: np.ndarray) -> "MoleculeSet":
        """Put molecules (bonds known) in rows.

        Names become the column `names`; a property that every molecule has becomes a column too, of numbers if all
        are numbers: all but `split`, which is what `prepare` says, not what a file calls so.

        Raises:
            UserError: a molecule's bonds are unknown.
        """
        molecules = list(molecules)
        for molecule in molecules:
            if molecule.bonds is None:
                raise UserError(f"The bonds of {molecule.name or 'a molecule'} are unknown; perceive them first.")
        shared = set.intersection(*(set(m.properties) for m in molecules)) if molecules else set()
        named = {key: _column([m.properties[key] for m in molecules]) for key in sorted(shared - {*_ARRAYS, "split"})}
        return cls(
            atomic_numbers=_stacked([m.numbers for m in molecules], np.uint8),
            formal_charges=_stacked([m.charges for m in molecules], np.int8),
            positions=_stacked([m.positions for m in molecules], np.float32, 3),
            offsets=_offsets([len(m) for m in molecules]),
            bonds=_stacked([m.bonds for m in molecules], np.int16, 3),
            bond_offsets=_offsets([len(m.bonds) for m in molecules]),
            columns={"names": np.array([m.name for m in molecules], dtype=np.str_), **named, **columns},
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[Molecule]:
        return (self.molecule(i) for i in range(len(self)))

    def molecule(self, i: int) -> Molecule:
        """The i-th molecule, its columns as properties."""
        if not 0 <= i < len(self):
            raise IndexError(f"molecule {i} of {len(self)}")
        atoms = slice(self.offsets[i], self.offsets[i + 1])
        said = {name: column[i].item() for name, column in self.columns.items()}
        return Molecule(
            numbers=self.atomic_numbers[atoms],
            positions=self.positions[atoms],
            charges=self.formal_charges[atoms],
            bonds=self.bonds[self.bond_offsets[i] : self.bond_offsets[i + 1]],
            name=str(said.pop("names", "")),
            properties=said,
        )

    def subset(self, chosen: str | Iterable[int]) -> "MoleculeSet":
        """The molecules of a split ('train', 'valid', 'test'), or those at the given indices in their order.

        Raises:
            UserError: no such split, or the set is not split.
        """
        rows = self._split(chosen) if isinstance(chosen, str) else np.asarray(chosen)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        atoms, offsets = _ragged(self.offsets, rows)
        edges, bond_offsets = _ragged(self.bond_offsets, rows)
        return MoleculeSet(
            atomic_numbers=self.atomic_numbers[atoms],
            formal_charges=self.formal_charges[atoms],
            positions=self.positions[atoms],
            offsets=offsets,
            bonds=self.bonds[edges],
            bond_offsets=bond_offsets,
            columns={name: column[rows] for name, column in self.columns.items()},
        )

    def _split(self, name: str) -> np.ndarray:
        """(N,) bool membership of a split."""
        if name not in SPLITS:
            raise UserError(f"There is no split '{name}'; expected one of {', '.join(SPLITS)}.")
        if "split" not in self.columns:
            raise UserError("This set of molecules has no column 'split'; prepare it with one, or use all of it.")
        return self.columns["split"] == SPLITS[name]

    @cached_property
    def sizes(self) -> np.ndarray:
        """(N,) number of atoms of each molecule."""
        return np.diff(self.offsets)

    def size_histogram(self) -> dict[int, int]:
        """How many molecules have each number of atoms, by ascending size."""
        sizes, counts = np.unique(self.sizes, return_counts=True)
        return dict(zip(sizes.tolist(), counts.tolist(), strict=True))

    def to_data(self, i: int) -> "Data":
        """The i-th molecule for torch-geometric.

        Returns:
            Data with z (n,), charge (n,), pos (n, 3), edge_index (2, 2m) both ways, edge_attr (2m,) bond orders.
        """
        import torch
        from torch_geometric.data import Data

        molecule = self.molecule(i)
        ends, orders = np.asarray(molecule.bonds, dtype=np.int64)[:, :2].T, molecule.bonds[:, 2].astype(np.int64)
        return Data(
            z=torch.from_numpy(molecule.numbers.astype(np.int64)),
            charge=torch.from_numpy(molecule.charges.astype(np.int64)),
            pos=torch.from_numpy(molecule.positions.copy()),
            edge_index=torch.from_numpy(np.concatenate([ends, ends[::-1]], axis=1)),
            edge_attr=torch.from_numpy(np.concatenate([orders, orders])),
        )


def _fault(molecules: MoleculeSet) -> str | None:
    """Why the arrays do not fit together, if they do not."""
    atoms, edges = len(molecules.atomic_numbers), molecules.bonds
    for name, rows in (("offsets", atoms), ("bond_offsets", len(edges))):
        offsets = getattr(molecules, name)
        if (
            offsets.ndim != 1
            or not len(offsets)
            or offsets[0] != 0
            or offsets[-1] != rows
            or (np.diff(offsets) < 0).any()
        ):
            return f"{name} must ascend from 0 to {rows}"
    if len(molecules.offsets) != len(molecules.bond_offsets):
        return "offsets and bond_offsets differ in length"
    if molecules.positions.shape != (atoms, 3) or molecules.formal_charges.shape != (atoms,):
        return f"positions and formal_charges must have one row for each of the {atoms} atoms"
    if edges.shape[1:] != (3,) or (len(edges) and (edges[:, 2].min() < 1 or edges[:, 2].max() > 3)):
        return "bonds must be rows (i, j, order) with order 1, 2 or 3"
    sizes = np.repeat(np.diff(molecules.offsets), np.diff(molecules.bond_offsets))
    if (edges[:, 0] < 0).any() or (edges[:, 0] >= edges[:, 1]).any() or (edges[:, 1] >= sizes).any():
        return "a bond must join atoms i < j of its own molecule"
    if atoms and not 1 <= molecules.atomic_numbers.min() <= molecules.atomic_numbers.max() <= 118:
        return "atomic numbers must be from 1 to 118"
    if not np.isfinite(molecules.positions).all():
        return "positions must be finite"
    wrong = [name for name, column in molecules.columns.items() if len(column) != len(molecules.offsets) - 1]
    return f"the columns {', '.join(wrong)} must have one row for each molecule" if wrong else None


def _ascending(bonds: np.ndarray) -> np.ndarray:
    """The same bonds with i < j, as other tools need not write them; arrays of another shape as they are."""
    if bonds.ndim != 2 or bonds.shape[1] != 3:
        return bonds
    return np.concatenate([np.sort(bonds[:, :2], axis=1), bonds[:, 2:]], axis=1)


def _ragged(offsets: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat row numbers of the chosen molecules, and their new offsets."""
    sizes = np.diff(offsets)[rows]
    fresh = _offsets(sizes)
    return np.arange(fresh[-1]) + np.repeat(offsets[:-1][rows] - fresh[:-1], sizes), fresh


def _offsets(sizes: Iterable[int]) -> np.ndarray:
    """Where each of some runs begins, and where the last ends."""
    return np.fromiter(itertools.accumulate(map(int, sizes), initial=0), dtype=np.int64)


def _stacked(parts: list[np.ndarray], dtype: type, *width: int) -> np.ndarray:
    """The parts in one array, of the right shape even when there are none."""
    filled = [np.asarray(part, dtype=dtype).reshape(-1, *width) for part in parts]
    return np.concatenate([np.zeros((0, *width), dtype=dtype), *filled])


def _column(values: list) -> np.ndarray:
    """Whole numbers if all values are, else numbers if all are, else text."""
    for kind in (int, float):
        try:
            return np.array([kind(str(value)) for value in values])
        except ValueError:
            continue
    return np.array([str(value) for value in values], dtype=np.str_)


def _text(array: np.ndarray) -> np.ndarray:
    """Bytes as text; other arrays as they are."""
    return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array
