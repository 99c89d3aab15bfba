"""One diffusion engine for two sciences: molecules in 3D, and MRI and CT volumes."""

from pathlib import Path
from typing import Any

__version__ = "0.1.0"

DOMAINS = {
    "molecules": ("scidiff.molecules.model", "MoleculeModel"),
    "volumes": ("scidiff.volumes.model", "VolumeModel"),
}
"""Where the model of each domain lives; a new domain is one line here."""


def load(name_or_path: str | Path) -> Any:
    """Load a shipped model by name, or a model file; nothing in the file is run.

    >>> molecules = scidiff.load("qm9").generate(100, seed=0)  # doctest: +SKIP

    Raises:
        UserError: there is no such model, the file is not a model, or its domain is not known to this version.
    """
    from scidiff.store.model import find_model, read_header

    path = find_model(name_or_path)
    return model_class(read_header(path)["domain"], path).load(path)


def model_class(domain: str, path: str | Path = "This") -> type:
    """The class of the models of a domain; `path` is whose domain it is.

    Raises:
        UserError: this version does not know the domain, or lacks a package that it needs.
    """
    from importlib import import_module  # here, not above: `import scidiff` stays instant

    from scidiff.store.errors import UserError

    if domain not in DOMAINS:
        raise UserError(f"{path} is a model of {domain}, which scidiff {__version__} does not know. Upgrade scidiff.")
    module, name = DOMAINS[domain]
    return getattr(import_module(module), name)
