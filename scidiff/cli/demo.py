"""scidiff demo: everything the shipped models do, in minutes on a laptop: molecules from noise, and a scan restored."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from omegaconf import DictConfig

from scidiff.cli import report
from scidiff.cli.config import write_beside
from scidiff.store.atomic import claim
from scidiff.store.errors import UserError
from scidiff.store.model import shipped

HALVES = {"molecules": "qm9", "volumes": "brain"}
"""Domain -> the shipped model that its half, `scidiff.cli.demo_<domain>`, shows."""

PAGE = "report.html"


def run(config: DictConfig) -> None:
    """Show each half that this copy of scidiff has the model and the packages for.

    Raises:
        UserError: there is none, the folder cannot be written, or something in it exists and `overwrite` is false.
    """
    room = Path(config.out).expanduser()
    halves = {model: half for domain, model in HALVES.items() if (half := _half(domain, model))}
    if not halves:
        raise UserError("So there is nothing to show. Install scidiff[all], or a copy with its models.")
    places = {model: {n: claim(room / n, config.overwrite) for n in half.FILES} for model, half in halves.items()}
    page = claim(room / PAGE, config.overwrite) if config.report else None
    sections = []
    for model, half in halves.items():
        sections.append(half.run(config, places[model], model))
        print()
    if page is not None:
        report.publish(page, "scidiff demo", sections, config.overwrite)
    write_beside(config, room / "demo")
    print("\n".join(line for half in halves.values() for line in half.NEXT))


def _half(domain: str, model: str) -> ModuleType | None:
    """What shows a domain; none, and a line that says why, where something is missing."""
    if model not in dict(shipped()):
        print(f"No model '{model}' is shipped with this copy of scidiff, so the demo leaves its half out.")
        return None
    try:
        return import_module(f"scidiff.cli.demo_{domain}")
    except ModuleNotFoundError as error:
        if (error.name or "scidiff").startswith("scidiff"):
            raise
        print(f"The demo leaves out '{model}', which needs {error.name}: pip install 'scidiff[{domain}]'.")
        return None
