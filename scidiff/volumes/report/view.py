"""Volumes as a page holds them: cut to the patient, on one upright grid, in a byte a voxel.

Voxels are shown as they are, never between them: where the page's grid is coarser than the scan's, or a layer's is
another one, each place takes the nearest voxel. The files beside the page keep all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from nibabel.affines import apply_affine

from scidiff.volumes.picture import Panel, highest, window_of
from scidiff.volumes.slices import Patient, upright
from scidiff.volumes.volume import Volume

MOST = 3_000_000  # voxels of a volume on the page: 144 along each axis
LEVELS = {"image": 128, "sd": 32, "error": 32}
"""Kind -> steps from its lowest to its highest value: no eye tells more, and a third less to carry."""

_HALF = 0.4999  # a hair off one half, where rounding would be anyone's guess


@dataclass(frozen=True, eq=False)
class View:
    """The grid of the page.

    Attributes:
        patient: the scan, upright.
        most: voxels of a volume on the page.
    """

    patient: Patient
    most: int = MOST

    @cached_property
    def axes(self) -> list[np.ndarray]:
        """Which voxels of the upright scan are shown along each axis."""
        return [
            np.minimum(
                part.start + np.floor(np.arange(0, part.stop - part.start, step) + step / 2), part.stop - 1
            ).astype(int)
            for part, step in zip(self.patient.box, self.steps, strict=True)
        ]

    @cached_property
    def steps(self) -> np.ndarray:
        """(3,) voxels from one that is shown to the next: 1, or more along the finest axes until the rest is small."""
        sizes = np.array([part.stop - part.start for part in self.patient.box], dtype=float)
        spacing = np.array(self.patient.volume.spacing)
        wanted = spacing.min()
        while np.prod(np.ceil(sizes * spacing / np.maximum(spacing, wanted))) > self.most:
            wanted *= 1.02
        return np.maximum(spacing, wanted) / spacing

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels of the page along each axis."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def spacing(self) -> list[float]:
        """Millimetres from one to the next."""
        return [float(size * step) for size, step in zip(self.patient.volume.spacing, self.steps, strict=True)]

    @property
    def coarser(self) -> bool:
        """Whether the scan has voxels that the page has not."""
        return bool(max(self.steps) > 1)

    @property
    def centre(self) -> list[int]:
        """The place to begin at: the patient's centre of mass, in voxels of the page."""
        return [
            int(np.abs(axis - middle).argmin()) for axis, middle in zip(self.axes, self.patient.centre, strict=True)
        ]

    @property
    def millimetres(self) -> list[list[float]]:
        """Place of the first voxel of the page in the scanner and the step to the next, along each upright axis."""
        affine, scale = self.patient.volume.affine, self.patient.volume.spacing[0]
        scale /= float(np.linalg.norm(affine[:3, 0]))
        first = apply_affine(affine, [axis[0] for axis in self.axes])
        return [[float(start * scale), step] for start, step in zip(first, self.spacing, strict=True)]

    def take(self, panel: Panel) -> np.ndarray:
        """(X, Y, Z) of the page: a volume's nearest voxels, an error's without sign; NaN where it has none."""
        values = np.abs(panel.data) if panel.kind == "error" else panel.data
        if panel.affine is None or np.allclose(panel.affine, self.patient.stored):
            data, _ = upright(values, self.patient.stored)
            return data[np.ix_(*self.axes)]
        data, affine = upright(values, np.asarray(panel.affine, dtype=float))
        turn = np.linalg.solve(affine, self.patient.volume.affine)
        return np.stack([self._slab(data, turn, x) for x in self.axes[0]])

    def _slab(self, data: np.ndarray, turn: np.ndarray, x: int) -> np.ndarray:
        """(Y, Z) of the page at one x."""
        here = np.stack(np.meshgrid([x], *self.axes[1:], indexing="ij"), -1)[0]
        index = np.floor(apply_affine(turn, here) + _HALF).astype(int)
        inside = ((index >= 0) & (index < data.shape)).all(-1)
        found = np.full(inside.shape, np.nan, dtype=np.float32)
        found[inside] = data[tuple(index[inside].T)]
        return found


@dataclass(frozen=True, eq=False)
class Packed:
    """A volume in bytes: 0 where there is nothing, else 1 + round(levels * (value - low) / (high - low)).

    Attributes:
        panel: what it shows.
        codes: (X, Y, Z) uint8, x fastest.
        low, high: values of its darkest and brightest step.
    """

    panel: Panel
    codes: bytes
    low: float
    high: float

    @property
    def levels(self) -> int:
        """Steps from low to high."""
        return LEVELS[self.panel.kind] - 1


def packed(view: View, panels: Sequence[Panel]) -> list[Packed]:
    """Every volume in bytes: images in the window of the scan, maps in one scale of their own."""
    taken = [view.take(panel) for panel in panels]
    grays, top = (
        window_of(view.patient),
        highest(data for data, panel in zip(taken, panels, strict=True) if panel.kind != "image"),
    )
    return [
        _packed(panel, data, *(grays if panel.kind == "image" else (0.0, top)))
        for panel, data in zip(panels, taken, strict=True)
    ]


def _packed(panel: Panel, data: np.ndarray, low: float, high: float) -> Packed:
    steps = codes(data, LEVELS[panel.kind] - 1, low, high)
    return Packed(panel, steps.tobytes(order="F"), low, high)


def codes(data: np.ndarray, levels: int, low: float, high: float) -> np.ndarray:
    """Values to steps, those beyond the ends to the ends; 0 where there is no number."""
    steps = 1 + np.rint(levels * np.clip((data - low) / (high - low), 0, 1))
    return np.nan_to_num(steps, nan=0.0).astype(np.uint8)


def look_at(volume: Volume) -> View:
    """The grid of the page for a scan."""
    return View(Patient.of(volume))
