"""First weights from a network that knew other elements: a new element begins as its kin among those."""

from collections.abc import Mapping

from rdkit.Chem import GetPeriodicTable
from torch import Tensor

from scidiff.molecules.vocabulary import Vocabulary, element_number


def adopted(
    tensors: Mapping[str, Tensor], axes: Mapping[str, int], old: Vocabulary, new: Vocabulary
) -> dict[str, Tensor]:
    """The weights of a network of `old` elements, as one of `new` elements has them.

    Args:
        tensors: all weights, by name.
        axes: for those that tell elements apart, the axis that does: the elements come first on it, then what
            else it counts (the mask, the charges), which stays.
    """
    rows = [old.elements.index(kin(symbol, old)) for symbol in new.elements]
    known = len(old.elements)
    return {name: _turned(value, axes[name], rows, known) if name in axes else value for name, value in tensors.items()}


def _turned(value: Tensor, axis: int, rows: list[int], known: int) -> Tensor:
    rest = range(known, value.shape[axis])
    return value.index_select(axis, value.new_tensor([*rows, *rest], dtype=int))


def kin(symbol: str, known: Vocabulary) -> str:
    """The known element nearest to another: the same; else of as many outer electrons, or nearly, and as heavy."""
    table, number = GetPeriodicTable(), element_number(symbol)

    def strangeness(other: int) -> tuple[int, int]:
        return abs(table.GetNOuterElecs(number) - table.GetNOuterElecs(other)), abs(number - other)

    return min(known.elements, key=lambda other: strangeness(element_number(other)))
