"""A molecule as arrays: what files, RDKit and the engine's states exchange."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Molecule:
    """n atoms in space with all their hydrogens.

    Attributes:
        numbers: (n,) integer atomic numbers.
        positions: (n, 3) float32, Angstrom.
        charges: (n,) integer formal charges.
        bonds: (m, 3) integer rows (i, j, order), i < j, order 1, 2 or 3 (Kekule form), each pair once;
            None where nothing is known of the bonds (an XYZ file).
        name: the record's title, for messages.
        properties: what else the record said, by name.
    """

    numbers: np.ndarray
    positions: np.ndarray
    charges: np.ndarray
    bonds: np.ndarray | None = None
    name: str = ""
    properties: dict = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)
