"""Molecules of one size become a dense state, and states become molecules again.

Positions are centred and divided by the data's standard deviation; bonds are kept once an unordered pair.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scidiff.engine.state import State
from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.networks.pairs import pair_index, pair_map
from scidiff.molecules.vocabulary import Vocabulary

PARTS = ("positions", "atoms", "charges", "bonds")


@dataclass(frozen=True)
class Codec:
    """Molecule <-> rows of a state.

    Args:
        vocabulary: the elements, charges and bond orders that the classes stand for.
        scale: Angstrom a unit of the state's positions.
    """

    vocabulary: Vocabulary
    scale: float = 1.0

    def encode(self, molecules: MoleculeSet, rows: np.ndarray) -> State:
        """The molecules of `rows` (M,), all of n atoms: positions (M, n, 3), atoms and charges (M, n), bonds (M, P)."""
        atoms = molecules.offsets[rows][:, None] + np.arange(molecules.sizes[rows[0]])
        positions = torch.from_numpy(molecules.positions[atoms]).float() / self.scale
        return State(
            {
                "positions": positions - positions.mean(1, keepdim=True),
                "atoms": _classes(self.vocabulary.encode_atoms(molecules.atomic_numbers[atoms])),
                "charges": _classes(self.vocabulary.encode_charges(molecules.formal_charges[atoms])),
                "bonds": self._bonds(molecules, rows, atoms.shape[1]),
            }
        )

    def decode(self, state: State) -> list[Molecule]:
        """One molecule a sample."""
        parts = {name: value.cpu() for name, value in state.parts.items()}
        i, j = (index.numpy() for index in pair_index(parts["atoms"].shape[1], torch.device("cpu")))
        numbers = self.vocabulary.decode_atoms(parts["atoms"].numpy())
        charges = self.vocabulary.decode_charges(parts["charges"].numpy())
        positions = (parts["positions"] * self.scale).numpy()
        orders = parts["bonds"].numpy()
        return [
            Molecule(numbers[k], positions[k], charges[k], np.stack([i, j, orders[k]], 1)[orders[k] > 0])
            for k in range(len(numbers))
        ]

    def blank(self, n: int, count: int, device: torch.device | str = "cpu") -> State:
        """A state of `count` molecules of n atoms to be filled by a sampler."""
        symbols = {part: torch.zeros(count, n, dtype=torch.int64, device=device) for part in ("atoms", "charges")}
        bonds = torch.zeros(count, n * (n - 1) // 2, dtype=torch.int64, device=device)
        return State({"positions": torch.zeros(count, n, 3, device=device), **symbols, "bonds": bonds})

    @staticmethod
    def _bonds(molecules: MoleculeSet, rows: np.ndarray, n: int) -> Tensor:
        table = pair_map(n, torch.device("cpu")).numpy()
        bonds = torch.zeros(len(rows), n * (n - 1) // 2, dtype=torch.int64)
        first, last = molecules.bond_offsets[rows], molecules.bond_offsets[rows + 1]
        where = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)]).astype(np.int64)
        i, j, order = molecules.bonds[where].T.astype(np.int64)
        bonds[np.repeat(np.arange(len(rows)), last - first), table[i, j]] = torch.from_numpy(order)
        return bonds


def deviation(molecules: MoleculeSet) -> float:
    """Standard deviation of the centred positions, Angstrom: the unit of the state."""
    sizes = np.diff(molecules.offsets)
    first = molecules.offsets[:-1][sizes > 0]
    means = np.add.reduceat(molecules.positions.astype(np.float64), first) / sizes[sizes > 0][:, None]
    centred = molecules.positions - np.repeat(means, sizes[sizes > 0], 0)
    return float(np.sqrt(np.mean(centred**2)))


def by_size(molecules: MoleculeSet, codec: Codec) -> dict[int, State]:
    """The whole set as one state a size, ready to be sliced into batches."""
    sizes = np.diff(molecules.offsets)
    return {int(n): codec.encode(molecules, np.flatnonzero(sizes == n)) for n in np.unique(sizes) if n > 0}


def _classes(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.int64))
