"""The user's own molecule files as a `MoleculeSet`: sound molecules in, the others named."""

from pathlib import Path

import numpy as np

from scidiff.molecules.chemistry import Unsound, canonical_smiles, radicals, sanitise, to_rdkit
from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.files import READERS, Broken, ending, read
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.perceive import perceive
from scidiff.store.errors import UserError

PREPARED = "molecules.npz"  # the set in a folder of scidiff prepare


def gather(path: str | Path, charge: int = 0) -> tuple[MoleculeSet, list[Broken]]:
    """The sound molecules of a file, or of all molecule files in a folder, and the records that had to be left out.

    A .npz is loaded as it is. Bonds are perceived where a file has none; molecules that do not sanitise or lack
    hydrogens are left out. The set has the column `smiles`.

    Args:
        path: .sdf, .mol, .xyz (also .gz), .npz, or a folder of the former or one that scidiff prepare made.
        charge: total charge of molecules whose bonds are perceived and whose record names none.

    Raises:
        UserError: nothing readable.
    """
    path = Path(path)
    path = path / PREPARED if (path / PREPARED).is_file() else path
    if path.suffix == ".npz":
        return MoleculeSet.load(path), []
    files = _files(path)
    found, broken = [], []
    for file in files:
        for place, record in enumerate(read(file), start=1):
            item = record if isinstance(record, Broken) else _sound(record, place, file.name, charge)
            (broken if isinstance(item, Broken) else found).append(item)
    if not found:
        raise UserError(f"{path} holds no sound molecule (record {broken[0].record}: {broken[0].reason}).")
    smiles = np.array([smiles for _, smiles in found], dtype=np.str_)
    return MoleculeSet.from_molecules((molecule for molecule, _ in found), smiles=smiles), broken


def _files(path: Path) -> list[Path]:
    """The file itself, or the molecule files of a folder by name."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.is_file() and ending(file) in READERS)
    if not files:
        raise UserError(f"The folder {path} holds no molecule file; expected {', '.join(READERS)} (also with .gz).")
    return files


def _sound(molecule: Molecule, place: int, file: str, charge: int) -> tuple[Molecule, str] | Broken:
    """The molecule and its SMILES, or why it is left out."""
    try:
        if molecule.bonds is None:
            molecule = perceive(molecule, int(molecule.properties.get("charge", charge)))
        mol = sanitise(to_rdkit(molecule))
        if radicals(mol):
            raise Unsound("it has unpaired electrons: hydrogens are missing, or formal charges; add them")
        return molecule, canonical_smiles(mol)
    except (Unsound, ValueError, OverflowError) as error:
        return Broken(place, molecule.name, str(error), file)
