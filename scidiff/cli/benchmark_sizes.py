"""What size costs: the default network of each domain on molecules of more atoms, on scans of more voxels."""

from collections.abc import Iterator, Mapping
from functools import partial
from statistics import median
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from scidiff.cli.benchmark_networks import Contestant
from scidiff.cli.benchmark_turns import interleaved, turn

DEFAULT = {"molecules": "transformer", "volumes": "unet3d"}
TIMES = {"molecules": (0.5, 1, 2, 4, 5), "volumes": (0.5, 1, 2, 4)}
"""How many times as large as asked for: the atoms, with fewer molecules so that their pairs stay as many; the side."""

LAW = {"molecules": (2, "{:.0f} atoms", "atoms squared"), "volumes": (3, "{:.0f} voxels a side", "voxels")}
"""The power of a size that its cost may not outgrow, and the words for both."""

MEASURED = {"molecules": ("molecules", 1, lambda _: 1), "volumes": ("Mvoxel", 1e6, lambda side: side**3)}
"""What rates are of, in which unit, and how many there are in one thing of a size."""


def ladder(config: DictConfig, domain: str) -> Iterator[tuple[int, DictConfig]]:
    """The sizes, each with the benchmark's keys for it."""
    for times in TIMES[domain]:
        if domain == "molecules":
            keys = {"atoms": max(round(times * config.atoms), 2), "batch": max(round(config.batch / times**2), 1)}
            yield keys["atoms"], OmegaConf.merge(config, keys)
        else:
            side = max(round(times * config.side), 16)
            yield side, OmegaConf.merge(config, {"side": side})


def measure(domain: str, config: DictConfig, device: torch.device) -> dict[str, float]:
    """Molecules or voxels a second of a forward pass at every size: "<network>/sizes/<size>"."""
    name = DEFAULT[domain]
    each = {size: Contestant.called(name, keys, device) for size, keys in ladder(config, domain)}
    seconds = interleaved({size: partial(turn, one.forward, device) for size, one in each.items()}, config.repeats)
    return {f"{name}/sizes/{size}": each[size].count / median(took) for size, took in seconds.items()}


def table(figures: Mapping[str, Any], domain: str) -> Table:
    """A row a size: the rate, what one molecule or one scan costs against the smallest, and what the law says."""
    name, (power, words, law) = DEFAULT[domain], LAW[domain]
    rates = {int(key.rpartition("/")[2]): rate for key, rate in figures.items() if key.startswith(f"{name}/sizes/")}
    screen = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    thing, unit, count = MEASURED[domain]
    for heading in (name, f"{thing} /s", "cost", law):
        screen.add_column(heading, justify="left" if heading == name else "right", no_wrap=True)
    first = min(rates)
    for size, rate in rates.items():
        cost = count(size) / rate / (count(first) / rates[first])
        screen.add_row(words.format(size), f"{rate / unit:,.3g}", f"{cost:,.3g}", f"{(size / first) ** power:,.3g}")
    return screen
