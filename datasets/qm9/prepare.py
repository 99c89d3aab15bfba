"""QM9 as a set of molecules: `python datasets/qm9/prepare.py <source> <out.npz> [--download]`.

The source is the folder torch_geometric.datasets.QM9 downloads to (made first with --download), or an .npz of arrays.
"""

import argparse
import sys
from pathlib import Path

from scidiff.molecules.qm9 import read_qm9
from scidiff.store.atomic import claim
from scidiff.store.errors import UserError


def main() -> int:
    """Prepare, and tell what was kept and what was dropped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder with raw/gdb9.sdf and its companions, or an .npz of arrays")
    parser.add_argument("out", type=Path, help="the .npz to write")
    parser.add_argument("--download", action="store_true", help="fetch the raw files into the source folder first")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output file")
    parser.add_argument("--processes", type=int, default=None, help="how many work at once (default: all cores)")
    options = parser.parse_args()
    try:
        prepare(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def prepare(options: argparse.Namespace) -> None:
    """Download if asked, read, write."""
    claim(options.out, options.overwrite)
    if options.download:
        from torch_geometric.datasets import QM9

        QM9(str(options.source))
    molecules, dropped = read_qm9(options.source, options.processes, _progress)
    molecules.save(options.out, options.overwrite)
    print(f"\n{len(molecules):,} molecules kept in {options.out}; dropped: {dropped or 'none'}")


def _progress(done: int, total: int) -> None:
    """One line that renews itself."""
    print(f"\r{done:,} of {total:,} molecules", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
