"""The scans' half of the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from scidiff.cli.report import as_table, called, facts
from scidiff.cli.volume_table import PROTOCOL, table, versions
from scidiff.report.page import Section
from scidiff.report.parts import Figure
from scidiff.volumes.evaluate import HIGHER, LOWER
from scidiff.volumes.evaluate.coverage import covered
from scidiff.volumes.foreground import foreground
from scidiff.volumes.picture import Panel
from scidiff.volumes.report import section
from scidiff.volumes.restore.scan import Restoration
from scidiff.volumes.volume import Volume

OF_SCAN = ("input", "task", "degrade", "sigma", "mask", "factor", "profile", "frame")
OF_HOW = ("model", "samples", "steps", "seed", "method", "baseline")
ENOUGH = 8  # samples


def restored(
    found: Restoration, panels: Sequence[Panel], metrics: Mapping[str, Any], check: str, config: Mapping[str, Any]
) -> Section:
    """A scan that was just restored.

    Args:
        panels: what to look at.
        metrics: its figures, as they are written beside it.
        check: one sentence on the held-out measurements.
        config: what was asked for.
    """
    tables = [] if found.truth is None else [as_table(table(_beside_truth(metrics)))]
    how = facts(config, *OF_SCAN, *OF_HOW) | {"held-out check": check}
    how |= {"found": " ".join(named(note, config) for note in found.notes)} if found.notes else {}
    return section(found.restored, panels, figures(found, metrics), beware(found, check, config), tables, how)


def figures(found: Restoration, metrics: Mapping[str, Any]) -> list[Figure]:
    """What to read first: against the truth where it is known, else against the measurements."""
    if found.truth is None:
        whose = "ours" if found.verdict.harmless else "classical"
        return [
            Figure(whose, "the answer that is returned"),
            Figure(f"{found.sigma:.3g}", "noise of the measurements, one standard deviation in their units"),
            Figure(f"{found.misfit:.2f}", "misfit to the measurements in units of that noise", "about 1 is right"),
        ]
    made = [
        Figure(f"{metrics['psnr']:.1f} dB", "PSNR, ours", f"classical {metrics['baseline/psnr']:.1f} dB"),
        Figure(f"{metrics['psnr'] - metrics['baseline/psnr']:+.1f} dB", "ours less the best classical answer"),
    ]
    if "ssim" in metrics:
        made.append(Figure(f"{metrics['ssim']:.3f}", "SSIM, ours", f"classical {metrics['baseline/ssim']:.3f}"))
    return made if found.sd is None else [*made, _coverage(found.restored, found.truth, found.sd)]


def _coverage(ours: Volume, truth: Volume, sd: Volume) -> Figure:
    """Whether the uncertainty can be believed, of the voxels that it speaks of."""
    spoken = foreground(truth) & (sd.data > 0)
    held = covered(truth.data, ours.data, sd.data)[spoken].mean() if spoken.any() else 0.0
    return Figure(f"{100 * held:.0f} %", "of the foreground's true values in their 90 % intervals", "90 % is right")


def beware(found: Restoration, check: str, config: Mapping[str, Any]) -> list[str]:
    """Warnings first, then what is missing."""
    said, samples = [named(warning, config) for warning in found.warnings], config.get("samples", 0)
    if not found.verdict.harmless:
        said.append(f"The classical answer is returned: {check}")
    if found.truth is None:
        said.append("No truth is known, so nothing here says how far the answer is off.")
    if found.sd is None:
        said.append("No uncertainty is given; scidiff reconstruct samples=8 makes one.")
    elif samples < ENOUGH:
        said.append(f"The uncertainty is of {samples} samples and rough; {ENOUGH} are a good number.")
    return said


def named(sentence: str, config: Mapping[str, Any]) -> str:
    """The sentence with files called by their names: where they lie is nobody's business."""
    paths = [Path(str(config[key])).expanduser() for key in ("input", "mask", "model") if config.get(key)]
    for path in [*paths, *(path.resolve() for path in paths)]:
        sentence = sentence.replace(str(path), called(path))
    return sentence


def _beside_truth(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The figures with their differences, and with the protocol they were made by."""
    pairs = {key: (metrics[key], metrics[f"baseline/{key}"]) for key in metrics if f"baseline/{key}" in metrics}
    merits = {key: pair for key, pair in pairs.items() if key.rpartition("/")[2] in HIGHER + LOWER}
    names = {"input": "ours", "reference": "the truth", "baseline": "the best classical answer"}
    places = {"foreground": "found in the truth", "regions": {}}
    told = {"protocol": names | places | PROTOCOL, "versions": versions()}
    return {**metrics, **{f"difference/{key}": ours - theirs for key, (ours, theirs) in merits.items()}, **told}


def compared(panels: Sequence[Panel], truth: Volume, metrics: Mapping[str, Any], config: DictConfig) -> Section:
    """A scan, or the first of several, that scidiff evaluate held against its truth."""
    names = {key: called(config[key]) for key in ("input", "reference", "baseline") if key in metrics["protocol"]}
    told = {**metrics, "protocol": {**metrics["protocol"], **names}}
    several = f"The pictures are of the first of {metrics['n']} volumes; the figures are of all."
    said = [several] if "volumes" in metrics else []
    how = facts(config, "input", "reference", "baseline", "mask", "sd", "frame")
    return section(truth, panels, _compared(metrics), said, [as_table(table(told))], how)


def _compared(metrics: Mapping[str, Any]) -> list[Figure]:
    """The figures most asked for, of one volume or the means of several, and the baseline's."""
    words = {
        "psnr": "PSNR",
        "foreground/psnr": "PSNR in the foreground",
        "ssim": "SSIM",
        "coverage90": "inside 90 % intervals",
    }
    of, ours, theirs = (", mean", "{}/mean", "{}/baseline_mean") if "volumes" in metrics else ("", "{}", "baseline/{}")
    made = []
    for key in (key for key in words if ours.format(key) in metrics):
        rival = metrics.get(theirs.format(key))
        detail = "" if rival is None else f"baseline {_form(key, rival)}"
        detail = "90 % is right" if key == "coverage90" else detail
        made.append(Figure(_form(key, metrics[ours.format(key)]), words[key] + of, detail))
    return made


def _form(key: str, value: float) -> str:
    return f"{100 * value:.0f} %" if key == "coverage90" else f"{value:.3f}" if key == "ssim" else f"{value:.1f} dB"
