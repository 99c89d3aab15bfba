"""A protocol: what to find out about one molecule, and how the findings become figures.

Everything slow or dangerous happens in `inspect`, one molecule at a time and possibly in another process;
`summarise` sees only plain facts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scidiff.molecules.evaluate.judgement import Fact, Findings
from scidiff.molecules.evaluate.subject import Subject

if TYPE_CHECKING:
    from scidiff.molecules.evaluate.reference import Reference


@dataclass(frozen=True)
class Protocol:
    """One way of judging molecules.

    Attributes:
        name: the first half of its figures' names.
        inspect: molecule -> facts, named "name/...". Whatever it raises is recorded, and its facts count as no.
        summarise: (everything found, reference or None) -> figures, named "name/...".
        needs_bonds: whether it says nothing about a molecule whose bonds are unknown.
    """

    name: str
    inspect: Callable[[Subject], dict[str, Fact]]
    summarise: Callable[[Findings, "Reference | None"], dict[str, float]]
    needs_bonds: bool = True
