"""Sinograms from a file, as y = R x + e slice by slice: parallel rays or a fan beam."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from nibabel.affines import voxel_sizes
from torch import Tensor

from scidiff.store.errors import UserError
from scidiff.volumes.files.checks import check_memory
from scidiff.volumes.intensity import Scale, Window
from scidiff.volumes.measured.arrays import Arrays, read_arrays
from scidiff.volumes.measured.record import Measured, first_look
from scidiff.volumes.operators.check import by
from scidiff.volumes.operators.footprint import Fan
from scidiff.volumes.operators.noise import noise_level
from scidiff.volumes.operators.radon import Radon

NAMES: dict[str, tuple[str, ...]] = {
    "sinogram": ("sino", "projections", "data"),
    "angles": ("theta",),
    **dict.fromkeys(("pitch", "fan", "shape", "axis", "mu_water", "sigma", "spacing", "affine"), ()),
}
_COPIES = 8
_MOST = 1e9  # voxels along an axis: far more than memory holds
_FULL_TURN = 6.3  # angles that all lie within so many degrees are radians
_WATERY = (0.1, 8.0)  # of water's attenuation, what a body's median may be


def read_sinogram(
    path: str | Path,
    *,
    angles: Sequence[float] | None = None,
    pitch: float | None = None,
    fan: Sequence[float] | None = None,
    shape: Sequence[int] | None = None,
    axis: int | None = None,
    spacing: Sequence[float] | None = None,
    mu_water: float | None = None,
    sigma: float | None = None,
) -> Measured:
    """Read a CT acquisition; for the file see `scidiff.volumes.measured`. What is given replaces the file's.

    Args:
        path: an .npz file.
        angles: of the views, in degrees.
        pitch: width of a detector, in the units of the spacing.
        fan: distances from the source to the centre and to the detector.
        shape: voxels of a slice along its two axes.
        axis: of the slices.
        spacing: of the voxels, in mm: one number, the slice's two, or three.
        mu_water: attenuation of water in one over the units of the spacing; the answer is then in HU.
        sigma: noise of one number of the sinogram.

    Raises:
        UserError: what is missing or wrong, in a sentence or two.
    """
    given = {"angles": angles, "pitch": pitch, "fan": fan, "shape": shape, "axis": axis}
    given |= {"spacing": spacing, "mu_water": mu_water, "sigma": sigma}
    arrays, notes = read_arrays(path, NAMES, given), []
    y = _line_integrals(arrays)
    views = _angles(arrays, y)
    operator, affine = _operator(arrays, y, views)
    sigma = arrays.number("sigma") or _estimated(y, notes)
    return _measured(arrays, y, operator, sigma, affine, notes)


def _measured(
    arrays: Arrays, y: Tensor, operator: Radon, sigma: float, affine: np.ndarray, notes: list[str]
) -> Measured:
    """In units of [0, 1]: with mu_water, attenuation over twice water's, as `Window` has it."""
    middle, width = first_look(y, operator, sigma, operator.axis, arrays.path)
    scale, water = Scale(0.0, width), arrays.number("mu_water")
    if water is not None:
        _check_water(middle / water, arrays)
        scale, width = Scale(Window().low, Window().high), 2 * water
    return Measured(
        y=y / width,
        operator=operator,
        sigma=sigma / width,
        shape=_volume_shape(operator, y),
        affine=affine,
        scale=scale,
        width=width,
        name=arrays.path.stem,
        modality="CT",
        notes=tuple(notes),
    )


def _line_integrals(arrays: Arrays) -> Tensor:
    """(1, 1, views, detectors, slices)."""
    found = arrays.need("sinogram", "views x detectors, or views x detectors x slices")
    if np.iscomplexobj(found) or found.ndim not in (2, 3):
        raise UserError(
            f"The sinogram of {arrays.path} is {found.dtype} {by(found.shape) or 'one number'}; "
            "expected real numbers, views x detectors or views x detectors x slices."
        )
    check_memory(found.shape, _COPIES, arrays.path)
    if not found.any():
        raise UserError(f"The sinogram of {arrays.path} is zero everywhere.")
    y = torch.from_numpy(found.astype(np.float32)).reshape(*found.shape[:2], -1)
    _check_integrals(y, arrays.path)
    return y[None, None]


def _check_integrals(y: Tensor, path: Path) -> None:
    """Rays past the body lose nothing, so a mean view is not brighter at its ends than in its middle."""
    view, n = y.double().mean((0, 2)), y.shape[1]
    ends = torch.cat([view[: max(n // 20, 1)], view[-max(n // 20, 1) :]]).mean()
    if bool(ends > view[n // 3 : n - n // 3].mean()):
        raise UserError(
            f"The sinogram of {path} is larger at the ends of the detector than in its middle: these look like "
            "intensities. Expected line integrals, -log(I / I_0)."
        )


def _angles(arrays: Arrays, y: Tensor) -> tuple[float, ...]:
    """Degrees, one a view."""
    angles, (views, detectors) = arrays.need("angles", "degrees, one a view"), y.shape[2:4]
    if np.iscomplexobj(angles) or angles.ndim > 1 or angles.size != views:
        turned = " Are its first two axes swapped?" if angles.size == detectors else ""
        raise UserError(
            f"The angles of {arrays.path} do not match the sinogram: {by(angles.shape) or 'one'} of them, "
            f"{views} views of {detectors} detectors.{turned}"
        )
    if views > 3 and float(np.ptp(angles)) < _FULL_TURN:
        raise UserError(f"The angles of {arrays.path} span {np.ptp(angles):.3g} degrees; multiply radians by 180 / pi.")
    return tuple(float(angle) for angle in angles.ravel())


def _operator(arrays: Arrays, y: Tensor, angles: tuple[float, ...]) -> tuple[Radon, np.ndarray]:
    """The scanner, and where its voxels lie."""
    pitch, fan, axis = arrays.number("pitch", 1.0), _fan(arrays), _axis(arrays)
    affine, detectors = arrays.affine(), y.shape[3]
    natural = pitch * fan.source / fan.detector if fan else pitch
    sizes = _spacing(arrays, axis, natural) if affine is None else tuple(voxel_sizes(affine).tolist())
    across = tuple(size for other, size in enumerate(sizes) if other != axis)
    shape = arrays.whole("shape", (2,)) or _seen(detectors * pitch, fan, across)
    if min(shape) < 1:
        raise UserError(f"The shape of a slice of {arrays.path} must be above 0, not {by(shape)}.")
    check_memory((*shape, len(angles)), _COPIES, arrays.path, "Give a smaller shape=, or larger voxels by spacing=.")
    operator = Radon(shape, angles, detectors, pitch, across, fan, axis)
    return operator, np.diag([*sizes, 1.0]) if affine is None else affine


def _fan(arrays: Arrays) -> Fan | None:
    distances = arrays.several("fan", (2,))
    if distances is None:
        return None
    if not distances[1] > distances[0]:
        raise UserError(
            f"The fan of {arrays.path} is the distance from the source to the centre and that from the source to the "
            f"detector, the larger one; found {distances[0]:g} and {distances[1]:g}."
        )
    return Fan(*distances)


def _axis(arrays: Arrays) -> int:
    (axis,) = arrays.whole("axis", (1,)) or (2,)
    if axis > 2:
        raise UserError(f"The axis of the slices of {arrays.path} must be 0, 1 or 2, not {axis}.")
    return axis


def _spacing(arrays: Arrays, axis: int, natural: float) -> tuple[float, ...]:
    """Of the three axes of the volume."""
    spacing = arrays.several("spacing", (1, 2, 3)) or (natural,)
    if len(spacing) == 2:
        return (*spacing[:axis], spacing[0], *spacing[axis:])
    return spacing if len(spacing) == 3 else spacing * 3


def _seen(width: float, fan: Fan | None, spacing: tuple[float, ...]) -> tuple[int, int]:
    """Voxels across the circle that every view sees."""
    if fan:
        width = 2 * fan.source * math.sin(math.atan(width / 2 / fan.detector))
    first, second = (max(math.floor(min(_MOST, width / size) + 1e-6), 1) for size in spacing)
    return first, second


def _volume_shape(operator: Radon, y: Tensor) -> tuple[int, int, int]:
    shape = list(operator.shape)
    shape.insert(operator.axis, y.shape[-1])
    return shape[0], shape[1], shape[2]


def _estimated(y: Tensor, notes: list[str]) -> float:
    """The noise, and never less than the rounding of the numbers."""
    found = noise_level(y[0, 0])
    notes.append(f"Estimated the noise from the sinogram: sigma = {found:.3g}.")
    return max(found, 1e-5 * float(y.square().mean().sqrt()))


def _check_water(ratio: float, arrays: Arrays) -> None:
    """HU from other units than the sinogram's would be off by tens."""
    if not _WATERY[0] < ratio < _WATERY[1]:
        raise UserError(
            f"Most of {arrays.path} has {ratio:.2g} times the attenuation of water. Are mu_water and the spacing in "
            "the same unit, such as 1/mm and mm?"
        )
