"""Examples, prepared once: pieces of training scans, degraded, and answered classically.

The classical answers cost more than the training steps that use them, so each is kept in a file, in half precision.
An interrupted preparation goes on where it stopped; an example whose scan has changed since is made again.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from scidiff.engine.noise import Noise
from scidiff.store.arrays import read_arrays
from scidiff.store.atomic import whole
from scidiff.store.errors import UserError
from scidiff.store.memory import free_memory
from scidiff.volumes import files
from scidiff.volumes.intensity import Percentiles, Window
from scidiff.volumes.learning.degrade import DRAW, PLANAR
from scidiff.volumes.operators.along import ALL, Along
from scidiff.volumes.problem import Problem, pose

CUBE = 96  # voxels: a piece of a scan for tasks that see it locally
SLAB = 24  # slices for tasks that see whole slices

Wanted = tuple[Path, str, int]  # scan, task, number
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Example:
    """A degraded piece of a scan, and what it was: float16 arrays (X, Y, Z) in units of [0, 1].

    `mask` is bool, and empty where everything was seen; see `Problem` for the rest.
    """

    task: str
    clean: np.ndarray
    estimate: np.ndarray
    mismatch: np.ndarray
    mask: np.ndarray
    noise: float
    fraction: float
    along: Along = ALL

    @property
    def error(self) -> float:
        """Root mean square of clean - estimate."""
        off = self.clean.astype(np.float32) - self.estimate.astype(np.float32)
        return float(np.sqrt(np.mean(off**2)))

    def save(self, path: Path, scan: str = "") -> None:
        """Write it, whole or not at all, and the digest of the scan that it was made of."""
        with whole(path, overwrite=True) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(self), scan=scan)

    @classmethod
    def load(cls, path: Path) -> "Example":
        """Read it back; nothing in the file is run.

        Raises:
            UserError: the file is damaged.
        """
        try:
            file = read_arrays(path)
            arrays = {key: file[key] for key in ("clean", "estimate", "mismatch", "mask")}
            x, y, z = (float(share) for share in file["along"])
            return cls(
                str(file["task"]),
                noise=float(file["noise"]),
                fraction=float(file["fraction"]),
                along=(x, y, z),
                **arrays,
            )
        except (UserError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path} is damaged: delete it, and it will be made again.") from error


@dataclass(frozen=True)
class Bank:
    """How examples are made of scans.

    Args:
        folder: where they are kept.
        tasks: which tasks.
        draws: examples of each scan and task.
        seed: of pieces and degradations.
        intensity: which intensities are called 0 and 1.
        alike: names that several of the scans have, of files of one size: only their content tells these apart.
    """

    folder: Path
    tasks: Sequence[str]
    draws: int
    seed: int
    intensity: Percentiles | Window
    alike: frozenset[str] = frozenset()

    def prepare(self, scans: Sequence[Path], progress: Progress | None = None, space: float = 1e9) -> list[Path]:
        """The examples of all scans, made where they are missing; the files.

        Args:
            space: bytes of memory that a process takes which makes them.

        Raises:
            UserError: a scan cannot be read, nothing can be made of it, or the folder cannot be written.
        """
        same = Counter((scan.name, scan.stat().st_size) for scan in scans)
        bank = replace(self, alike=frozenset(name for (name, _), count in same.items() if count > 1))
        wanted = [(scan, task, k) for k in range(self.draws) for scan in scans for task in self.tasks]
        missing = [each for each in wanted if not is_made(bank.path(*each), each[0])]
        bank._make_all(missing, workers(len(missing), space), progress)
        return [bank.path(*each) for each in wanted]

    def path(self, scan: Path, task: str, number: int) -> Path:
        """Where an example is kept: its name tells all that it depends on."""
        facts = f"{scan.name} {scan.stat().st_size} {self.seed} {self.intensity}"
        facts += f" {digest(scan)}" * (scan.name in self.alike)
        return self.folder / f"{hashlib.sha256(facts.encode()).hexdigest()[:16]}-{task}-{number}.npz"

    def make(self, scan: Path, task: str, number: int) -> None:
        """One example.

        Raises:
            UserError: the scan cannot be read, or nothing can be made of it.
        """
        try:
            self._example(scan, task, number).save(self.path(scan, task, number), digest(scan))
        except Exception as error:
            if isinstance(error, UserError) and str(scan) in str(error):
                raise
            raise UserError(f"No example of {task} can be made of {scan}: {error}") from error

    @torch.inference_mode()
    def _example(self, scan: Path, task: str, number: int) -> Example:
        seed = hashlib.sha256(self.path(scan, task, number).name.encode()).digest()
        random = np.random.default_rng(int.from_bytes(seed[:8], "little"))
        volume = files.read(scan)
        x = self.intensity.fit(volume).to_unit(volume.data)
        piece = torch.from_numpy(np.ascontiguousarray(cut(x, task, random)))[None, None]
        noise = Noise.of(int(random.integers(2**31)), torch.zeros(1, dtype=torch.int64))
        degradation = DRAW[task](piece, random)
        return example(piece, pose(degradation.observe(piece, noise), task))

    def _make_all(self, missing: Sequence[Wanted], count: int, progress: Progress | None) -> None:
        if count > 1:
            return self._share(missing, count, progress)
        for done, each in enumerate(missing, start=1):
            self.make(*each)
            if progress:
                progress(done, len(missing))
        return None

    def _share(self, missing: Sequence[Wanted], count: int, progress: Progress | None) -> None:
        """By several processes. One that dies takes all down: then fewer try, until it is known which scan it was."""
        with ProcessPoolExecutor(count, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
            tasks = [pool.submit(self.make, *each) for each in missing]
            try:
                for done, task in enumerate(as_completed(tasks), start=1):
                    task.result()
                    if progress:
                        progress(done, len(missing))
                return
            except BrokenProcessPool as error:
                broken = error
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        left = [each for each in missing if not is_made(self.path(*each), each[0])]
        if left and count == 1:
            raise UserError(
                f"The process that prepared {left[0][0]} for {left[0][1]} was ended by the system, perhaps for want of"
                " memory. Free some, crop that scan, or leave it out by data.exclude."
            ) from broken
        if left:
            self._share(left, count // 2, progress)


def workers(count: int, space: float) -> int:
    """How many processes make `count` examples: as many as there are cores, and memory for; `space` bytes each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    free = free_memory()
    return max(1, min(count, cores if free is None else min(cores, int(free / space))))


def is_made(path: Path, scan: Path) -> bool:
    """Whether an example is there, whole, and of the scan as it is now; banks of old do not tell the last."""
    try:
        return str(read_arrays(path, ["scan"]).get("scan", digest(scan))) == digest(scan)
    except UserError:
        return False


def digest(scan: Path) -> str:
    """Of a file's content."""
    return _digest(scan, scan.stat().st_mtime_ns)


@cache
def _digest(scan: Path, changed: int) -> str:
    with scan.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cut(x: np.ndarray, task: str, random: np.random.Generator) -> np.ndarray:
    """A random piece of a scan: whole slices across a random axis, which comes first, or a cube."""
    if task in PLANAR:
        x = np.moveaxis(x, random.integers(3), 0)
        sizes = (SLAB, *x.shape[1:])
    else:
        sizes = (CUBE,) * 3
    starts = [int(random.integers(max(n - size, 0) + 1)) for n, size in zip(x.shape, sizes, strict=True)]
    return x[tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))]


def example(clean: torch.Tensor, problem: Problem) -> Example:
    """A solved problem as it is kept."""
    half = (t[0, 0].numpy().astype(np.float16) for t in (clean, problem.estimate, problem.mismatch))
    everything = bool(problem.mask.all())
    mask = np.zeros(0, dtype=bool) if everything else problem.mask[0, 0].bool().numpy()
    return Example(problem.task, *half, mask, problem.noise, problem.fraction, problem.along)
