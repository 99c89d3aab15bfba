"""QM9: 130,831 characterised molecules of up to nine C, N, O, F atoms, at their B3LYP/6-31G(2df,p) minima.

The bond table of the public gdb9.sdf is wrong for tens of thousands of molecules, so only its geometries are used:
bonds and charges are derived from them, and where a published SMILES is at hand the molecule is kept only if it
agrees. The split is EDM's: numpy's permutation with seed 0 of all characterised molecules, 100,000 / 17,748 / 13,083.

Ramakrishnan, Dral, Rupp, von Lilienfeld: Scientific Data 1, 140022 (2014), https://doi.org/10.1038/sdata.2014.22.
"""

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase

from scidiff.molecules.chemistry import Unsound, canonical_smiles, sanitise, to_rdkit
from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.files import Broken, read_sdf
from scidiff.molecules.files.records import existing, lines
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.perceive import adopt, perceive, readings
from scidiff.store.arrays import read_arrays
from scidiff.store.errors import UserError

ALL, UNCHARACTERISED = 133_885, 3_054
SPLIT_SIZES = (100_000, 17_748, 13_083)
UNITS = {
    "A": "GHz", "B": "GHz", "C": "GHz", "mu": "Debye", "alpha": "Bohr^3", "homo": "Hartree", "lumo": "Hartree",
    "gap": "Hartree", "r2": "Bohr^2", "zpve": "Hartree", "u0": "Hartree", "u298": "Hartree", "h298": "Hartree",
    "g298": "Hartree", "cv": "cal/(mol K)",
}  # fmt: skip
"""The fifteen properties, as columns of the set where the source knows them (NaN where it does not)."""

Progress = Callable[[int, int], None]
_CHUNK = 500


def prepare_qm9(
    source: str | Path, cache: str | Path, processes: int | None = None, progress: Progress | None = None
) -> MoleculeSet:
    """QM9 from `cache` (.npz) if that is there, else read from `source` and kept there for the next time.

    Arguments and errors as for `read_qm9`.
    """
    if not Path(cache).exists():
        read_qm9(source, processes, progress)[0].save(cache)
    return MoleculeSet.load(cache)


def read_qm9(
    source: str | Path, processes: int | None = None, progress: Progress | None = None
) -> tuple[MoleculeSet, dict[str, int]]:
    """QM9 with bonds, charges, `smiles`, `split`, `index` (GDB number, from 1) and properties.

    Args:
        source: a folder with gdb9.sdf, gdb9.sdf.csv and uncharacterized.txt, itself or in its `raw`, as
            torch_geometric.datasets.QM9 downloads them; or an .npz with their arrays.
        processes: how many work at once; all cores by default.
        progress: called with molecules done and molecules in all.

    Returns:
        The set, and how many molecules were dropped for each reason.

    Raises:
        UserError: a file is missing, damaged, or not what it should be.
    """
    source = Path(source)
    tasks, dropped = _from_arrays(source) if source.suffix == ".npz" else _from_folder(source)
    kept = []
    for done, (outcome, given) in enumerate(zip(_bonded(tasks, processes), tasks, strict=True), start=1):
        if isinstance(outcome, str):
            dropped[outcome] += 1
        else:
            kept.append((*outcome, given[2]))
        if progress and (done % _CHUNK == 0 or done == len(tasks)):
            progress(done, len(tasks))
    if not kept:
        raise UserError(f"Of {len(tasks)} molecules in {source} none could be kept: {dict(dropped)}.")
    columns = {key: np.array([said[key] for _, _, said in kept]) for key in kept[0][2]}
    smiles = np.array([smiles for _, smiles, _ in kept], dtype=np.str_)
    return MoleculeSet.from_molecules((m for m, _, _ in kept), smiles=smiles, **columns), dict(dropped)


Task = tuple[Molecule, str | None, dict]
"""A geometry, its published SMILES if any, and its further columns."""


def _from_arrays(path: Path) -> tuple[list[Task], Counter]:
    """Tasks from arrays `index`, `split`, `atomic_numbers`, `positions`, `offsets`, perhaps `smiles` and properties."""
    arrays = read_arrays(path)
    missing = {"index", "split", "atomic_numbers", "positions", "offsets"} - set(arrays)
    if missing:
        raise UserError(f"{path} is not QM9 as arrays: it lacks {', '.join(sorted(missing))}.")
    smiles = arrays["smiles"].astype(np.str_) if "smiles" in arrays else None
    further = {key: arrays[key] for key in ("index", "split", *UNITS) if key in arrays}
    tasks = []
    for i, (start, stop) in enumerate(pairwise(arrays["offsets"].tolist())):
        said = {key: column[i] for key, column in further.items()}
        geometry = _geometry(arrays["atomic_numbers"][start:stop], arrays["positions"][start:stop], said["index"])
        tasks.append((geometry, None if smiles is None else str(smiles[i]), said))
    return tasks, Counter()


def _from_folder(folder: Path) -> tuple[list[Task], Counter]:
    """Tasks from the files torch_geometric downloads; uncharacterised molecules are dropped."""
    if (folder / "raw").is_dir():
        folder = folder / "raw"
    split = edm_split(_uncharacterised(folder / "uncharacterized.txt"))
    table = _table(folder / "gdb9.sdf.csv")
    tasks, dropped = [], Counter()
    for record in read_sdf(folder / "gdb9.sdf"):
        index = _index(record.name)
        if isinstance(record, Broken) or index is None:
            dropped["record cannot be read"] += 1
        elif split[index] < 0:
            dropped["uncharacterised"] += 1
        else:
            row = table.get(index, {})
            said = {key: float(row.get(key) or "nan") for key in UNITS}
            said = {"index": index, "split": split[index], **said}
            tasks.append((_geometry(record.numbers, record.positions, index), row.get("smiles"), said))
    return tasks, dropped


def _geometry(numbers: np.ndarray, positions: np.ndarray, index: int) -> Molecule:
    """A molecule of which only the geometry is believed."""
    positions = np.asarray(positions, dtype=np.float32)
    return Molecule(numbers, positions, np.zeros(len(numbers), dtype=np.int8), name=f"gdb_{int(index)}")


def _index(title: str) -> int | None:
    """GDB number of a record titled gdb_123."""
    number = title.rpartition("_")[2]
    return int(number) if number.isdigit() and 0 < int(number) <= ALL else None


def edm_split(uncharacterised: np.ndarray) -> np.ndarray:
    """EDM's split by GDB number.

    Args:
        uncharacterised: (3054,) GDB numbers, from 1.

    Returns:
        (133886,) int8: 0 train, 1 valid, 2 test; -1 for number 0 and the uncharacterised.
    """
    characterised = np.setdiff1d(np.arange(1, ALL + 1), uncharacterised)
    order = np.random.RandomState(0).permutation(len(characterised))
    split = np.full(ALL + 1, -1, dtype=np.int8)
    split[characterised[order]] = np.repeat(np.arange(3, dtype=np.int8), SPLIT_SIZES)
    return split


def _uncharacterised(path: Path) -> np.ndarray:
    """GDB numbers in uncharacterized.txt: the first word of each line below nine of heading."""
    words = [line.split() for line in islice(lines(existing(path)), 9, None)]
    numbers = {int(row[0]) for row in words if row and row[0].isdigit()}
    if len(numbers) != UNCHARACTERISED:
        raise UserError(f"{path} lists {len(numbers)} molecules, expected {UNCHARACTERISED}. Download it again.")
    return np.array(sorted(numbers))


def _table(path: Path) -> dict[int, dict[str, str]]:
    """The rows of gdb9.sdf.csv by GDB number."""
    rows = csv.DictReader(lines(existing(path)))
    if "mol_id" not in (rows.fieldnames or []):
        raise UserError(f"{path} has no column mol_id; expected the gdb9.sdf.csv of QM9.")
    return {index: row for row in rows if (index := _index(row["mol_id"])) is not None}


def _bonded(tasks: list[Task], processes: int | None) -> Iterator[tuple[Molecule, str] | str]:
    """For each task the molecule with bonds and its SMILES, or the reason it is dropped; in order."""
    processes = processes or os.cpu_count() or 1
    work = [task[:2] for task in tasks]
    if processes == 1 or len(work) <= _CHUNK:
        yield from map(bonded, work)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(bonded, work, chunksize=_CHUNK)


def bonded(work: tuple[Molecule, str | None]) -> tuple[Molecule, str] | str:
    """A geometry with its bonds and its canonical SMILES, or why it is dropped.

    With a published SMILES the first reading of the geometry that agrees with it counts, without regard to stereo
    labels where only those differ; without one, the most plausible reading.
    """
    molecule, published = work
    try:
        if published is None:
            molecule = perceive(molecule)
            return molecule, canonical_smiles(sanitise(to_rdkit(molecule)))
        return _agreeing(molecule, published)
    except Unsound:
        return "no bonds fit the geometry"


def _agreeing(molecule: Molecule, published: str) -> tuple[Molecule, str] | str:
    """The first reading with the published SMILES, stereo labels aside, or why there is none."""
    parsed, tried = Chem.MolFromSmiles(published), 0
    wanted = _flat(parsed) if parsed else published
    for mol in readings(molecule):
        tried += 1
        smiles = canonical_smiles(mol)
        if smiles == published or _flat(mol) == wanted:
            return adopt(molecule, mol), smiles
    return "SMILES differs from the published one" if tried else "no bonds fit the geometry"


def _flat(mol: Chem.Mol) -> str:
    """SMILES without stereo labels, read once more so that hydrogens kept for their stereo go too."""
    with rdBase.BlockLogs():
        return Chem.CanonSmiles(canonical_smiles(mol, stereo=False))
