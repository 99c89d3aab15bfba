"""Sixty real molecules, a few small heads and the smallest networks: training and sampling in fractions of a second."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.qm9 import read_qm9
from scidiff.training.module import DiffusionModule
from scidiff.volumes import files
from scidiff.volumes.volume import Volume
from tests.volumes.heads import head

FIXTURE = Path(__file__).parents[1] / "datasets" / "qm9" / "fixture.npz"
NETWORKS = {
    "transformer": {"width": 16, "pair": 8, "points": 4, "heads": 2, "blocks": 1},
    "egnn": {"width": 16, "layers": 1},
    "unet3d": {"width": 8, "blocks": "[1,1]"},
    "monai": {"widths": "[8,8]", "groups": 2, "head": 8},
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


def write_heads(folder: Path, count: int = 3, shape: tuple[int, int, int] = (28, 32, 26), name: str = "sub") -> Path:
    """A folder of T1-like heads, each of another anatomy, laid out as BIDS has it."""
    for number in range(1, count + 1):
        subject = f"{name}-{number:02}"
        path = folder / subject / "anat" / f"{subject}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        files.write(Volume(900 * head(shape, seed=number), np.eye(4)), path)
    return folder


def scan_words(source: Path, cache: Path, network: str = "unet3d", **changes: object) -> list[str]:
    """What is typed after `scidiff train` for the smallest run on the scans in `source`."""
    smaller = {f"network.{key}": value for key, value in NETWORKS.get(network, {}).items()}
    chosen = {
        "experiment": "brain",
        "data": "scans",
        "data.source": source,
        "data.cache": cache,
        "data.draws": 1,
        "data.patch": 16,
        "network": network,
        **smaller,
        "batch": 2,
        "steps": 2,
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


def break_off(monkeypatch: pytest.MonkeyPatch, steps: int, error: BaseException) -> None:
    """A training raises `error` after so many steps."""
    good = DiffusionModule.training_step

    def bad(module: DiffusionModule, *args: object) -> object:
        if module.global_step == steps:
            raise error
        return good(module, *args)

    monkeypatch.setattr(DiffusionModule, "training_step", bad)
