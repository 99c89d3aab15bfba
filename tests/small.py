"""Sixty real molecules and the smallest networks: training and sampling in fractions of a second."""

import csv
from functools import cache
from pathlib import Path

from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.qm9 import read_qm9

FIXTURE = Path(__file__).parents[1] / "datasets" / "qm9" / "fixture.npz"
NETWORKS = {
    "transformer": {"width": 16, "pair": 8, "points": 4, "heads": 2, "blocks": 1},
    "egnn": {"width": 16, "layers": 1},
}
"""What makes each network small; one that is not named here keeps its size."""


@cache
def sixty() -> MoleculeSet:
    """The first sixty molecules of QM9's fixture, bonds and all."""
    return read_qm9(FIXTURE, processes=1)[0].subset(range(60))


def write_sixty(path: Path) -> Path:
    """The sixty molecules as a prepared set, not split."""
    molecules = sixty()
    molecules.columns.pop("split", None)
    molecules.save(path)
    return path


def words(source: Path, network: str = "transformer", **changes: object) -> list[str]:
    """What is typed after `scidiff train` for the smallest run on `source`."""
    smaller = {f"network.{key}": value for key, value in NETWORKS.get(network, {}).items()}
    chosen = {
        "data": "files",
        "data.source": source,
        "data.elements": "[H,C,N,O,F]",
        "data.charges": "[-1,0,1]",
        "network": network,
        **smaller,
        "batch": 8,
        "steps": 12,
        "trainer.log_every_n_steps": 1,
        **changes,
    }
    return [f"{key}={value}" for key, value in chosen.items()]


def figures(folder: Path, name: str = "loss/total") -> dict[int, float]:
    """A column of metrics.csv by step; a step that stands there twice is an error."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [(int(row["step"]), float(row[name])) for row in csv.DictReader(file) if row.get(name)]
    assert len(dict(rows)) == len(rows), "a step was logged twice"
    return dict(rows)
