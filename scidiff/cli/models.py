"""scidiff models: what is shipped, what it was trained on, how good it is."""

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scidiff.store.atomic import claim
from scidiff.store.model import find_model, read_header, shipped

FIGURES = {
    "strict/valid_connected": "sound and whole",
    "posebusters/pass": "pass PoseBusters",
    "edm/molecule_stability": "stable (EDM)",
}
"""What a model of molecules is judged by in one line, in the order of trust."""

SETTINGS = ("denoise-0.1", "superres-thick-4", "mri-4")
"""What a model of volumes is judged by first: a simple, a useful and a hard problem."""

SHOWN = 3  # judgements in the list
UNITS = {"molecules": "molecules", "volumes": "scans"}
LONGEST, MOST = 100, 20  # letters of one value, values of a mapping in a line


def run(config: DictConfig) -> None:
    """List the shipped models, or show everything one header says; or join models of scans in one file.

    Raises:
        UserError: there is no such model, or these do not go together.
    """
    if config.join is not None:
        _join(config)
    elif config.model is not None:
        _show(read_header(find_model(config.model)), config.model)
    elif listed := shipped():
        Console().print(_list(listed))
        print("\nscidiff models model=<name> tells more.")
    else:
        print("No models are shipped with this copy of scidiff; train one with scidiff train, or name a model file.")


def _join(config: DictConfig) -> None:
    """One file of several models of scans, each of tasks of its own."""
    from scidiff.volumes.experts import join
    from scidiff.volumes.model import VolumeModel

    paths = [config.join] if isinstance(config.join, str) else list(config.join)
    out = claim(config.out, config.overwrite)
    joined = join([VolumeModel.load(find_model(str(path))) for path in paths], out.stem)
    joined.save(out, overwrite=config.overwrite)
    print(f"Wrote {out}: {', '.join(joined.header['tasks'])}. scidiff evaluate model={out} judges it.")


def _list(models: list[tuple[str, dict]]) -> Table:
    screen = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for heading in ("model", "what it does", "trained on", "how good"):
        screen.add_column(heading)
    for name, header in models:
        words = (name, _does(header), _trained_on(header), _quality(header))
        screen.add_row(*map(Text, words))
    return screen


def _does(header: dict) -> str:
    tasks, elements = header.get("tasks"), header.get("vocabulary", {}).get("elements")
    if tasks:
        return f"restores {header['domain']}: {', '.join(tasks)}"
    return f"makes {header['domain']}" + (f" of {', '.join(elements)}" if elements else "")


def _trained_on(header: dict) -> str:
    data = header.get("data", header.get("training_data", ""))
    if not isinstance(data, dict):
        return str(data)
    count = f"{data['n']:,} {UNITS.get(header['domain'], 'examples')}" if data.get("n") else None
    return ", ".join(str(each) for each in (data.get("name"), count, data.get("licence")) if each)


def _quality(header: dict) -> str:
    """A few figures, one a line."""
    metrics, judged = header.get("metrics"), header.get("judged")
    known = metrics if isinstance(metrics, dict) else {}
    found = [f"{100 * known[key]:.1f} % {words}" for key, words in FIGURES.items() if key in known]
    return "\n".join([*found, *(_gains(judged) if isinstance(judged, list) else ())]) or "not measured"


def _gains(judged: list[Mapping[str, Any]]) -> Iterator[str]:
    """Better or worse than the best classical method: of SETTINGS, and of others where those are missing."""
    known = {row.get("setting"): row["difference"] for row in judged if row.get("difference") is not None}
    for name in sorted(known, key=lambda name: name not in SETTINGS)[:SHOWN]:
        words = f"+{known[name]:.1f} dB over" if known[name] >= 0 else f"{-known[name]:.1f} dB under"
        yield f"{words} the best classical ({name})"


def _show(header: dict, name: str) -> None:
    """All a header says, the configuration last."""
    screen = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), show_header=False)
    screen.add_column(no_wrap=True)
    screen.add_column(overflow="fold")
    for key in [*(key for key in header if key != "config"), "config"]:
        for row in _rows(key, header[key]):
            screen.add_row(*row)
    Console().print(Text(name, style="bold"), screen, sep="\n")


def _rows(key: str, value: Any) -> Iterator[tuple[Text, Text]]:
    """One row a value; mappings opened, but for the histogram of sizes, and lists of them a row each."""
    if isinstance(value, dict) and value and key != "sizes":
        for inner, each in value.items():
            yield from _rows(f"{key}.{inner}", each)
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        for place, each in enumerate(value):
            yield _row(f"{key}.{each.get('setting', place)}", _record(each))
    else:
        yield _row(key, _short(value))


def _row(key: str, value: str) -> tuple[Text, Text]:
    return Text(key, style="dim"), Text(value)  # Text: a header is no markup


def _record(record: Mapping[str, Any]) -> str:
    """A mapping in one line, those in it in brackets."""
    if len(record) > MOST:
        return f"{len(record)} values"
    words = {key: f"({_record(value)})" if isinstance(value, dict) else _short(value) for key, value in record.items()}
    return ", ".join(f"{key} {word}" for key, word in words.items() if key != "setting")


def _short(value: Any) -> str:
    """A value in a few letters; a table of numbers by its size alone."""
    if isinstance(value, list):
        if any(isinstance(each, list) for each in value):
            return f"{len(value)} rows of {max(len(each) for each in value if isinstance(each, list))}"
        text = ", ".join(map(_short, value))
    else:
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
