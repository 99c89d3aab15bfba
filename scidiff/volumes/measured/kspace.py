"""k-space from a file, as y = M F S x + e with x a real volume: the maps S carry the phase of the image.

Where maps are not given they come from the fully sampled centre of k-space, for a single coil the phase alone. Maps
that are given rarely carry the image's phase, so that the slow phase of the image they make is added to them.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scidiff.store.errors import UserError
from scidiff.volumes.files.checks import check_memory
from scidiff.volumes.intensity import Scale
from scidiff.volumes.measured import layout, sampled
from scidiff.volumes.measured.arrays import Arrays, read_arrays
from scidiff.volumes.measured.phase import refined
from scidiff.volumes.measured.record import Measured, first_look
from scidiff.volumes.operators.check import by
from scidiff.volumes.operators.coils import calibrated, estimate_maps
from scidiff.volumes.operators.kspace import KSpace

NAMES: dict[str, tuple[str, ...]] = {
    "kspace": ("ksp", "k_space", "data"),
    "mask": ("sampling",),
    "maps": ("sensitivities", "sens", "csm"),
    **dict.fromkeys(("axes", "coils", "centred", "sigma", "spacing", "affine"), ()),
}
_COPIES = 12  # float32 volumes for every complex one: k-space, maps, their images
_CALIBRATION = 24  # lines at most
_LEAST_LINES = 4  # of the centre, to tell maps from


def read_kspace(
    path: str | Path,
    mask: str | Path | None = None,
    *,
    axes: Sequence[int] | None = None,
    coils: bool | None = None,
    centred: bool | None = None,
    sigma: float | None = None,
    spacing: Sequence[float] | None = None,
) -> Measured:
    """Read a Cartesian MRI acquisition; for the file see `scidiff.volumes.measured`. What is given replaces the file's.

    Args:
        path: an .npz file.
        mask: another file with the mask (.npy, .npz, NIfTI), or "nonzero" for what is not exactly zero.
        axes: transformed axes among 0, 1, 2.
        coils: whether the first of three axes is coils.
        centred: whether the centre of k-space and of the image is index n // 2, or index 0.
        sigma: noise of one number of k-space, both components together, in the units of the file.
        spacing: of the voxels, in mm.

    Raises:
        UserError: what is missing or wrong, in a sentence or two.
    """
    given = {"axes": axes, "coils": coils, "centred": centred, "sigma": sigma, "spacing": spacing}
    arrays, notes = read_arrays(path, NAMES, given), []
    laid = _complex(arrays)
    y = _coils_first(laid, arrays, notes)
    shape = tuple(y.shape[1:])
    kept, name = _mask(arrays, mask, y)
    kept = sampled.as_mask(kept, name, tuple(laid.shape), shape)
    y = y * kept
    if not bool((y != 0).any()):
        raise UserError(f"k-space of {arrays.path} is zero wherever the mask says that it was sampled.")
    axes = _axes(arrays, y, notes)
    sampled.check_filled(y, kept, axes, name)
    y, kept = _centred(arrays, y, kept, axes, notes)
    sigma = arrays.number("sigma") or _estimated(y, kept, axes, notes)
    operator = KSpace(kept, axes, _maps(arrays, y, kept, axes, sigma, notes))
    return _measured(arrays, y[None], operator, sigma, notes)


def _measured(arrays: Arrays, y: Tensor, operator: KSpace, sigma: float, notes: list[str]) -> Measured:
    """In units of [0, 1]."""
    shape = tuple(y.shape[2:])
    along = next((axis for axis, n in enumerate(shape) if n == 1), 2)
    _, width = first_look(y, operator, sigma, along, arrays.path)
    return Measured(
        y=y / width,
        operator=operator,
        sigma=sigma / width,
        shape=shape,
        affine=_affine(arrays, shape),
        scale=Scale(0.0, width),
        width=width,
        name=arrays.path.stem,
        modality="MR",
        notes=tuple(notes),
    )


def _complex(arrays: Arrays) -> Tensor:
    """k-space as it is laid out in the file, complex64."""
    kspace = arrays.need("kspace", "complex k-space")
    if not np.iscomplexobj(kspace):
        pair = " Join its two parts: k[..., 0] + 1j * k[..., 1]." if kspace.shape[-1:] == (2,) else ""
        raise UserError(f"k-space of {arrays.path} is real ({kspace.dtype}); expected complex numbers.{pair}")
    if kspace.ndim not in (2, 3, 4):
        expected = "coils x X x Y x Z, X x Y x Z, coils x Y x Z or Y x Z"
        raise UserError(f"k-space of {arrays.path} is {by(kspace.shape) or 'one number'}; expected {expected}.")
    check_memory(kspace.shape, 2 * _COPIES, arrays.path)
    if not kspace.any():
        raise UserError(f"k-space of {arrays.path} is zero everywhere.")
    return torch.from_numpy(np.ascontiguousarray(kspace, dtype=np.complex64))


def _coils_first(kspace: Tensor, arrays: Arrays, notes: list[str]) -> Tensor:
    """(C, X, Y, Z)."""
    if kspace.dim() == 4:
        return kspace
    if kspace.dim() == 2:
        return kspace[None, None]
    coils, maps = arrays.flag("coils"), arrays.get("maps")
    if coils is None and maps is not None:
        coils = maps.ndim == 3
    if coils is None:
        coils = layout.has_coils(kspace)
        first, other = ("coils", "false") if coils else ("X", "true")
        notes.append(f"Took the first of the axes {by(kspace.shape)} for {first}; if it is not, add coils={other}.")
    return kspace[:, None] if coils else kspace[None]


def _mask(arrays: Arrays, source: str | Path | None, y: Tensor) -> tuple[np.ndarray, str]:
    """The mask and where it is from."""
    if source is not None:
        return sampled.read_mask(source, y)
    if arrays.get("mask") is None:
        raise UserError(
            f"k-space without its mask: {arrays.path} has no array 'mask'. Save the mask of what was sampled in it, "
            "name its file by mask=, or add mask=nonzero to take what is not exactly zero as sampled."
        )
    return arrays.found["mask"], str(arrays.path)


def _axes(arrays: Arrays, y: Tensor, notes: list[str]) -> tuple[int, ...]:
    """Transformed axes, in order; those of size 1 have nothing to transform."""
    axes = arrays.whole("axes", (1, 2, 3))
    if axes is None:
        axes = layout.find_axes(y, arrays.path)
        slices = [axis for axis in range(3) if y.shape[axis - 3] > 1 and axis not in axes]
        if slices:
            notes.append(f"Took axis {_words(slices)} for slices, not for k-space; if it is not, name the axes: axes=.")
        return axes
    if not set(axes) <= {0, 1, 2} or len(set(axes)) < len(axes):
        raise UserError(f"The axes of {arrays.path} must be some of 0, 1 and 2, not {', '.join(map(str, axes))}.")
    return tuple(sorted(axes))


def _centred(arrays: Arrays, y: Tensor, mask: Tensor, axes: tuple[int, ...], notes: list[str]) -> tuple[Tensor, Tensor]:
    """The centres of k-space and of the image at n // 2."""
    centred = arrays.flag("centred")
    if centred:
        return y, mask
    moved = layout.off_centre(y, axes, arrays.path) if centred is None else axes
    y, mask = layout.centre(y, moved), layout.centre(mask, moved)
    rolled = layout.across_edge(y, mask, axes) if centred is None else axes
    if centred is None and moved:
        notes.append("The centre of k-space was at index 0 and was moved to n // 2.")
    if centred is None and rolled:
        notes.append(f"The image lay across the edge along axis {_words(rolled)}; it was rolled by half its size.")
    return layout.roll_image(y, rolled), mask


def _maps(arrays: Arrays, y: Tensor, mask: Tensor, axes: tuple[int, ...], sigma: float, notes: list[str]) -> Tensor:
    """Maps that carry the phase of the image."""
    given = _given_maps(arrays, y)
    block = calibrated(mask, axes, _CALIBRATION)
    if any(block[axis] < min(_LEAST_LINES, y.shape[axis - 3]) for axis in axes):
        return _uncalibrated(arrays, given, len(y), notes)
    maps = estimate_maps(y, mask, axes, _CALIBRATION)
    if given is not None:
        turn = (given.conj() * maps).sum(0)
        maps = given * torch.polar(torch.ones_like(turn.real), turn.angle())
    maps, times = refined(maps, y[None], mask, axes, sigma, block)
    notes.append(_told(given is not None, len(y), [block[axis] for axis in axes], times))
    return maps


def _told(given: bool, coils: int, lines: list[int], times: float) -> str:
    """Where the maps and their phase are from."""
    finest = "all of k-space" if times == math.inf else f"the central {by([int(times * n) for n in lines])} lines"
    if given:
        return f"Took the maps given, with the phase of the image from {finest}."
    what = "Estimated the phase of the image" if coils == 1 else f"Estimated {coils} coil maps"
    finer = f", and the phase more finely from {finest}" if times > 1 else ""
    return f"{what} from the {by(lines)} lines of the fully sampled centre{finer}."


def _uncalibrated(arrays: Arrays, given: Tensor | None, coils: int, notes: list[str]) -> Tensor:
    """Without a calibrated centre there are only the maps that were given."""
    if given is None:
        what = "the phase of the image" if coils == 1 else "the coil maps"
        raise UserError(
            f"The centre of k-space of {arrays.path} was not fully sampled, so that {what} cannot be estimated; "
            "add the array 'maps', complex and shaped as k-space, with the phase of the image in them."
        )
    notes.append("The centre of k-space was not fully sampled: the maps are taken to carry the phase of the image.")
    return given


def _given_maps(arrays: Arrays, y: Tensor) -> Tensor | None:
    maps = arrays.get("maps")
    if maps is None:
        return None
    if not np.iscomplexobj(maps) or maps.size != y.numel() or maps.shape[-2:] != tuple(y.shape[-2:]):
        found = f"{maps.dtype} {by(maps.shape)}"
        raise UserError(f"The maps of {arrays.path} are {found}; expected complex {by(y.shape)}, as k-space is.")
    return torch.from_numpy(maps.astype(np.complex64).reshape(tuple(y.shape)))


def _estimated(y: Tensor, mask: Tensor, axes: tuple[int, ...], notes: list[str]) -> float:
    """The noise, and never less than the rounding of the numbers."""
    found = sampled.noise_of(y, mask, axes)
    notes.append(f"Estimated the noise from the outer k-space: sigma = {found:.3g}.")
    return max(found, 1e-5 * float(y.abs().square().mean().sqrt()))


def _affine(arrays: Arrays, shape: tuple[int, ...]) -> np.ndarray:
    affine = arrays.affine()
    spacing = arrays.several("spacing", (1, 2, 3) if shape[0] == 1 else (1, 3)) or (1.0,)
    sizes = {1: spacing * 3, 2: (1.0, *spacing), 3: spacing}[len(spacing)]
    return np.diag([*sizes, 1.0]) if affine is None else affine


def _words(axes: Sequence[int]) -> str:
    return " and ".join(map(str, axes))
