"""The molecules' half of scidiff prepare: SMILES, tables, SDF and XYZ files as one prepared set, split."""

from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from scidiff.cli.config import write_beside
from scidiff.cli.prepare import cores, open_folder, shares, show, typed
from scidiff.cli.prepared import describe
from scidiff.cli.progress import progress
from scidiff.molecules.gather import PREPARED
from scidiff.molecules.prepare.policy import Policy
from scidiff.molecules.prepare.run import DROPPED, Prepared, prepare
from scidiff.molecules.prepare.shelf import SHARDS, Shelf
from scidiff.molecules.prepare.source import Source
from scidiff.store.errors import UserError
from scidiff.store.split import PARTS
from scidiff.store.unfinished import abandon, finish

_CHOICES = ("fewest", "most", "fragments", "conformers", "remake", "seconds", "seed")


def run(config: DictConfig, out: Path) -> None:
    """Prepare, describe, and sum up.

    Raises:
        UserError: as `scidiff.molecules.prepare.run.prepare`, or `out` cannot be written.
    """
    policy = Policy(
        elements=tuple(config.elements),
        charges=tuple(config.charges),
        split=config.split or "scaffold",
        **{key: config[key] for key in _CHOICES},
    )
    source, parts = Source(Path(config.input).expanduser(), config.column), shares(config)
    place = open_folder(config, out, source.files)
    try:
        with progress("Preparing", None, "molecules") as tick:
            found = prepare(source, policy, parts, place, cores(config), tick)
    except UserError:
        if not Shelf(place).kept():
            abandon(out)
        raise
    known = {"elements": list(found.vocabulary.elements), "charges": list(found.vocabulary.charges)}
    describe(place, "files", {"name": config.name or out.name, "source": PREPARED, "licence": config.licence, **known})
    finish(out, scrap=[SHARDS])
    write_beside(config, out)
    _tell(found, out)


def _tell(found: Prepared, out: Path) -> None:
    kept, low, middle, high = len(found.sizes), *np.percentile(found.sizes, [0, 50, 100]).astype(int)
    given, hydrogens, conformers = np.bincount(found.made, minlength=3).tolist()
    print(f"{kept:,} molecules of {found.records:,} records; {sum(found.dropped.values()):,} records dropped.")
    show(found.dropped)
    counts = np.bincount(found.parts, minlength=3)
    print(f"Split: {', '.join(f'{name} {count:,}' for name, count in zip(PARTS, counts.tolist(), strict=True))}.")
    print(f"Coordinates: {given:,} as given, {hydrogens:,} with hydrogens added, {conformers:,} made.")
    print(f"Atoms: {low} to {high}, half of them up to {middle}; {', '.join(found.vocabulary.elements)}.")
    print(f"Data set: {out} (what was dropped and why: {out / DROPPED})")
    print(f"Next: scidiff train data={typed(out)}")
