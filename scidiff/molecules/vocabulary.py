"""Which elements, charges and bonds a model speaks of, and their class indices.

Class k of the atoms is the k-th element of the vocabulary, class k of the charges its k-th charge; bonds are their
own classes: 0 none, 1 single, 2 double, 3 triple.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from rdkit.Chem import GetPeriodicTable

from scidiff.store.errors import UserError

Array = TypeVar("Array")  # a numpy array or a torch tensor: what goes in comes out

_SYMBOLS = {number: GetPeriodicTable().GetElementSymbol(number) for number in range(1, 119)}
_NUMBERS = {symbol: number for number, symbol in _SYMBOLS.items()} | {"D": 1, "T": 1}


def element_number(symbol: str) -> int:
    """Atomic number of a symbol; deuterium and tritium are hydrogen.

    Raises:
        UserError: no such element.
    """
    number = _NUMBERS.get(symbol) or _NUMBERS.get(symbol.capitalize())
    if number is None:
        raise UserError(f"'{symbol}' is not a chemical element.")
    return number


def element_symbol(number: int) -> str:
    """Symbol of an atomic number, or the number itself in words where there is no such element."""
    return _SYMBOLS.get(int(number), f"element {int(number)}")


@dataclass(frozen=True)
class Vocabulary:
    """The classes of the categorical parts.

    Attributes:
        elements: symbols, in the order of their classes.
        charges: formal charges, in the order of their classes.
        bonds: number of bond classes (none, single, double, triple).

    Raises:
        UserError: an element that does not exist.
    """

    elements: tuple[str, ...] = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I", "Bi")
    charges: tuple[int, ...] = (-2, -1, 0, 1, 2, 3)
    bonds: int = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "elements", tuple(self.elements))
        object.__setattr__(self, "charges", tuple(int(charge) for charge in self.charges))
        for symbol in self.elements:
            element_number(symbol)

    @classmethod
    def covering(cls, numbers: Iterable[int], charges: Iterable[int]) -> "Vocabulary":
        """The smallest vocabulary for these atomic numbers and charges (0 always among them), both ascending."""
        symbols = tuple(element_symbol(number) for number in np.unique(np.asarray(numbers)))
        return cls(symbols, tuple(sorted({0, *np.unique(np.asarray(charges)).tolist()})))

    @cached_property
    def numbers(self) -> np.ndarray:
        """(elements,) int64 atomic number of each atom class."""
        return np.array([element_number(symbol) for symbol in self.elements], dtype=np.int64)

    def encode_atoms(self, numbers: Array) -> Array:
        """Classes (int64, same shape and kind) of atomic numbers.

        Raises:
            UserError: an element outside the vocabulary.
        """
        return _encode(numbers, self.numbers, "element", element_symbol, ", ".join(self.elements))

    def decode_atoms(self, classes: Array) -> Array:
        """Atomic numbers (int64, same shape and kind) of atom classes."""
        return _decode(classes, self.numbers)

    def encode_charges(self, charges: Array) -> Array:
        """Classes (int64, same shape and kind) of formal charges.

        Raises:
            UserError: a charge outside the vocabulary.
        """
        known = ", ".join(_signed(charge) for charge in self.charges)
        return _encode(charges, np.array(self.charges, dtype=np.int64), "charge", _signed, known)

    def decode_charges(self, classes: Array) -> Array:
        """Formal charges (int64, same shape and kind) of charge classes."""
        return _decode(classes, np.array(self.charges, dtype=np.int64))


def _signed(charge: int) -> str:
    """+1, 0, -1."""
    return f"{charge:+d}" if charge else "0"


def _encode(values, known: np.ndarray, kind: str, naming, listing: str):
    """Position of each value in `known`; a stranger is named."""
    given = values.cpu().numpy() if hasattr(values, "new_tensor") else np.asarray(values)
    given = given.astype(np.int64)
    order = np.argsort(known)
    places = order[np.minimum(np.searchsorted(known, given, sorter=order), len(known) - 1)]
    strangers = given[known[places] != given]
    if strangers.size:
        raise UserError(f"The {kind} {naming(int(strangers.flat[0]))} is not among those known here ({listing}).")
    return _like(values, places)


def _decode(classes, known: np.ndarray):
    """`known[classes]`, for arrays and tensors."""
    given = classes.cpu().numpy() if hasattr(classes, "new_tensor") else np.asarray(classes)
    return _like(classes, known[given])


def _like(values, result: np.ndarray):
    """The result as a tensor beside `values` when those are one (asked of the object, so torch is not imported)."""
    if not hasattr(values, "new_tensor"):
        return result
    return values.new_tensor(result, dtype=values.long().dtype)
