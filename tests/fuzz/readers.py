"""Every reader of scidiff, as a function of a path that does whatever a user's command would do with the file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import lightning

import scidiff
from scidiff.cli import train
from scidiff.cli.config import read as read_words
from scidiff.molecules import files as molecule_files
from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.evaluate.reference import Reference
from scidiff.molecules.files import Broken
from scidiff.molecules.gather import gather
from scidiff.molecules.prepare.policy import Policy
from scidiff.molecules.prepare.screen import Candidate, screen
from scidiff.molecules.prepare.source import Source
from scidiff.store.errors import UserError
from scidiff.volumes import files
from scidiff.volumes.measured import read_kspace, read_sinogram
from scidiff.volumes.measured.sampled import read_mask
from scidiff.volumes.prepare.find import find as find_scans
from scidiff.volumes.prepare.run import prepare as prepare_scans
from tests.fuzz import seeds


@dataclass(frozen=True)
class Reader:
    """What makes its good files, what reads one, and its share of all inputs."""

    make: Callable[[Path], list[Path]]
    read: Callable[[Path], object]
    share: float = 1.0


def molecules(path: Path) -> None:
    """Every record is a molecule or names its fault; what was read can be written."""
    found = [record for record in molecule_files.read(path) if not isinstance(record, Broken)]
    known = [molecule for molecule in found if molecule.bonds is not None]
    molecule_files.write_sdf(path.parent / "again.sdf", known, overwrite=True)
    molecule_files.write_xyz(path.parent / "again.xyz", found, overwrite=True)


def own_molecules(path: Path) -> None:
    """As a training reads them."""
    gather(path)[0].save(path.parent / "again.npz", overwrite=True)


def candidates(path: Path) -> None:
    """Up to where `prepare` makes conformers, in processes that may die; every record is one or names its fault."""
    found = [screen(raw, Policy()) for raw in Source(path).records()]
    if not any(isinstance(each, Candidate) for each in found):
        raise UserError("nothing is left")


def prepared(path: Path) -> None:
    """Every molecule of a set."""
    list(MoleculeSet.load(path))


def reference(path: Path) -> None:
    """All of it."""
    Reference.load(path)


def scan(path: Path) -> None:
    """What was read can be written in its own way, and be read again."""
    volume = files.read(path)
    files.write(volume, path.parent / "again.nii", like=path, overwrite=True)
    files.read(path.parent / "again.nii")


def series(path: Path) -> None:
    """The folder of a slice."""
    files.read(path.parent)


def study(path: Path) -> None:
    """A folder of scans, as `prepare` takes it over."""
    with TemporaryDirectory() as out:
        if found := prepare_scans(find_scans(path.parent), Path(out), (0.8, 0.1, 0.1), fewest=3).dropped:
            raise UserError(found[0][1])


def mask(path: Path) -> None:
    """Of k-space."""
    read_mask(path, None)


def model(path: Path) -> None:
    """A model, ready to be used."""
    scidiff.load(path)


def resumed(path: Path) -> None:
    """Everything up to the first step, the checkpoint restored."""
    run = path.parent.parent if path.parent.name == "checkpoints" else path.parent
    fit = lightning.Trainer.fit

    def restore(trainer: lightning.Trainer, *args: object, **options: object) -> None:
        trainer.fit_loop.epoch_loop.max_steps = 0
        fit(trainer, *args, **options)

    config = read_words("train", [f"resume={run}", "steps=9"])
    with mock.patch.object(lightning.Trainer, "fit", restore):
        train.run(config)


def command_line(path: Path) -> None:
    """A verb and its words."""
    verb, *words = path.read_text(errors="replace").split("\n")
    if verb not in ("generate", "train", "reconstruct", "evaluate"):
        raise UserError("no verb")
    read_words(verb, words)


READERS = {
    "SDF": Reader(seeds.sdf, molecules, 1.5),
    "XYZ": Reader(seeds.xyz, molecules, 1.5),
    "own molecules, SDF": Reader(seeds.sdf, own_molecules, 0.5),
    "own molecules, XYZ": Reader(seeds.xyz, own_molecules, 0.5),
    "SMILES and tables": Reader(seeds.lists, candidates, 1.5),
    "prepared molecules": Reader(seeds.molecule_sets, prepared),
    "reference": Reader(seeds.references, reference, 0.5),
    "NIfTI": Reader(seeds.scans, scan, 2.0),
    "DICOM": Reader(seeds.slices, series, 1.5),
    "folder of scans": Reader(seeds.study, study, 0.5),
    "k-space": Reader(seeds.kspaces, read_kspace),
    "sinogram": Reader(seeds.sinograms, read_sinogram),
    "k-space mask": Reader(seeds.masks, mask, 0.5),
    "model file": Reader(seeds.models, model, 1.5),
    "run to resume": Reader(seeds.runs, resumed, 0.5),
    "command line": Reader(seeds.command_lines, command_line, 0.5),
}
