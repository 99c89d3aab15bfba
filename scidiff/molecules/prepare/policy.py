"""What is taken, what is left out, and what is done to a molecule on the way."""

from collections.abc import Sequence
from dataclasses import dataclass

from scidiff.molecules.vocabulary import Vocabulary
from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean

FRAGMENTS = ("largest", "drop", "refuse")
GROUPINGS = ("scaffold", "random")


@dataclass(frozen=True)
class Policy:
    """Choices that a prepared set depends on.

    Args:
        elements: symbols of those that may occur; H among them.
        charges: formal charges that may occur.
        fewest, most: heavy atoms.
        fragments: of a record with several, such as a salt: keep the `largest` organic one, `drop` the record, or
            `refuse` the file.
        conformers: structures kept of one molecule, made or given.
        remake: make conformers also where coordinates are given.
        seconds: that a conformer may take; more, and its molecule is dropped.
        split: what is never divided between training and test: a Bemis-Murcko `scaffold`, or a molecule (`random`),
            whatever its stereochemistry.
        seed: of the conformers and the split.

    Raises:
        UserError: a word that is none of those, or numbers that cannot be.
    """

    elements: tuple[str, ...] = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I")
    charges: tuple[int, ...] = (-2, -1, 0, 1, 2, 3)
    fewest: int = 1
    most: int = 80
    fragments: str = "largest"
    conformers: int = 1
    remake: bool = False
    seconds: float = 60.0
    split: str = "scaffold"
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("fragments", self.fragments, FRAGMENTS)
        _one_of("split", self.split, GROUPINGS)
        Vocabulary(self.elements, self.charges)
        if "H" not in self.elements:
            raise UserError("elements= lacks H: molecules carry all their hydrogens.")
        if self.fewest > self.most:
            raise UserError(f"fewest={self.fewest} is more than most={self.most}: no molecule is so.")


def _one_of(name: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        raise UserError(f"{name}={word}: expected one of {', '.join(known)}.{did_you_mean(word, known)}")
