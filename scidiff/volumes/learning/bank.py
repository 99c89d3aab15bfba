"""Examples, prepared once: pieces of training scans, degraded, and answered classically.

The classical answers cost more than the training steps that use them, so each is kept in a file, in half precision.
An interrupted preparation goes on where it stopped.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from scidiff.engine.noise import Noise
from scidiff.store.atomic import whole
from scidiff.volumes import files
from scidiff.volumes.intensity import Percentiles, Window
from scidiff.volumes.learning.degrade import DRAW, PLANAR
from scidiff.volumes.problem import Problem, pose

CUBE = 96  # voxels: a piece of a scan for tasks that see it locally
SLAB = 24  # slices for tasks that see whole slices


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

    @property
    def error(self) -> float:
        """Root mean square of clean - estimate."""
        off = self.clean.astype(np.float32) - self.estimate.astype(np.float32)
        return float(np.sqrt(np.mean(off**2)))

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        with whole(path, overwrite=True) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(self))

    @classmethod
    def load(cls, path: Path) -> "Example":
        """Read it back; nothing in the file is run."""
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ("clean", "estimate", "mismatch", "mask")}
            return cls(str(file["task"]), noise=float(file["noise"]), fraction=float(file["fraction"]), **arrays)


@dataclass(frozen=True)
class Bank:
    """How examples are made of scans.

    Args:
        folder: where they are kept.
        tasks: which tasks.
        draws: examples of each scan and task.
        seed: of pieces and degradations.
        intensity: which intensities are called 0 and 1.
    """

    folder: Path
    tasks: Sequence[str]
    draws: int
    seed: int
    intensity: Percentiles | Window

    def prepare(self, scans: Sequence[Path], progress: Callable[[int, int], None] | None = None) -> list[Path]:
        """The examples of all scans, made where they are missing; the files.

        Raises:
            UserError: a scan cannot be read.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = [(scan, task, k) for k in range(self.draws) for scan in scans for task in self.tasks]
        missing = [each for each in wanted if not self.path(*each).exists()]
        workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, max(len(missing), 1))
        if workers == 1:
            for done, each in enumerate(missing, start=1):
                self.make(*each)
                if progress:
                    progress(done, len(missing))
        elif missing:
            self._parallel(missing, workers, progress)
        return [self.path(*each) for each in wanted]

    def _parallel(self, missing: list, workers: int, progress: Callable[[int, int], None] | None) -> None:
        with ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
            tasks = [pool.submit(self.make, *each) for each in missing]
            try:
                for done, task in enumerate(as_completed(tasks), start=1):
                    task.result()
                    if progress:
                        progress(done, len(missing))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def path(self, scan: Path, task: str, number: int) -> Path:
        """Where an example is kept: its name tells all that it depends on."""
        facts = f"{scan.name} {scan.stat().st_size} {self.seed} {self.intensity}"
        return self.folder / f"{hashlib.sha256(facts.encode()).hexdigest()[:16]}-{task}-{number}.npz"

    @torch.inference_mode()
    def make(self, scan: Path, task: str, number: int) -> None:
        """One example."""
        digest = hashlib.sha256(f"{self.path(scan, task, number).name}".encode()).digest()
        random = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        volume = files.read(scan)
        x = self.intensity.fit(volume).to_unit(volume.data)
        piece = torch.from_numpy(np.ascontiguousarray(cut(x, task, random)))[None, None]
        seed = Noise.of(int(random.integers(2**31)), torch.zeros(1, dtype=torch.int64))
        degradation = DRAW[task](piece, random)
        example(piece, pose(degradation.observe(piece, seed), task)).save(self.path(scan, task, number))


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
    return Example(problem.task, *half, mask, problem.noise, problem.fraction)
