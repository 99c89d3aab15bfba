"""What a run says of its own speed, on the screen and in <run>/speed.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scidiff.cli.benchmark import SIDE, product
from scidiff.cli.benchmark_turns import turn
from scidiff.cli.progress import rate
from scidiff.store.atomic import whole
from scidiff.store.memory import gigabytes
from scidiff.training.speed import Speed

FILE = "speed.json"
COUNTED = {"molecules": ("bonds", "pairs"), "volumes": ("image", "voxels")}
"""domain -> the part whose entries are counted, and what they are called."""


def clock(domain: str, folder: Path, limit: float | None) -> Speed:
    """The clock of a run in `folder` that may take `limit` seconds."""

    def keep(figures: Mapping[str, Any]) -> None:
        with whole(folder / FILE, overwrite=True) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n")

    return Speed(peak, keep, *COUNTED[domain], limit)


def peak(device: torch.device, precision: torch.dtype) -> float:
    """Operations a second of a large matrix product, as scidiff benchmark measures them."""
    return 2 * SIDE[device.type] ** 3 / turn(product(precision, device), device)


def told(folder: Path, unit: str) -> str:
    """What the run has left in speed.json, in one or two lines; nothing of one that failed."""
    if not (folder / FILE).is_file():
        return ""
    said = json.loads((folder / FILE).read_text())
    counted = next(name for _, name in COUNTED.values() if f"{name}_per_second" in said)
    speeds = [rate(said[f"{key}_per_second"], 1, name) for key, name in (("samples", unit), (counted, counted))]
    memory = f", {gigabytes(said['peak_memory'])} of memory at most" if said["peak_memory"] else ""
    first = f"{said['steps']:,} steps in {duration(said['seconds'])} on {said['device']}: {', '.join(speeds)}{memory}."
    if "share_of_peak" not in said:
        return f"{first}\n"
    done, most = (said[key] / 1e12 for key in ("flop_per_second", "peak_flop_per_second"))
    share = f"{100 * said['share_of_peak']:.2g} % of what the machine multiplies in {said['precision']}"
    return f"{first}\nThat is {share}: {done:.3g} of {most:.3g} TFLOP/s.\n"


def duration(seconds: float) -> str:
    """As '1 h 42 min', '25 min 0 s' or '7.3 s'."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds) // 60
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {round(seconds) % 60} s"
