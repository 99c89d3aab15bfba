"""A folder of scans restored, each into a file of its own; what is done already is not done again.

Scans are dealt to the devices. One that cannot be restored is told and left out; the others go on.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from scidiff.cli.deal import Tick, deal
from scidiff.cli.progress import progress
from scidiff.store.errors import UserError
from scidiff.store.model import find_model
from scidiff.volumes import files
from scidiff.volumes.prepare.find import find

BESIDE = ("classical", "sd", "residual", "input")  # volumes that may lie beside an answer
MEASURED = ("mri", "ct")  # tasks whose inputs are .npz files
_SAME_ANSWER = ("out", "devices", "picture", "report", "overwrite", "debug")  # keys that change nothing in it
_NAMED = 5  # scans at most that the last sentence names


def is_study(config: DictConfig) -> bool:
    """Whether a folder is to be restored into a folder; a folder into a NIfTI file is one DICOM series."""
    return Path(config.input).expanduser().is_dir() and not str(config.out).lower().endswith(files.ENDINGS)


def run(config: DictConfig, restore: Callable[..., None]) -> None:
    """Restore what is not restored yet.

    Args:
        restore: (settings of one scan, watched=False), in the process that it is called in.

    Raises:
        UserError: there are no scans, two would have the same name, or some could not be restored.
    """
    study = Study(OmegaConf.to_container(config), restore, tuple(_scans(config).items()))
    todo = [k for k in range(len(study.scans)) if config.overwrite or not study.done(k)]
    if before := len(study.scans) - len(todo):
        print(f"Going on: {before} of {len(study.scans)} scans are restored already.")
    with progress("Restoring", len(todo), "scans") as tick:
        deal(study, todo, tick, config.devices)
    failed = [study.scans[k][0] for k in todo if not study.done(k)]
    if failed:
        more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        which = f"{len(failed)} of {len(study.scans)} scans could not be restored: {', '.join(failed[:_NAMED])}{more}"
        raise UserError(f"{which}. The same command tries these again.")
    print(f"Restored:  {len(study.scans)} scans, in {config.out}")


@dataclass(frozen=True)
class Study:
    """The scans of a folder, and how each is restored.

    Attributes:
        settings: what was typed for all of them.
        restore: one scan.
        scans: the name of each answer within `out`, and its scan.
    """

    settings: Mapping[str, Any]
    restore: Callable[..., None]
    scans: tuple[tuple[str, Path], ...]

    def __call__(self, number: int, tick: Tick, _: torch.device) -> int:
        """Restore one scan and print what is to be said of it; an error is told, and does not stop the others."""
        name, said = self.scans[number][0], StringIO()
        try:
            with redirect_stdout(said):
                self.restore(OmegaConf.create(self.config(number)), watched=False)
            print(f"\n{name}\n{said.getvalue()}", end="", flush=True)
        except Exception as error:
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            print(f"\nscidiff: {name}: {kind}{error}", file=sys.stderr, flush=True)
            if self.done(number):  # an older answer, or one whose picture failed
                self.mark(number).unlink()
        tick(1)
        return 1

    def config(self, number: int) -> dict[str, Any]:
        """What one would type for this scan alone."""
        name, path = self.scans[number]
        own = {"input": str(path), "out": str(Path(self.settings["out"]).expanduser() / name), "devices": 1}
        if (mask := self.settings["mask"]) and Path(mask).expanduser().is_dir():
            own["mask"] = str(Path(mask).expanduser() / name)
        return {**self.settings, **own}

    def mark(self, number: int) -> Path:
        """What lies beside an answer that is whole."""
        return Path(f"{self.config(number)['out']}.config.yaml")

    def done(self, number: int) -> bool:
        """Whether the answer is there, with these settings, and newer than the scan and the model."""
        own = self.config(number)
        try:
            before = OmegaConf.to_container(OmegaConf.load(self.mark(number)))
            made = Path(own["out"]).stat().st_mtime
            newest = max(each.stat().st_mtime for each in (find_model(own["model"]), Path(own["input"])))
        except Exception:  # whatever is wrong with a file, it is not this answer's
            return False
        return made >= newest and _answer(before) == _answer(own)


def _answer(settings: Any) -> dict[str, Any]:
    """What an answer depends on."""
    return {key: value for key, value in dict(settings).items() if key not in _SAME_ANSWER}


def _scans(config: DictConfig) -> dict[str, Path]:
    """The name of each answer and its scan, a file or a folder of DICOM slices, in order.

    Raises:
        UserError: there is none, or two would have the same answer.
    """
    folder, out = Path(config.input).expanduser(), Path(config.out).expanduser().resolve()
    if config.task in MEASURED:
        paths = sorted(folder.rglob("*.npz"))
    else:
        paths = [each.files[0] if each.is_nifti else each.files[0].parent for each in find(folder)]
        paths = [path for path in paths if not _is_beside(path)]
    named: dict[str, Path] = {}
    for path in dict.fromkeys(each for each in paths if not each.resolve().is_relative_to(out)):
        name = _called(path, folder)
        if name in named:
            raise UserError(f"{path} and {named[name]} would both become {name}; put one of them elsewhere.")
        named[name] = path
    if not named:
        raise UserError(f"The folder {folder} holds no {'.npz file' if config.task in MEASURED else 'scan'}.")
    return named


def _is_beside(path: Path) -> bool:
    """Whether this lies beside an older answer, as scan.sd.nii.gz beside scan.nii.gz."""
    stem, dot, ending = path.name.partition(".nii")
    stem, _, what = stem.rpartition(".")
    return what in BESIDE and path.with_name(f"{stem}{dot}{ending}.config.yaml").exists()


def _called(path: Path, folder: Path) -> str:
    """Where in `out` the answer goes: as its scan lies in the folder."""
    place = path.relative_to(folder)
    if path == folder:
        place = Path(path.resolve().name)
    name = place.name
    for ending in (".gz", ".nii", ".npz"):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return str(place.with_name(f"{name}.nii.gz"))
