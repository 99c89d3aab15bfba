"""The molecules' half of scidiff evaluate memorisation=true: who is the training set, who the control."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rdkit
from omegaconf import DictConfig

import scidiff
from scidiff.cli import report
from scidiff.cli.audit import ALARM, Found, Row, publish, quantiles, spread, told
from scidiff.cli.judge_molecules import read
from scidiff.cli.prepare import cores
from scidiff.cli.progress import progress
from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.evaluate import find, memorisation, shipped
from scidiff.molecules.evaluate.memorisation import COPY, Audit, Known
from scidiff.molecules.gather import PREPARED
from scidiff.store.errors import UserError
from scidiff.store.nearer import Hits

MODEL = ".safetensors"


def run(config: DictConfig, out: Path) -> None:
    """Audit what `config.input` holds.

    Raises:
        UserError: the training or held-out molecules are not at hand, or there is nothing to compare.
    """
    page, processes = report.place(out, config), cores(config)
    train, held = sides(config.reference, config.control, processes)
    records = read(Path(config.input).expanduser())
    made = known(Path(config.input).name, records, processes)
    with progress("Looking for neighbours", None, "molecules") as tick:
        audit = memorisation.audit(made, train, held, processes, tick)
    publish(config, out, page, tell(audit, len(records), train.name, held.name))


def sides(reference: str | None, control: str | None, processes: int) -> tuple[Known, Known]:
    """Training and held-out molecules.

    Raises:
        UserError: one of them is not at hand; the message says how to get it.
    """
    train, rest = _training(reference, processes)
    if control is not None:
        return train, _control(Path(control).expanduser(), processes)
    if rest is None:
        raise UserError(
            f"{reference} holds no held-out molecules to compare with: add control=<molecules of the same kind that"
            " were not trained on>, or give reference=<prepared set that is split> (scidiff prepare makes one)."
        )
    return train, rest


def known(name: str, molecules: Sequence[object], processes: int, texts: Sequence[str] | None = None) -> Known:
    """A set by its graphs, with a bar."""
    with progress(f"Reading {name}", len(molecules), "molecules") as tick:
        return Known.of(name, molecules, texts, processes, tick)


def _training(reference: str | None, processes: int) -> tuple[Known, Known | None]:
    """What was trained on, and what was held out of the same set, if it says so."""
    if reference is None or str(reference).endswith(MODEL):
        raise UserError(
            f"memorisation=true needs the molecules that were trained on, and {reference or 'reference=null'} does not"
            " hold them (a model knows its data by name and hash alone): give reference=<the prepared set> that data="
            " or data.source= named in training; datasets/ tells how that of the shipped models is made."
        )
    if reference in shipped():
        return Known(str(reference), dict.fromkeys(find(reference).smiles, ())), None
    path = _place(Path(reference).expanduser())
    if path.suffix != ".npz":
        return known(path.name, read(path), processes), None
    molecules = MoleculeSet.load(path)
    if "split" not in molecules.columns:
        return _set(path.name, molecules, processes), None
    part = molecules.columns["split"] == 0
    names = (f"{path.name}, training", f"{path.name}, held out")
    train, held = (
        _set(name, molecules.subset(rows), processes) for name, rows in zip(names, (part, ~part), strict=True)
    )
    return train, held if held.rows else None


def _control(path: Path, processes: int) -> Known:
    """Held-out molecules of a file: of a set that is split, what is not training."""
    path = _place(path)
    if path.suffix != ".npz":
        return known(path.name, read(path), processes)
    molecules = MoleculeSet.load(path)
    rows = molecules.columns.get("split", np.ones(len(molecules))) != 0
    return _set(path.name, molecules.subset(rows), processes)


def _place(path: Path) -> Path:
    """A file, or the set in a folder that scidiff prepare made."""
    path = path / PREPARED if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"There is no file or prepared set {path}.")
    return path


def _set(name: str, molecules: MoleculeSet, processes: int) -> Known:
    texts = molecules.columns.get("smiles")
    return known(name, _Rows(molecules), processes, None if texts is None else texts.tolist())


class _Rows(Sequence):
    """A set as a sequence of molecules, each made when it is asked for."""

    def __init__(self, molecules: MoleculeSet) -> None:
        self._molecules = molecules

    def __len__(self) -> int:
        return len(self._molecules)

    def __getitem__(self, row: Any) -> Any:
        if row >= len(self):
            raise IndexError(row)
        return self._molecules.molecule(row)


def tell(audit: Audit, n: int, train: str, held: str) -> Found:
    """Figures, sentences and rows."""
    rows = [
        Row("distinct sound molecules", f"{audit.distinct:,} of {n:,}"),
        Row("graph is in training", _percent(audit.identical), _percent(audit.control_identical)),
        *_hit_rows("met: in training, held out", audit.graphs),
        *_hit_rows(f"  with coordinates to {COPY} \u212b", audit.copies),
    ]
    ours, theirs = audit.distances
    if len(ours) or len(theirs):
        rows.append(Row("  RMSD to the data's, \u212b", spread(ours), spread(theirs), audit.rmsd and audit.rmsd.p))
    near, p = audit.nearest, audit.neighbours and audit.neighbours.p
    rows.append(Row("nearest of the new in training", spread(near[0]), spread(near[1]), p))
    if audit.neighbours:
        rows.append(Row("  AUC", _auc(audit), "0.50"))
    caption = f"Training: {train}. Control: {held}. Medians, with 5th and 95th percentiles; p is one-sided."
    chart = ("Tanimoto similarity of new molecules to their nearest in training", 0.0, 1.0, *near)
    return Found(_metrics(audit, n, train, held), _answers(audit), rows, caption, chart)


def _hit_rows(words: str, found: Hits | None) -> list[Row]:
    return [] if found is None else [Row(words, f"{found.train:,}", f"{found.held:,}", found.p), *_shares(found)]


def _shares(found: Hits) -> list[Row]:
    if found.share is None:
        return []
    span = f"{_percent(found.share)} ({100 * found.low:.1f} to {100 * found.high:.1f})"
    return [Row("    share of training, and expected", span, _percent(found.expected))]


def _auc(audit: Audit) -> str:
    found = audit.neighbours
    return f"{found.auc:.2f} ({found.low:.2f} to {found.high:.2f})" if found else ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _answers(audit: Audit) -> list[str]:
    """Each question answered in a sentence."""
    return [_graphs(audit.graphs), *_coordinates(audit), *_news(audit)]


def _graphs(found: Hits) -> str:
    if found.share is None:
        return "Graphs: none of the data's was met, in training or held out."
    verdict = "are repeated more often than held-out ones" if found.p < ALARM else "are not favoured over held-out ones"
    words = f"{_percent(found.share)} of the data's molecules that were met are of training, {_percent(found.expected)}"
    return f"Graphs: training molecules {verdict} ({words} of the data are; {told(found.p)})."


def _coordinates(audit: Audit) -> list[str]:
    if audit.copies is None:
        return ["Coordinates: not compared, since the data's are not at hand (a prepared set or an SDF has them)."]
    closer = audit.rmsd is not None and audit.rmsd.p < ALARM
    copied = audit.copies.p < ALARM
    verdict = "are repeated" if copied or closer else "are not repeated"
    share, error = (value / audit.distinct for value in (audit.copies.excess, audit.copies.excess_error))
    words = f"an estimated {100 * share:.1f} \u00b1 {100 * error:.1f} % of the distinct molecules are copies"
    also = f"; RMSD {told(audit.rmsd.p)}" if audit.rmsd else ""
    return [f"Coordinates: those of training {verdict} beyond chance ({words}; {told(audit.copies.p)}{also})."]


def _news(audit: Audit) -> list[str]:
    found = audit.neighbours
    if found is None:
        return ["Neighbours: every molecule's graph is in training; nothing new is left to compare."]
    verdict = "nearer to training than" if found.p < ALARM else "no nearer to training than"
    if 1 - found.p < ALARM:
        verdict = "further from training than"
    return [f"Neighbours: new molecules are {verdict} held-out ones (AUC {_auc(audit)}; {told(found.p)})."]


def _metrics(audit: Audit, n: int, train: str, held: str) -> dict:
    figures = {"n": n, "sound": audit.sound, "distinct": audit.distinct}
    figures |= {"identical": audit.identical, "control/identical": audit.control_identical}
    for name in ("graphs", "copies", "rmsd", "neighbours"):
        found = getattr(audit, name)
        figures |= {} if found is None else {f"{name}/{key}": value for key, value in vars(found).items()}
    for name, (ours, theirs) in {"rmsd": audit.distances, "nearest": audit.nearest}.items():
        figures |= quantiles(name, ours) | quantiles(f"control/{name}", theirs)
    names = {
        "reference": train,
        "control": held,
        "copy_rmsd": COPY,
        "versions": {"rdkit": rdkit.__version__, "scidiff": scidiff.__version__},
    }
    return {f"memorisation/{key}": value for key, value in figures.items()} | names
