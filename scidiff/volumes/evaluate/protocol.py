"""The figures of one restored volume against its truth, from files of any tool.

One range for a volume, the reference's greatest less its least intensity, in every figure. Every figure over the whole
volume and over the foreground, both named: a zeroed background alone is worth 2 dB of the one and nothing of the other.
SSIM counts intensities from the reference's least one, so that a CT scores alike in HU and in HU + 1024.
"""

from collections.abc import Mapping
from math import isfinite

import numpy as np

from scidiff.store.errors import UserError
from scidiff.volumes.evaluate import errors, similarity
from scidiff.volumes.evaluate.coverage import covered, covered_by
from scidiff.volumes.files.checks import check_grids, check_memory
from scidiff.volumes.foreground import foreground
from scidiff.volumes.volume import Volume

_COPIES = 50  # float32 volumes in memory at the worst moment; measured, and mostly scikit-image's float64 maps

Region = np.ndarray | None  # (X, Y, Z) bool; none is the whole volume


def evaluate(
    restored: Volume,
    truth: Volume,
    mask: Volume | np.ndarray | None = None,
    *,
    residual: float | None = None,
    sd: Volume | np.ndarray | None = None,
    samples: np.ndarray | None = None,
    regions: Mapping[str, np.ndarray] | None = None,
) -> dict[str, float]:
    """Judge a restored volume.

    Args:
        restored, truth: on the same grid, in the same units.
        mask: (X, Y, Z) the foreground, nonzero inside; found in the truth when not given.
        residual: of the measurements, from `scidiff.volumes.evaluate.residual`, to be kept beside the rest.
        sd: the stated standard deviation of each voxel, in the units of the volumes.
        samples: (K, X, Y, Z) of the posterior, K >= 2; used in place of `sd` when both are given.
        regions: further named masks, such as {"holes": ...}.

    Returns:
        psnr, ssim, ssim_fastmri, nmse, nrmse, hfen, gain and, where it can be told, coverage90; the same as
        "foreground/..." and "<region>/..."; data_range, and residual where given. A figure that is not defined (ssim
        of a volume thinner than its window, nmse of a region where the truth is 0) is left out.

    Raises:
        UserError: another grid, NaN or infinite voxels, a constant truth, an empty mask, one sample, more voxels
            than memory holds.
    """
    check_grids(restored, truth)
    check_memory(truth.shape, _COPIES, truth.name or "The reference", "Crop both volumes first.")
    x, r = (volume.data.astype(np.float64) for volume in (restored, truth))
    data_range = _range(x, r, restored.name or "The restored volume", truth.name or "the reference")
    inside = foreground(truth) if mask is None else _mask(mask, truth)
    places: dict[str, Region] = {"": None, "foreground/": inside}
    places |= {f"{name}/": _mask(region, truth) for name, region in (regions or {}).items()}
    maps = _maps(x, r, data_range)
    maps["coverage90"] = _covered(x, r, sd, samples)
    figures: dict[str, float] = {}
    for name, region in places.items():
        figures |= {f"{name}{key}": value for key, value in _figures(x, r, data_range, maps, region).items()}
    figures |= {"data_range": data_range} | ({} if residual is None else {"residual": float(residual)})
    return {key: value for key, value in figures.items() if isfinite(value)}


def _range(x: np.ndarray, r: np.ndarray, restored: str, truth: str) -> float:
    """The one range, once both volumes can be compared."""
    for values, name in ((x, restored), (r, truth)):
        if not np.isfinite(values).all():
            raise UserError(f"{name} has NaN or infinite voxels; set them to numbers before it is evaluated.")
    data_range = float(r.max() - r.min())
    if not data_range:
        raise UserError(f"{truth} is constant: every voxel is {r.flat[0]:g}. Nothing can be compared with it.")
    return data_range


def _mask(mask: Volume | np.ndarray, truth: Volume) -> np.ndarray:
    """A region on the truth's grid, not empty."""
    if isinstance(mask, Volume):
        check_grids(mask, truth)
        mask = mask.data
    if mask.shape != truth.shape:
        raise UserError(f"The mask has shape {mask.shape} and the reference {truth.shape}; they must be the same.")
    if not np.any(mask):
        raise UserError("The mask selects no voxel; expected nonzero values inside and 0 outside.")
    return mask != 0


def _maps(x: np.ndarray, r: np.ndarray, data_range: float) -> dict[str, np.ndarray | None]:
    """What has to be computed over the whole volume before a region of it can be judged."""
    low = r.min()
    return {
        "ssim": similarity.ssim(x - low, r - low, data_range),
        "ssim_fastmri": similarity.ssim_fastmri(x - low, r - low, data_range),
        "edges_of_error": errors.edges(x - r),
        "edges_of_truth": errors.edges(r),
    }


def _covered(
    x: np.ndarray, r: np.ndarray, sd: Volume | np.ndarray | None, samples: np.ndarray | None
) -> np.ndarray | None:
    """Which voxels lie in their interval; none when no uncertainty is stated."""
    if samples is not None:
        _check_shape(samples.shape[1:], r.shape, "samples")
        if len(samples) < 2:
            raise UserError("Coverage needs two samples or more; one says nothing of the spread.")
        return covered_by(r, samples)
    if sd is None:
        return None
    sd = sd.data if isinstance(sd, Volume) else sd
    _check_shape(sd.shape, r.shape, "standard deviations")
    return covered(r, x, sd)


def _check_shape(found: tuple[int, ...], expected: tuple[int, ...], what: str) -> None:
    if found != expected:
        raise UserError(f"The {what} have shape {found} and the reference {expected}; they must be the same.")


def _figures(
    x: np.ndarray, r: np.ndarray, data_range: float, maps: Mapping[str, np.ndarray | None], region: Region
) -> dict[str, float]:
    """The figures of one region."""
    cut = (lambda values: values) if region is None else (lambda values: values[region])
    here, true = cut(x), cut(r)
    return {
        "psnr": errors.psnr(here, true, data_range),
        "ssim": _mean(maps["ssim"], cut),
        "ssim_fastmri": _mean(maps["ssim_fastmri"], cut),
        "nmse": errors.nmse(here, true),
        "nrmse": errors.nrmse(here, true, data_range),
        "hfen": errors.hfen(cut(maps["edges_of_error"]), cut(maps["edges_of_truth"])),
        "gain": errors.gain(here, true),
        "coverage90": _mean(maps["coverage90"], cut),
    }


def _mean(values: np.ndarray | None, cut: object) -> float:
    """The mean over a region of what is defined there; NaN when nothing is."""
    if values is None:
        return float("nan")
    values = cut(values)
    values = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return float(values.mean()) if values.size else float("nan")
