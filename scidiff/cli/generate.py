"""scidiff generate: molecules from a trained model, into a file."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf

import scidiff
from scidiff.cli import report
from scidiff.cli.config import write_beside
from scidiff.cli.deal import device_of
from scidiff.cli.pieces import Pieces
from scidiff.cli.progress import progress, rate
from scidiff.molecules import files
from scidiff.molecules.chemistry import Unsound, sanitise, to_rdkit
from scidiff.molecules.model import WINDOW
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.picture import draw_grid
from scidiff.store.atomic import claim
from scidiff.store.build import build
from scidiff.store.errors import UserError

WRITERS = {".sdf": files.write_sdf, ".xyz": files.write_xyz}
CPU = torch.device("cpu")
DRAWN = 25  # molecules on the picture


def run(config: DictConfig) -> None:
    """Generate, write, draw and sum up; everything that can be refused is refused before the sampling.

    Raises:
        UserError: an ending, a place or a model that will not do.
    """
    out, write = Path(config.out).expanduser(), _writer(config.out)
    page = out.with_name(out.name.removesuffix(".gz")).with_suffix(".png")
    for path in [out, page] if config.picture else [out]:
        claim(path, config.overwrite)
    place, device = report.place(out, config), device_of(config.accelerator, config.devices)
    options = {key: config[key] for key in ("batch", "churn", "temperature")}
    options |= {"sizes": _sizes(config.sizes), "plan": _plan(config)}
    model = opened(config.model, config, options["plan"])
    pieces = Pieces.begin(out, config) if config.n > WINDOW else None
    molecules, seconds = sample(model, config, pieces, device, **options)
    write(out, molecules, config.overwrite)
    write_beside(config, out)
    print(summary(molecules, seconds, config, pieces.there if pieces else 0))
    print(f"Molecules: {out}")
    if config.picture:
        draw(molecules, page, config.overwrite)
    if place is not None:
        tell(molecules, place, config)
    if pieces:
        pieces.remove()


def opened(name: str, config: DictConfig, plan: Any = None) -> Any:
    """The model of this name; where no steps were asked for, `config.steps` becomes the plan's own number.

    Args:
        plan: how to sample; the model's own if none.

    Raises:
        UserError: there is no such model, or it makes no molecules.
    """
    model = scidiff.load(name)
    if model.header["domain"] != "molecules":
        raise UserError(f"{name} is a model of {model.header['domain']}; generate makes molecules.")
    if config.steps is None:
        config.steps = (plan or model.plan).steps
    return model


def sample(
    model: Any, config: DictConfig, pieces: Pieces | None = None, device: torch.device = CPU, **options: Any
) -> tuple[Collection, float]:
    """`config.n` molecules of a model, and the seconds it took.

    Options that are None are the model's to choose. With `pieces` the molecules are kept there while they are made, on
    as many devices as the configuration says.
    """
    chosen = {key: value for key, value in options.items() if value is not None}
    make = Maker(model, chosen | {"seed": config.seed, "steps": config.steps}, config.get("first", 0))
    start = perf_counter()
    with progress("Generating", config.n, "molecules") as tick:
        molecules = (
            pieces.fill(make, tick, config.devices, config.accelerator) if pieces else make(0, config.n, tick, device)
        )
    return molecules, perf_counter() - start


@dataclass(frozen=True)
class Maker:
    """What makes molecules first, ..., first + count - 1 of a run; it can be sent to another process."""

    model: Any
    options: Mapping[str, Any]
    begin: int = 0

    def __call__(self, first: int, count: int, tick: Callable[[int], None], device: torch.device) -> list[Molecule]:
        """Make them; `tick` is told how many are done."""
        options = dict(self.options) | ({"first": self.begin + first} if self.begin + first else {})
        if isinstance(sizes := options.get("sizes"), list) and len(sizes) > 1:
            options["sizes"] = sizes[first : first + count]
        if device.type != "cpu":
            self.model.network.to(device)
        return self.model.generate(count, progress=tick, **options)


def summary(molecules: Collection[Molecule], seconds: float, config: DictConfig, before: int = 0) -> str:
    """Two lines: how many and how fast, and how many RDKit accepts.

    Args:
        before: how many of them an interrupted run had left.
    """
    n, sound = len(molecules), sum(map(sanitises, molecules))
    speed = f"{rate(n - before, seconds, 'molecules')}; " if n > before else ""
    made = f"{n} molecules" if not before else f"{n} molecules, {n - before} of them now,"
    return (
        f"{made} in {seconds:.1f} s ({speed}{config.steps} steps, seed {config.seed})\n"
        f"{sound} of {n} sanitise ({100 * sound / n:.1f} %)"
    )


def sanitises(molecule: Molecule) -> bool:
    """Whether RDKit accepts the molecule as it stands."""
    try:
        return bool(sanitise(to_rdkit(molecule)))
    except Unsound:
        return False


def draw(molecules: Collection[Molecule], page: Path, overwrite: bool) -> None:
    """Draw the first molecules and say where."""
    first = list(islice(molecules, DRAWN))
    with progress("Drawing", len(first), "molecules") as tick:
        draw_grid(first, page, overwrite=overwrite, progress=tick)
    which = f"the first {len(first)}" if len(first) < len(molecules) else "all of them"
    print(f"Picture:   {page} ({which})")


def tell(molecules: Collection[Molecule], place: Path, config: DictConfig) -> None:
    """Judge the first molecules, and write the page about all."""
    from scidiff.cli.report_molecules import generated  # brings the judges, which nothing else here needs

    title = f"{len(molecules):,} molecules of {Path(config.model).stem}"
    report.publish(place, title, [generated(molecules, config)], config.overwrite)


def _writer(out: str) -> Any:
    if files.ending(out) not in WRITERS:
        raise UserError(f"out={out}: expected a name ending in .sdf or .xyz, or either with .gz.")
    return WRITERS[files.ending(out)]


def _plan(config: DictConfig) -> Any:
    """The sampling plan that was chosen, or None for the model's own."""
    return build(OmegaConf.to_container(config.sampler)) if "sampler" in config else None


def _sizes(value: Any) -> int | list[int] | None:
    """One number of atoms, one for each molecule, or None for the model's own."""
    sizes = list(value) if isinstance(value, ListConfig | list) else value
    for size in sizes if isinstance(sizes, list) else [sizes]:
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
            raise UserError(f"sizes={value}: expected a number of atoms, as sizes=19, or a list, as sizes=[17,18,19].")
    return sizes
