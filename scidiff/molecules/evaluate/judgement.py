"""What the generated records turned out to be: the facts about each, and the rates over all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

Fact = bool | int | float | str


def _nothing() -> np.ndarray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Judgement:
    """The facts about one generated record.

    Attributes:
        name: the record's title.
        atoms: number of atoms with their hydrogens; 0 where the record could not be read.
        bonded: whether the record said anything about bonds.
        facts: what the protocols found, by "protocol/name". A yes-or-no fact that is missing counts as no.
        codes: (k,) int64, the molecule's geometry as `geometry.codes` writes it.
        fault: why the record could not be read or judged; empty where it could.
    """

    name: str
    atoms: int = 0
    bonded: bool = False
    facts: dict[str, Fact] = field(default_factory=dict)
    codes: np.ndarray = field(default_factory=_nothing)
    fault: str = ""


@dataclass(frozen=True)
class Findings:
    """Everything found out about one set of generated records.

    Attributes:
        judgements: one for each record, readable or not.
        census: sorted unique (k,) codes of all geometries together, and (k,) how often each occurs.
    """

    judgements: Sequence[Judgement]
    census: tuple[np.ndarray, np.ndarray] = field(default_factory=lambda: (_nothing(), _nothing()))

    def __len__(self) -> int:
        return len(self.judgements)

    def rate(self, fact: str) -> float:
        """Fraction of all records, readable or not, for which `fact` holds; 0 where there are none."""
        return sum(bool(judgement.facts.get(fact)) for judgement in self.judgements) / max(len(self), 1)

    def rate_of_atoms(self, fact: str) -> float:
        """Fraction of all atoms counted by `fact`; an unreadable record weighs as much as the average readable one."""
        atoms = sum(judgement.atoms for judgement in self.judgements)
        readable = sum(judgement.atoms > 0 for judgement in self.judgements)
        counted = sum(int(judgement.facts.get(fact, 0)) for judgement in self.judgements)
        return counted / max(atoms, 1) * readable / max(len(self), 1)

    def strings(self, fact: str) -> list[str]:
        """The non-empty values of a text fact, in order."""
        return [str(value) for judgement in self.judgements if (value := judgement.facts.get(fact))]

    def values(self, fact: str) -> np.ndarray:
        """(k,) float values of a numeric fact, of those records that have it."""
        return np.array([each.facts[fact] for each in self.judgements if fact in each.facts], dtype=float)
