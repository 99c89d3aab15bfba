"""The volumes' half of scidiff evaluate: restored scans of any tool against the true ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from scidiff.cli import report
from scidiff.cli.evaluate import publish
from scidiff.cli.progress import progress
from scidiff.cli.report_volumes import compared
from scidiff.cli.volume_pairs import Pair, find_pairs, volumes_in
from scidiff.cli.volume_table import PROTOCOL, table, versions
from scidiff.store.errors import UserError
from scidiff.volumes import files
from scidiff.volumes.evaluate import HIGHER, LOWER, compare, evaluate
from scidiff.volumes.foreground import foreground
from scidiff.volumes.picture import Panel
from scidiff.volumes.volume import Volume

TAKEN = ("foreground", "baseline", "difference")
"""What no region may be called, since it begins the names of other figures."""

ALIKE = 2.0  # intensities further off than this factor are hardly in one unit


def run(config: DictConfig, out: Path) -> None:
    """Find the pairs, judge each, write the figures and show them.

    Raises:
        UserError: files that do not exist, cannot be read, do not match or lie on other grids; empty masks.
    """
    given = {key: config[key] for key in ("input", "reference", "baseline", "mask", "sd")}
    paths = {key: Path(value).expanduser() for key, value in given.items() if value is not None}
    regions = _regions(config.regions)
    page, pairs = report.place(out, config), find_pairs(paths, regions)
    judged = judge(pairs, config.frame)
    told = {"protocol": _protocol(paths, regions), "versions": versions()}
    metrics = _metrics(judged, paths) | told
    publish(config, out, metrics, table(metrics))
    for line in doubts(judged):
        print(line)
    if page is not None:
        truth, panels = panels_of(pairs[0], config.frame)
        title = f"{report.called(paths['input'])} against {report.called(paths['reference'])}"
        report.publish(page, title, [compared(panels, truth, metrics, config)], config.overwrite)


def judge(pairs: Sequence[Pair], frame: int | None = None) -> dict[str, dict[str, float]]:
    """The figures of every pair, by its name; a baseline's as baseline/..., ours less its as difference/..."""
    judged = {}
    with progress("Judging", len(pairs), "volumes") as tick:
        for pair in pairs:
            judged[pair.name] = judge_one(pair, frame)
            tick(len(judged))
    return judged


def judge_one(pair: Pair, frame: int | None = None) -> dict[str, float]:
    """The figures of one pair.

    Args:
        pair: where the volumes lie.
        frame: which volume of those files that hold several.

    Raises:
        UserError: a file cannot be read, or lies on another grid than the truth; an empty mask.
    """
    truth = read(pair.truth, frame)
    restored = read(pair.restored, frame, truth)
    rival = None if pair.baseline is None else read(pair.baseline, frame, truth)
    sd = None if pair.sd is None else _deviations(pair.sd, truth)
    regions = {name: files.read_mask(path, truth) for name, path in pair.regions.items()}
    mask = foreground(truth) if pair.mask is None else files.read_mask(pair.mask, truth)
    ours = evaluate(restored, truth, mask, sd=sd, regions=regions)
    return ours if rival is None else ours | _beside(ours, evaluate(rival, truth, mask, regions=regions))


def panels_of(pair: Pair, frame: int | None = None) -> tuple[Volume, list[Panel]]:
    """The truth of a pair, and what to look at."""
    truth = read(pair.truth, frame)
    restored = read(pair.restored, frame, truth)
    panels = [Panel("restored", restored.data)]
    if pair.baseline is not None:
        panels.insert(0, Panel("baseline", read(pair.baseline, frame, truth).data))
    if pair.sd is not None:
        panels.append(Panel("stated deviation", _deviations(pair.sd, truth).data, "sd"))
    return truth, [*panels, Panel("truth", truth.data), Panel("error", restored.data - truth.data, "error")]


def read(path: Path, frame: int | None = None, like: Volume | None = None) -> Volume:
    """A volume, called by its path; `frame` chooses where a file holds several and is no matter where it does not.

    Raises:
        UserError: as `scidiff.volumes.files.read`, or the grid is not that of `like`.
    """
    try:
        volume = files.read(path, frame)
    except UserError:
        if frame is None:
            raise
        volume = files.read(path)
    volume = volume.replace(name=str(path))
    if like is not None:
        files.check_grids(volume, like)
    return volume


def doubts(judged: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A sentence for each volume whose intensities are hardly in the unit of its truth."""
    return [
        f"{name}: its intensities go {figures['gain']:.3g} times as far as the reference's. Are both in one unit?"
        for name, figures in judged.items()
        if not 1 / ALIKE < figures.get("gain", 1.0) < ALIKE
    ]


def _regions(asked: object) -> dict[str, Path]:
    """Name -> path of each further mask."""
    if asked is None:
        return {}
    if not isinstance(asked, Mapping):
        raise UserError(f"regions={asked}: expected names and masks, as 'regions={{holes: holes.nii.gz}}'.")
    for name in asked:
        if name in TAKEN or "/" in str(name):
            raise UserError(f"A region cannot be called '{name}'; choose a word other than {', '.join(TAKEN)}.")
    return {str(name): Path(str(path)).expanduser() for name, path in asked.items()}


def _deviations(path: Path, truth: Volume) -> Volume:
    """Standard deviations on the truth's grid; the same for every voxel will do, unlike in a scan."""
    sd = files.read_nifti(path).replace(name=str(path))
    files.check_grids(sd, truth)
    if not (np.isfinite(sd.data).all() and sd.data.min() >= 0):
        raise UserError(f"{path} has negative, NaN or infinite voxels; expected the standard deviation of each voxel.")
    return sd


def _beside(ours: Mapping[str, float], theirs: Mapping[str, float]) -> dict[str, float]:
    """The baseline's figures, and ours less its for those where one way is the better."""
    figures = {f"baseline/{key}": value for key, value in theirs.items() if key != "data_range"}
    merits = [key for key in theirs if key in ours and key.rpartition("/")[2] in HIGHER + LOWER]
    return figures | {f"difference/{key}": ours[key] - theirs[key] for key in merits}


def _metrics(judged: Mapping[str, dict[str, float]], paths: Mapping[str, Path]) -> dict:
    """The figures of one volume as they are; of several in sum, and of each below "volumes"."""
    if not volumes_in(paths["reference"]):
        return next(iter(judged.values())) | {"n": 1}
    others = ("baseline/", "difference/")
    own = [{key: figure for key, figure in each.items() if not key.startswith(others)} for each in judged.values()]
    rivals = {}
    if "baseline" in paths:
        rivals[paths["baseline"].resolve().name] = [_part(each, "baseline/") for each in judged.values()]
    return compare(own, rivals) | {"volumes": dict(judged)}


def _part(figures: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {key.removeprefix(prefix): value for key, value in figures.items() if key.startswith(prefix)}


def _protocol(paths: Mapping[str, Path], regions: Mapping[str, Path]) -> dict:
    """What was judged against what, over which voxels, and how."""
    names = {key: paths[key].resolve().name for key in ("input", "reference", "baseline") if key in paths}
    mask = paths["mask"].resolve().name if "mask" in paths else "found in the reference"
    places = {"foreground": mask, "regions": {name: path.resolve().name for name, path in regions.items()}}
    return names | places | PROTOCOL
