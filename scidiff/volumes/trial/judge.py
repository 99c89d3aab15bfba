"""A model judged on held-out scans: every setting, every scan, beside the best classical methods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scidiff.volumes import files
from scidiff.volumes.baselines.shelf import BASELINES
from scidiff.volumes.evaluate import compare
from scidiff.volumes.model import VolumeModel
from scidiff.volumes.restore.run import How
from scidiff.volumes.trial.calibrate import SAMPLES, centre
from scidiff.volumes.trial.parallel import Told, spread_out
from scidiff.volumes.trial.settings import SETTINGS
from scidiff.volumes.trial.trial import Figures, Trial, in_units

RIVALS = 2  # the best of the shelf; those behind them lose by decibels


@dataclass(frozen=True)
class Outcome:
    """One scan, one setting: the model's figures, and every baseline's."""

    setting: str
    scan: str
    ours: Figures
    classical: Mapping[str, Figures]


def judge(
    model: Path,
    scans: Sequence[Path],
    names: Sequence[str] | None = None,
    side: int | None = None,
    told: Told | None = None,
) -> list[Outcome]:
    """All outcomes, settings in the order of their list, scans in theirs; one process a core.

    Args:
        model: file.
        scans: held out.
        names: of settings; all whose task the model knows if none.
        side: voxels along each axis of the middle of a scan to judge on; the whole scan if none.
    """
    tasks = VolumeModel.load(model).header["tasks"]
    names = [name for name in names or SETTINGS if SETTINGS[name].task in tasks]
    jobs = [(model, scan, name, seed, side) for name in names for seed, scan in enumerate(scans)]
    return spread_out(one, jobs, told)


def one(model: Path, path: Path, name: str, seed: int, side: int | None) -> Outcome:
    """One outcome: figures of one evaluation on the scan; coverage, and do-no-harm's verdict, on its middle."""
    loaded = VolumeModel.load(model)
    scan = in_units(loaded, files.read(path))
    trial = Trial.of(name, scan if side is None else centre(scan, side), seed)
    first, *others = list(BASELINES[trial.task])[:RIVALS]
    ours, begun = trial.ours(loaded, How(check=False))
    sampled, _ = Trial.of(name, centre(scan), seed).ours(loaded, How(samples=SAMPLES))
    kept = {key: value for key, value in sampled.items() if key.endswith("coverage90") or key == "harmless"}
    return Outcome(name, path.name, ours | kept, {first: begun} | trial.classical(others))


def rows(outcomes: Sequence[Outcome], side: int | None = None) -> list[dict[str, Any]]:
    """The table of a model card: a row a setting; `side` as `judge` was given it."""
    names = list(dict.fromkeys(each.setting for each in outcomes))
    told = {} if side is None else {"side": side}
    return [_row(name, [each for each in outcomes if each.setting == name]) | told for name in names]


def _row(name: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    rivals = {each: [o.classical[each] for o in outcomes] for each in outcomes[0].classical}
    found = compare([o.ours for o in outcomes], rivals)
    row = {"task": SETTINGS[name].task, "setting": name, "n": len(outcomes)} | _figures(found, "")
    row["foreground"] = _figures(found, "foreground/")
    if "open/coverage90/mean" in found:
        row["coverage90"] = found["open/coverage90/mean"]
        row["foreground"] |= {"coverage90": found["foreground/coverage90/mean"]}
    row["seconds"] = found["seconds/mean"]
    row["classical_returned"] = sum(not o.ours["harmless"] for o in outcomes)
    return row


def _figures(found: Mapping[str, Any], region: str) -> dict[str, Any]:
    """PSNR as the card wants it, SSIM beside."""
    words = {"mean": "psnr", "sd": "psnr_sd", "baseline": "baseline", "baseline_mean": "baseline_psnr"}
    words |= {"difference": "difference", "difference_sd": "difference_sd", "p": "p"}
    row = {word: found[f"{region}psnr/{key}"] for key, word in words.items() if f"{region}psnr/{key}" in found}
    return row | {"ssim": found.get(f"{region}ssim/mean"), "baseline_ssim": found.get(f"{region}ssim/baseline_mean")}


def published(header: Mapping[str, Any], table: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The header with these rows; older ones of the same settings give way."""
    new = {row["setting"] for row in table}
    kept = [row for row in header.get("judged", []) if row["setting"] not in new]
    order = list(SETTINGS)
    return {**header, "judged": sorted([*kept, *table], key=lambda row: order.index(row["setting"]))}
