"""The scan's half of scidiff demo: a public brain, degraded on purpose, restored, drawn, and held against the truth.

The brain is the ICBM 152 template (Fonov et al. 2011, doi 10.1016/j.neuroimage.2010.07.033), the average of 152 people,
which nilearn carries inside its package: nothing is downloaded. It is smoother than a scan of one person.
"""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from nilearn.datasets import load_mni152_template
from nilearn.image import crop_img
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

import scidiff
from scidiff.cli.evaluate import write_metrics
from scidiff.cli.progress import progress
from scidiff.cli.reconstruct import judgement
from scidiff.cli.report_volumes import restored
from scidiff.report.page import Section
from scidiff.volumes import files
from scidiff.volumes.evaluate import evaluate
from scidiff.volumes.picture import Panel, draw
from scidiff.volumes.restore.scan import Restoration
from scidiff.volumes.trial.settings import SETTINGS
from scidiff.volumes.volume import Volume

SETTING = "denoise-0.1"  # of those whose measurements are a volume on the grid of the scan
VOLUMES = ("input", "restored", "classical")
FILES = (*(f"scan.{name}.nii.gz" for name in VOLUMES), "scan.png", "scan.json")
NEXT = ("Your own scan:   scidiff reconstruct input=yours.nii.gz task=denoise out=restored.nii.gz",)

ROWS = {"input": "input/", "best classical": "baseline/", "scidiff": ""}
"""What is compared -> how the names of its figures begin."""

COLUMNS = {
    "PSNR": ("psnr", "{:.1f} dB"),
    "in the brain": ("foreground/psnr", "{:.1f} dB"),
    "SSIM in the brain": ("foreground/ssim", "{:.3f}"),
}
"""Heading -> figure and form."""

WHITE = 1000  # the template's brightest voxel as a whole number, so that the files stay small


def run(config: DictConfig, places: Mapping[str, Path], name: str) -> Section:
    """Restore the brain with the model of this name, or a model file; returns what the report says of it.

    Args:
        places: where each of FILES goes.
    """
    what = SETTINGS[SETTING].meaning
    print(f"A scan restored: {what} added to a brain, taken away by the model '{name}'. On the processor this takes")
    print("half a minute. The brain is the ICBM 152 template at 1 mm, an average of 152 people: no scanner made it.\n")
    model, scan, start = scidiff.load(name), brain(), perf_counter()
    with progress("Restoring", None, "steps") as show:
        found = model.reconstruct(scan, degrade=SETTING, seed=config.seed, progress=show)
    seconds = perf_counter() - start
    metrics = figures(found) | {"scan": scan.name, "degrade": SETTING, "model": name, "seconds": round(seconds, 2)}
    print(f"Restored in {seconds:.1f} s ({found.restored.data.size:,} voxels, seed {config.seed})")
    for warning in found.warnings:
        print(f"Warning: {warning}")
    check = judgement(found, model.name)
    print(f"Check:     {check}")
    write(found, places, config.overwrite)
    write_metrics(places["scan.json"], metrics, config.overwrite)
    panels = panels_of(found, metrics)
    title = f"{found.truth.name}: {what}"
    draw(places["scan.png"], panels, found.truth, title, overwrite=config.overwrite)
    for word, key in {"Scan:": "scan.restored.nii.gz", "Picture:": "scan.png"}.items():
        print(f"{word:10} {places[key]}")
    print()
    Console().print(table(metrics))
    print(f"Figures:   {places['scan.json']}")
    how = {"input": scan.name, "degrade": SETTING, "model": name, "seed": config.seed}
    return restored(found, panels, metrics, check, how)


def brain() -> Volume:
    """The template, cut to the brain, in whole numbers as scanners store them."""
    image = crop_img(load_mni152_template(resolution=1))
    data = np.rint(WHITE * np.asarray(image.dataobj))
    return Volume(data, image.affine, name="ICBM 152", modality="T1w").stored_as(np.int16)


def figures(found: Restoration) -> dict[str, Any]:
    """Those of the answer, of the classical one as "baseline/...", and of what was seen as "input/..."."""
    seen = evaluate(found.seen, found.truth)
    return found.figures() | {f"input/{key}": value for key, value in seen.items()}


def write(found: Restoration, places: Mapping[str, Path], overwrite: bool) -> None:
    """What was seen and both answers, in the way of the scan."""
    header = found.truth.header
    for name, volume in zip(VOLUMES, (found.seen, found.restored, found.classical), strict=True):
        files.write(volume.replace(header=header), places[f"scan.{name}.nii.gz"], overwrite=overwrite)


def panels_of(found: Restoration, metrics: Mapping[str, Any]) -> list[Panel]:
    """What was seen, both answers, the truth, and what either answer gets wrong."""
    truth, shown = found.truth.data, (found.seen, found.classical, found.restored)
    panels = [
        Panel(words, volume.data, caption=f"PSNR {metrics[f'{prefix}psnr']:.1f} dB")
        for (words, prefix), volume in zip(ROWS.items(), shown, strict=True)
    ]
    panels += [Panel("truth", truth)]
    names = ("error of classical", "error of scidiff")
    return panels + [Panel(name, each.data - truth, "error") for name, each in zip(names, panels[1:3], strict=True)]


def table(metrics: Mapping[str, Any]) -> Table:
    """A row each for what was seen, the classical answer and ours."""
    screen = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    screen.add_column("")
    for heading in COLUMNS:
        screen.add_column(heading, justify="right")
    for words, prefix in ROWS.items():
        screen.add_row(words, *(form.format(metrics[prefix + key]) for key, form in COLUMNS.values()))
    return screen
