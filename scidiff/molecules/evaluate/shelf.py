"""Finding a reference by what the user calls it: a shipped one's name, a saved one, or any file of molecules."""

import zipfile
from collections.abc import Callable, Collection
from importlib import resources
from pathlib import Path

from scidiff.molecules.evaluate.building import build
from scidiff.molecules.evaluate.reference import Reference
from scidiff.molecules.molecule import Molecule
from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean

_ENDING = ".reference.npz"
_QUICK_SAMPLE = 2_000  # a reference built while the user waits


def shipped() -> list[str]:
    """Names of the references that come with scidiff."""
    folder = resources.files("scidiff") / "shipped"
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted(name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING))


def find(name: str | Path, processes: int = 1, progress: Callable[[int], None] | None = None) -> Reference:
    """The reference the user means.

    Args:
        name: a shipped reference ("qm9"), a file `Reference.save` wrote, molecules (.sdf), or a prepared set (.npz).
        processes: for building one from molecules.
        progress: as `build`'s.

    Raises:
        UserError: it is none of these.
    """
    if str(name) in shipped():
        with resources.as_file(resources.files("scidiff") / "shipped" / f"{name}{_ENDING}") as path:
            return Reference.load(path)
    path = Path(name)
    if not path.exists():
        known = ", ".join(shipped()) or "none"
        hint = did_you_mean(str(name), shipped())
        raise UserError(f"There is no reference or file '{name}'.{hint} Shipped references: {known}.")
    if path.suffix == ".npz" and _is_reference(path):
        return Reference.load(path)
    return build(_molecules(path), path.stem, sample=_QUICK_SAMPLE, processes=processes, progress=progress)


def _is_reference(path: Path) -> bool:
    """By its name or, whatever it is called, by what is inside."""
    if path.name.endswith(_ENDING) or not zipfile.is_zipfile(path):
        return path.name.endswith(_ENDING)
    with zipfile.ZipFile(path) as archive:
        return "edm_smiles.npy" in archive.namelist()


def _molecules(path: Path) -> Collection[Molecule]:
    """The training part of a prepared set, or everything readable in a molecule file."""
    if path.suffix == ".npz":
        from scidiff.molecules.dataset import MoleculeSet

        molecules = MoleculeSet.load(path)
        return molecules.subset("train") if "split" in molecules.columns else molecules
    from scidiff.molecules.files import read

    return [record for record in read(path) if isinstance(record, Molecule)]
