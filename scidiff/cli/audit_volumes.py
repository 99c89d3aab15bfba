"""The scans' half of scidiff evaluate memorisation=true."""

from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from scidiff.cli import report
from scidiff.cli.audit import ALARM, Found, Row, publish, quantiles, spread, told
from scidiff.cli.judge_volumes import read
from scidiff.cli.progress import progress
from scidiff.cli.volume_table import versions
from scidiff.store.errors import UserError
from scidiff.store.split import PARTS
from scidiff.volumes.evaluate import memorisation
from scidiff.volumes.evaluate.difference import Difference
from scidiff.volumes.evaluate.memorisation import COPY, SIDE, Audit, Scan
from scidiff.volumes.files import ENDINGS
from scidiff.volumes.learning.scans import PREPARED


def run(config: DictConfig, out: Path) -> None:
    """Audit what `config.input` holds.

    Raises:
        UserError: there are no scans in one of the places, or too few.
    """
    page, made = report.place(out, config), scans(config.input, config.frame)
    train, held = sides(config.reference, config.control, config.frame)
    with progress("Comparing", len(made) + len(train) + len(held), "scans") as tick:
        audit = memorisation.audit(made, train, held, tick)
    control = "held out of it" if config.control is None else report.called(config.control)
    publish(config, out, page, tell(audit, report.called(config.reference), control))


def sides(reference: str, control: str | None, frame: int | None) -> tuple[list[Scan], list[Scan]]:
    """Training and held-out scans; a folder of scidiff prepare has both.

    Raises:
        UserError: one of them is not at hand.
    """
    folder = Path(reference).expanduser()
    prepared = all((folder / name).exists() for name in PREPARED)
    train = scans(folder / PARTS[0] if prepared else folder, frame)
    if control is not None:
        return train, scans(control, frame)
    if not prepared:
        raise UserError(
            f"{reference} holds no held-out scans to compare with: add control=<scans of the same kind that were not"
            " trained on>, or give reference=<folder that scidiff prepare made>."
        )
    rooms = [folder / part for part in PARTS[1:] if (folder / part).is_dir()]
    return train, [scan for room in rooms for scan in scans(room, frame)]


def scans(place: str | Path, frame: int | None) -> list[Scan]:
    """A file or a folder of DICOM slices, or every NIfTI file of a folder and below, each read when it is asked for.

    Maps beside an answer are passed over: a.sd.nii.gz beside a.nii.gz.

    Raises:
        UserError: there is no such place.
    """
    path = Path(place).expanduser()
    if not path.exists():
        raise UserError(f"There is no file or folder {path}.")
    found = sorted(each for each in path.rglob("*") if each.name.lower().endswith(ENDINGS) and each.is_file())
    kept = [each for each in found if not each.name.startswith(".") and not _is_map(each)]
    return [partial(read, each, frame) for each in kept or [path]]


def _is_map(path: Path) -> bool:
    ending = next(ending for ending in sorted(ENDINGS, key=len, reverse=True) if path.name.lower().endswith(ending))
    beside, dot, _ = path.name[: -len(ending)].rpartition(".")
    return bool(dot) and (path.parent / f"{beside}{path.name[-len(ending) :]}").is_file()


def tell(audit: Audit, train: str, held: str) -> Found:
    """Figures, sentences and rows."""
    ours, control = audit.nearest, audit.control_nearest
    rows = [
        Row("scans", f"{len(audit.scans)}", f"{len(audit.control_scans)}"),
        Row(f"cubes of {SIDE} voxels a side", f"{len(ours):,}", f"{len(control):,}"),
        Row("their nearest in training", spread(ours), spread(control)),
        Row("  mean over scans", f"{audit.scans.mean():.3f}", f"{audit.control_scans.mean():.3f}", audit.nearness.p),
        Row("  above the second nearest, mean", *_margins(audit), audit.margin.p),
        Row(f"  copies (above {COPY})", f"{100 * audit.copied:.1f} %", f"{100 * audit.control_copied:.1f} %"),
        Row("  AUC", f"{audit.auc:.2f}", "0.50"),
        Row("training preferred to held-out, AUC", _auc(audit), "0.50", audit.preference.p),
    ]
    caption = f"Training: {train}. Control: {held}. Medians, with 5th and 95th percentiles; p is one-sided, by scan."
    chart = ("correlation of cubes with their nearest in training", 0.0, 1.0, ours, control)
    return Found(_metrics(audit, train, held), _answers(audit), rows, caption, chart)


def _margins(audit: Audit) -> tuple[str, str]:
    return f"{audit.margins.mean():.3f}", f"{audit.control_margins.mean():.3f}"


def _auc(audit: Audit) -> str:
    found = audit.preference
    return f"{found.auc:.2f} ({found.low:.2f} to {found.high:.2f})"


def _span(found: Difference) -> str:
    return f"{found.mean:+.3f}, 95 % {found.low:+.3f} to {found.high:+.3f}; {told(found.p)}"


def _answers(audit: Audit) -> list[str]:
    """Each question answered in a sentence."""
    nearer = "nearer" if audit.nearness.p < ALARM else "no nearer"
    single = (
        "is more like one training scan alone" if audit.margin.p < ALARM else "is no more like any one training scan"
    )
    better = (
        "answers the same cubes better than" if audit.preference.p < ALARM else "answers the same cubes no better than"
    )
    copied, control = (f"{100 * share:.1f}" for share in (audit.copied, audit.control_copied))
    said = [
        f"Copying: what is shown {single} than held-out scans are (margin {_span(audit.margin)}).",
        f"Nearness: these scans are {nearer} to training than held-out ones are (correlation {_span(audit.nearness)}).",
        f"Preference: training {better} held-out scans (AUC {_auc(audit)}; {told(audit.preference.p)}).",
        f"Copies: {copied} % of these cubes lie in training above {COPY}, {control} % of held-out scans' cubes.",
    ]
    if left_out := ", ".join(map(report.called, audit.left_out)):
        said.append(f"Left out of the control, since they show a person in question: {left_out}.")
    return said


def _metrics(audit: Audit, train: str, held: str) -> dict:
    kept = ("auc", "copied", "control_copied")
    figures = {"n": len(audit.scans), "control/n": len(audit.control_scans), "cubes": len(audit.nearest)}
    figures |= {name.replace("control_", "control/"): getattr(audit, name) for name in kept}
    for name in ("margin", "nearness", "preference"):
        figures |= {f"{name}/{key}": value for key, value in vars(getattr(audit, name)).items()}
    figures |= quantiles("nearest", audit.nearest) | quantiles("control/nearest", audit.control_nearest)
    told_of = {
        "reference": train,
        "control": held,
        "left_out": [report.called(each) for each in audit.left_out],
        "versions": versions(),
    }
    return {f"memorisation/{key}": value for key, value in figures.items()} | told_of
