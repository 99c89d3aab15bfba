"""A model card in Markdown, made from the model file's own header, so that the two cannot disagree."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from scidiff.volumes.likeness import told

CHANCE = 0.05  # p from which on a difference is said to be none

Row = Mapping[str, Any]

_TASKS = {
    "denoise": "takes noise away",
    "inpaint": "fills in voxels that were not measured",
    "superres": "makes finer voxels or thinner slices",
    "mri": "reconstructs undersampled MRI",
    "ct": "reconstructs sparse-view CT",
}


_SCAN = "input=scan.nii.gz"
_NEEDS = {
    "inpaint": f"{_SCAN} mask=holes.nii.gz",
    "superres": f"{_SCAN} factor=2",
    "mri": "input=kspace.npz",
    "ct": "input=sinogram.npz",
}


def card(header: Mapping[str, Any], parameters: int) -> str:
    """The card of a model: what it does, from what, how it was trained and judged, how to use it, its limits.

    Args:
        header: of the model file. What it lacks is left out.
        parameters: of the network.
    """
    rooms = (_title(header, parameters), _data(header), _training(header), _figures(header), _use(header))
    return "\n\n".join(room for room in (*rooms, _limits(header)) if room) + "\n"


def _title(header: Row, parameters: int) -> str:
    """What it does."""
    does = [f"- `{task}` {_TASKS[task]}" if task in _TASKS else f"- `{task}`" for task in header.get("tasks", [])]
    version = f"; scidiff {header['version']}" if "version" in header else ""
    what = "Restores volumes:\n\n" + "\n".join(does) if does else "Restores volumes."
    return f"# {header.get('name', 'unnamed')}\n\n{what}\n\n{parameters / 1e6:.1f} M parameters{version}."


def _data(header: Row) -> str:
    """Source and licence, and what the scans are like."""
    data, likeness = header.get("data", {}), told(header.get("likeness", {}))
    if not data and not likeness:
        return ""
    count = f"{data['n']:,} training scans" if "n" in data else "Training scans"
    words = f"{count} of {data.get('name', 'an unnamed set')} (licence: {data.get('licence', 'unknown')})."
    digest = f"SHA-256 of the files: `{data['sha256']}`." if data.get("sha256") else ""
    facts = _table(["", ""], [[key, value] for key, value in likeness.items()]) if likeness else ""
    parts = ["## Data", f"{words} {data.get('note', '')}".rstrip(), facts, digest]
    return "\n\n".join(part for part in parts if part)


def _training(header: Row) -> str:
    rows = dict(header.get("training", {})) | ({"seed": header["seed"]} if "seed" in header else {})
    if not rows:
        return ""
    return "## Training\n\n" + _table(["", ""], [[key.replace("_", " "), str(value)] for key, value in rows.items()])


def _figures(header: Row) -> str:
    rows = header.get("judged", [])
    if not rows:
        return "## How good it is\n\nNot measured."
    inside = [_setting(row) | row["foreground"] for row in rows if row.get("foreground")]
    parts = ["## How good it is", f"Over {_place(rows)}:", _compared(rows)]
    parts += ["Over the foreground alone:", _compared(inside)] if inside else []
    return "\n\n".join([*parts, _NOTE])


def _place(rows: Sequence[Row]) -> str:
    """What of each scan was judged."""
    sides = {row.get("side") for row in rows} - {None}
    return f"the middle {max(sides)}^3 voxels of each scan" if sides else "the whole volume"


_NOTE = (
    "PSNR in dB of scans that were not trained on, mean ± standard deviation over n of them; the range is each true "
    "scan's own.\nThe difference is of pairs: this model less the classical method that is the best on the same scans; "
    "p is two-sided."
)


def _setting(row: Row) -> dict[str, Any]:
    """What was to be restored."""
    return {key: row[key] for key in ("task", "setting", "n") if key in row}


def _compared(rows: Sequence[Row]) -> str:
    """One line a setting; columns of which nothing is known are left out."""
    columns = {head: [make(row) for row in rows] for head, make in _COLUMNS.items()}
    known = {head: column for head, column in columns.items() if any(column)}
    return _table(list(known), zip(*known.values(), strict=True))


def _plain(key: str) -> Callable[[Row], str]:
    return lambda row: "" if row.get(key) is None else str(row[key])


def _number(key: str, form: str) -> Callable[[Row], str]:
    return lambda row: "" if row.get(key) is None else form.format(row[key])


def _decibels(key: str, form: str = "{:.2f}") -> Callable[[Row], str]:
    """A mean, and its deviation where it is known."""
    mean, deviation = _number(key, form), _number(f"{key}_sd", " ± {:.2f}")
    return lambda row: mean(row) + deviation(row) if mean(row) else ""


def _p(row: Row) -> str:
    """Never as 0, which no test can say."""
    p = row.get("p")
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.2g}"


def _baseline(row: Row) -> str:
    name = f"({row['baseline']})" if row.get("baseline") else ""
    return f"{_decibels('baseline_psnr')(row)} {name}".strip()


_COLUMNS: dict[str, Callable[[Row], str]] = {
    "task": _plain("task"),
    "setting": _plain("setting"),
    "n": _plain("n"),
    "best classical": _baseline,
    "this model": _decibels("psnr"),
    "difference": _decibels("difference", "{:+.2f}"),
    "p": _p,
    "truth in its 90 % interval": lambda row: (
        "" if row.get("coverage90") is None else f"{100 * row['coverage90']:.1f} %"
    ),
    "seconds": _number("seconds", "{:.3g}"),
}


def _use(header: Row) -> str:
    name, tasks = header.get("name", "unnamed"), header.get("tasks", [])
    lines = [
        f"scidiff reconstruct model={name} task={task} {_NEEDS.get(task, _SCAN)} out=restored.nii.gz" for task in tasks
    ]
    lines += ["scidiff evaluate input=restored.nii.gz reference=truth.nii.gz out=metrics.json"]
    return "## Use\n\n" + "\n".join(f"    {line}" for line in lines)


def _limits(header: Row) -> str:
    """What it was not trained on, and where it is of no use."""
    likeness = header.get("likeness", {})
    like = [", ".join(each for each in likeness.get("modality", {}) if each), told(likeness).get("voxels", "")]
    like = f" ({', '.join(each for each in like if each)})" if any(like) else ""
    words = [
        f"It restores scans like its training data{like}; others may come out wrong.",
        "What was not measured is filled in from what training scans look like: a lesion can be lost, or made up.",
        "For research; it is no medical device.",
    ]
    lost = [
        " ".join(str(value) for value in (row.get("task"), row.get("setting")) if value) for row in _useless(header)
    ]
    if lost:
        words.insert(1, f"It was not shown to be better than the best classical method at: {'; '.join(lost)}.")
    return "## Limits\n\n" + "\n".join(words)


def _useless(header: Row) -> list[Row]:
    """Settings where it was compared and did not win, or by no more than chance."""
    compared = [row for row in header.get("judged", []) if row.get("difference") is not None]
    return [row for row in compared if row["difference"] <= 0 or (row.get("p") is not None and row["p"] >= CHANCE)]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
