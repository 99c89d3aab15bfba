"""What scidiff benchmark shows: a table for each domain's networks, and the machine in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig
from rich.table import Table

COLUMNS = {
    "parameters": ("parameters", 1e6, "{:.1f} M"),
    "forward": ("forward /s", 1, "{:,.3g}"),
    "training": ("training /s", 1, "{:,.3g}"),
    "gflop": ("GFLOP", 1, "{:.2g}"),
    "share": ("of peak", 0.01, "{:.2g} %"),
    "memory": ("memory", 1e9, "{:.2f} GB"),
}
"""Figure -> heading, unit and form."""

THINGS = {"molecules": ("molecules", 1.0), "volumes": ("scans (Mvoxel)", 1e6)}
"""Domain -> what its rates and its GFLOP are shown for: the name, and how many molecules or voxels that is."""

RIVALS = {"molecules": ("egnn", "molecules"), "volumes": ("monai", "voxels")}
"""Domain -> the network that the others are held against, and what of."""


def network_of(label: str) -> str:
    """The network of a row: egnn of egnn-padded."""
    return label.partition("-")[0]


def table(figures: Mapping[str, Any], domain: str, labels: list[str]) -> Table:
    """A row a network of one domain; GFLOP are those of a forward pass."""
    thing, size = THINGS[domain]
    shown = {"forward": 1 / size, "training": 1 / size, "gflop": size}
    screen = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    screen.add_column(thing, no_wrap=True)
    for heading, _, _ in COLUMNS.values():
        screen.add_column(heading, justify="right")
    for name in labels:
        values = {key: figures[f"{name}/{key}"] * shown.get(key, 1) for key in COLUMNS}
        screen.add_row(name, *(form.format(values[key] / unit) for key, (_, unit, form) in COLUMNS.items()))
    return screen


def summary(figures: Mapping[str, Any], config: DictConfig) -> str:
    """The networks held against their rivals, what all were given, the machine, and the sampling."""
    peaks = ", ".join(
        f"{value / 1e12:.3g} TFLOP/s in {key.removeprefix('peak/')}"
        for key, value in figures.items()
        if key.startswith("peak/")
    )
    scan = " x ".join(3 * [str(config.side)])
    lines = [
        *_ratios(figures),
        f"{config.batch} molecules of {config.atoms} atoms, one scan of {scan} voxels",
        f"on {figures['machine']}; matrix products: {peaks}",
    ]
    if "sampling/molecules_per_second" in figures:
        speed = figures["sampling/molecules_per_second"]
        lines.append(f"{config.model} samples {speed:.3g} molecules/s ({config.n} molecules, {config.steps} steps)")
    return "\n".join(lines)


def _ratios(figures: Mapping[str, Any]) -> Iterator[str]:
    """One sentence a pair of networks: see `benchmark.ratios`."""
    things = dict(RIVALS.values())
    for key, forward in figures.items():
        if key.endswith("/forward") and "/times_" in key:
            name, times, _ = key.split("/")
            training, rival = figures[f"{name}/{times}/training"], times.removeprefix("times_")
            thing = things[network_of(rival)]
            yield f"{name}: {forward:.3g} times as many {thing} a second as {rival}; in training {training:.3g} times"
