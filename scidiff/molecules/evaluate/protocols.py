"""All protocols by name, in the order in which to trust them."""

from collections.abc import Iterable

from scidiff.molecules.evaluate import (
    distributions,
    edm,
    hydrogens,
    midi,
    novelty,
    plausibility,
    relaxation,
    revisited,
    strict,
)
from scidiff.molecules.evaluate.protocol import Protocol
from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean

_IN_ORDER = (strict, plausibility, hydrogens, relaxation, novelty, distributions, revisited, midi, edm)
PROTOCOLS: dict[str, Protocol] = {module.PROTOCOL.name: module.PROTOCOL for module in _IN_ORDER}
DEFAULT = tuple(name for name in PROTOCOLS if name != "relaxation")
"""Every protocol but relaxation, which needs an extra and takes some tenths of a second a molecule."""


def choose(names: Iterable[str]) -> tuple[str, ...]:
    """The protocols asked for, each once, in the order of trust.

    Raises:
        UserError: a name is not a protocol's, or relaxation is asked for without tblite.
    """
    names = set(names)
    for name in sorted(names - PROTOCOLS.keys()):
        known = ", ".join(PROTOCOLS)
        raise UserError(f"There is no protocol '{name}'.{did_you_mean(name, PROTOCOLS)} There are: {known}.")
    if "relaxation" in names:
        relaxation.require()
    return tuple(name for name in PROTOCOLS if name in names)
