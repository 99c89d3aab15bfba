"""Drug-like molecules as a data set: `python datasets/druglike/prepare.py <sources> <out> [--work <folder>]`.

The sources are a folder with drug3d/*.npz and smiles/*.gz; see README.md for where each comes from. An interrupted run
goes on where it stopped when the same is typed again.
"""

import argparse
import gzip
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scidiff.cli.main import main as scidiff

COMPUTED = ("conformer_benchmark", "mmff94_validation", "shepherd_gdb17_xtb", "shepherd_moses_xtb")
"""Minima of a computed energy: their coordinates are kept."""

CRYSTAL = ("genentech_pdb_ligands", "pdb_ligands")
"""Coordinates with the error of an experiment, hydrogens guessed: only what the molecules are is taken."""

LISTS = ("chembl_drugs.smi.gz", "zinc_qed_mols.smi.gz", "zinc250k_valid_test.csv.gz")
SAMPLE, SEED = 12_000, 0  # molecules of the lists
SETTINGS = (
    "name=druglike",
    "elements=[H,C,N,O,F,P,S,Cl,Br,I]",
    "charges=[-1,0,1]",
    "fewest=8",
    "most=36",
    "seconds=600",  # by the clock: a busy machine shall not drop molecules for its own slowness
    "licence='CC0, CC-BY-4.0, MIT, BSD-3-Clause; see datasets/druglike'",
)


def main() -> int:
    """Gather what is to be prepared in a folder, and prepare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, help="folder with drug3d/ and smiles/")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--work", type=Path, default=None, help="folder for what is gathered (default: <out>.sources)")
    parser.add_argument("--sample", type=int, default=SAMPLE, help=f"molecules of the lists (default: {SAMPLE:,})")
    parser.add_argument("--processes", type=int, default=None, help="how many work at once (default: all cores)")
    options = parser.parse_args()
    work = options.work or options.out.with_name(f"{options.out.name}.sources")
    if not work.exists():
        gather(options.sources, work, options.sample)
    processes = "null" if options.processes is None else options.processes
    return scidiff(["prepare", f"input={work}", f"out={options.out}", f"processes={processes}", *SETTINGS])


def gather(sources: Path, work: Path, sample: int) -> None:
    """The files to prepare, in the order in which a molecule's first record is looked for."""
    draft = work.with_name(f"{work.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "1_computed").mkdir(parents=True)
    for name in COMPUTED:
        shutil.copy(sources / "drug3d" / f"{name}.npz", draft / "1_computed")
    crystal = [smiles for name in CRYSTAL for smiles in drugs(sources / "drug3d" / f"{name}.npz")]
    (draft / "2_crystal.smi").write_text("".join(f"{smiles}\n" for smiles in crystal))
    listed = sorted({smiles for name in LISTS for smiles in lines(sources / "smiles" / name)})
    chosen = np.random.default_rng(SEED).permutation(len(listed))[:sample]
    (draft / "3_lists.smi").write_text("".join(f"{listed[k]}\n" for k in chosen))
    draft.rename(work)


def drugs(path: Path) -> list[str]:
    """SMILES of those that look like drugs: QED above 0.4, 200 to 550 Dalton."""
    with np.load(path, allow_pickle=False) as arrays:
        drug = (arrays["qed"] > 0.4) & (arrays["mol_weight"] > 200) & (arrays["mol_weight"] < 550)
        return [smiles.decode() for smiles in arrays["smiles"][drug]]


def lines(path: Path) -> Iterator[str]:
    """The SMILES of a list or of a table's first column."""
    with gzip.open(path, "rt") as text:
        for line in text:
            if line.strip() and not line.startswith("smiles"):
                yield line.split("," if ".csv" in path.name else None)[0].strip()


if __name__ == "__main__":
    sys.exit(main())
