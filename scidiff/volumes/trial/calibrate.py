"""What a model must know of itself, measured on scans that it was not trained on: see `restore.calibration`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from scidiff.volumes import files
from scidiff.volumes.model import VolumeModel
from scidiff.volumes.operators.along import Along
from scidiff.volumes.power_law import PowerLaw
from scidiff.volumes.problem import pose
from scidiff.volumes.restore.calibration import Calibration, fitted_width, smooth_deviation
from scidiff.volumes.restore.run import How, Work, exactly_seen
from scidiff.volumes.trial.parallel import Told, spread_out
from scidiff.volumes.trial.settings import SETTINGS
from scidiff.volumes.trial.trial import Trial, in_units
from scidiff.volumes.volume import Volume
from scidiff.volumes.windows import Windows

TRUSTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
SAMPLES = 8
SIDE = 80  # voxels of the pieces that samples are drawn of
SLOPES = 0.01  # penalty on those of the widths: few trials, of which each is of a hundred thousand voxels
LEAST_SIGNAL = 0.02  # voxels of air, which nobody asks about, are left out of the widths


@dataclass(frozen=True)
class Facts:
    """Of a problem, without its volumes."""

    task: str
    noise: float
    fraction: float
    along: Along


def calibrate(model: Path, scans: Sequence[Path], told: Told | None = None) -> Calibration:
    """Trust and width of every task that a model knows.

    Args:
        model: file.
        scans: held out.
    """
    tasks = VolumeModel.load(model).header["tasks"]
    names = [name for name, each in SETTINGS.items() if each.task in tasks]
    jobs = [(model, scan, name, seed) for seed, scan in enumerate(scans) for name in names]
    both = (lambda done, total: None) if told is None else told
    errors = spread_out(trust_errors, jobs, lambda done, total: both(done, 2 * total))
    trust = {task: best_trust(rows) for task, rows in by_task(jobs, errors).items()}
    jobs = [(*job, trust) for job in jobs]
    scores = spread_out(width_of, jobs, lambda done, total: both(total + done, 2 * total))
    problems, widths = zip(*scores, strict=True)
    return Calibration(trust, PowerLaw.fit(problems, widths, SLOPES, bounded=True))


def by_task(jobs: Sequence[tuple], found: Sequence) -> dict[str, list]:
    """What was found, by the task of each job's setting."""
    gathered: dict[str, list] = {}
    for job, each in zip(jobs, found, strict=True):
        gathered.setdefault(SETTINGS[job[2]].task, []).append(each)
    return gathered


def trust_errors(model: Path, scan: Path, name: str, seed: int) -> np.ndarray:
    """`mean_errors` of the middle of a scan."""
    loaded = VolumeModel.load(model)
    return mean_errors(loaded, Trial.of(name, centre(in_units(loaded, files.read(scan))), seed))


def width_of(model: Path, scan: Path, name: str, seed: int, trust: Mapping[str, float]) -> tuple[Facts, float]:
    """What the middle of a scan needs, once the trust is known, and the problem that it was."""
    loaded = VolumeModel.load(model)
    known = replace(loaded, header={**loaded.header, "calibration": {"trust": trust}})
    trial = Trial.of(name, centre(in_units(loaded, files.read(scan))), seed)
    problem = pose(trial.observation, trial.task)
    return Facts(problem.task, problem.noise, problem.fraction, problem.along), fitted_width(*spread(known, trial))


def centre(scan: Volume, side: int = SIDE) -> Volume:
    """The middle of a scan, on a grid of its own."""
    starts = [max((n - side) // 2, 0) for n in scan.shape]
    cut = tuple(slice(start, start + side) for start in starts)
    shift = np.eye(4)
    shift[:3, 3] = starts
    return scan.replace(data=scan.data[cut], affine=scan.affine @ shift)


def mean_errors(model: VolumeModel, trial: Trial) -> np.ndarray:
    """Mean square error of one evaluation for each of TRUSTS, over that of the classical answer."""
    work = Work(model, trial.task, How())
    problem = pose(trial.observation, trial.task)
    unit, restorer = model.difficulty(problem), work.restorer(Windows(problem.estimate.shape[2:]))
    answers = [restorer.mean(problem, trial.observation, unit, trust) for trust in TRUSTS]
    return np.array([square(x - trial.truth) for x in answers]) / square(problem.estimate - trial.truth)


def best_trust(errors: Sequence[np.ndarray]) -> float:
    """The trust of the least error, as a geometric mean over trials."""
    return TRUSTS[int(np.log(np.array(errors)).mean(0).argmin())]


def spread(model: VolumeModel, trial: Trial) -> tuple[Tensor, Tensor]:
    """Errors and deviations, not yet widened, of the open voxels of tissue."""
    how = How(samples=SAMPLES, check=False)
    answer = model.restore(trial.observation, trial.task, how)
    exact = exactly_seen(trial.observation, trial.task)
    sd = smooth_deviation(answer.samples, None if exact is None else ~exact)
    open_ = (sd > 0) & ((trial.truth > LEAST_SIGNAL) | (answer.model > LEAST_SIGNAL))
    return (answer.model - trial.truth)[open_], sd[open_]


def square(x: Tensor) -> float:
    """Mean square."""
    return float(x.square().mean())
