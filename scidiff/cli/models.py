"""scidiff models: what is shipped, what it was trained on, how good it is."""

from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scidiff.store.model import find_model, read_header, shipped

FIGURES = {
    "strict/valid_connected": "sound and whole",
    "posebusters/pass": "pass PoseBusters",
    "edm/molecule_stability": "stable (EDM)",
}
"""What a model is judged by in one line, in the order of trust."""


def run(config: DictConfig) -> None:
    """List the shipped models, or show everything one header says.

    Raises:
        UserError: there is no such model.
    """
    if config.model is not None:
        _show(read_header(find_model(config.model)), config.model)
    elif listed := shipped():
        Console().print(_list(listed))
        print("\nscidiff models model=<name> tells more.")
    else:
        print("No models are shipped with this copy of scidiff; train one with scidiff train, or name a model file.")


def _list(models: list[tuple[str, dict]]) -> Table:
    screen = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for heading in ("model", "makes", "trained on", "how good"):
        screen.add_column(heading)
    for name, header in models:
        words = (name, header["domain"], _trained_on(header), _quality(header.get("metrics")))
        screen.add_row(*map(Text, words))
    return screen


def _trained_on(header: dict) -> str:
    data = header.get("data", header.get("training_data", ""))
    if not isinstance(data, dict):
        return str(data)
    return ", ".join(str(data[key]) for key in ("name", "licence") if data.get(key))


def _quality(metrics: Any) -> str:
    """The first figures of FIGURES that the header has, one a line."""
    if not isinstance(metrics, dict):
        return "not measured"
    found = [f"{100 * metrics[key]:.1f} % {words}" for key, words in FIGURES.items() if key in metrics]
    return "\n".join(found) or "not measured"


def _show(header: dict, name: str) -> None:
    """All a header says, the configuration last."""
    screen = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), show_header=False)
    screen.add_column(no_wrap=True)
    screen.add_column(overflow="fold")
    for key, value in header.items():
        if key != "config":
            _rows(screen, key, value)
    _rows(screen, "config", header["config"])
    Console().print(Text(name, style="bold"), screen, sep="\n")


def _rows(screen: Table, key: str, value: Any) -> None:
    """One row a value; mappings opened, but for the histogram of sizes."""
    if isinstance(value, dict) and value and key != "sizes":
        for inner, each in value.items():
            _rows(screen, f"{key}.{inner}", each)
    else:
        screen.add_row(Text(key, style="dim"), Text(_short(value)))  # Text: a header is no markup


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
