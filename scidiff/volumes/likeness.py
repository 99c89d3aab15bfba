"""Whether a scan is like those a model was trained on: facts for the model's header, and what to warn of.

The intensities of a scan are told by a profile p, in the model's own units u: nine quantiles of u in the foreground and
the median of u in five shells of equal volume, from its surface to its depth. The latter tell where the bright tissue
lies, which tells T2 from T1 where their histograms do not. A scan is unlike the training scans when

    min over training scans j of mean |p - p_j|  >  max(0.07, 3 q)

q the 90th percentile of the same distance of each training scan to its nearest other. Intensities are smoothed by the
shortest side of a voxel first, so that a noisy scan, which is what a model is for, is not unlike a clean one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.orientations import io_orientation
from scipy import ndimage

from scidiff.volumes.foreground import foreground
from scidiff.volumes.intensity import Percentiles, Window
from scidiff.volumes.volume import Volume

SPACING = 1.3  # times larger or smaller than any training voxel
DISTANCE = 0.07  # of the range; against 27 T1 heads and brains of two sites others of these sites read up to 0.024,
# two brains of a third 0.064 and 0.108, T2 0.064 to 0.117, FLAIR 0.056 to 0.183, CT from 0.091
NEGATIVE = 0.1  # of the range, below the least of the training scans
MOST = 64  # profiles kept, those that are the most unlike one another

_QUANTILES = (5, 15, 25, 35, 50, 65, 75, 85, 95)  # percent
_SHELLS = 5
_VOXELS = 1e6  # looked at; of larger scans every second, third ... voxel along each axis
_THIN = 16  # slices, of which none is left out
_FEW = 100  # voxels that make no shells
_MASKED = 0.95  # of the background at one value: someone has masked the scan
_DIGITS = 4
_NAMED = ("modality", "orientation")


@dataclass(frozen=True)
class _Look:
    """What the intensities of one scan look like.

    Attributes:
        profile: quantiles, then shells; NaN where there is no depth.
        low: first percentile of the whole scan, in its own units.
        floor: the same over the intensity called 1.
        share: of the voxels that are foreground.
        masked: whether the background is one value.
    """

    profile: np.ndarray
    low: float
    floor: float
    share: float
    masked: bool

    @classmethod
    def at(cls, volume: Volume, intensity: Percentiles | Window) -> "_Look":
        smooth = ndimage.gaussian_filter(volume.data, [min(volume.spacing) / step for step in volume.spacing])
        stride = _stride(volume.shape)
        small = volume.replace(data=volume.data[stride], affine=volume.affine @ np.diag([*(s.step for s in stride), 1]))
        smooth, mask = smooth[stride], _inside(small)
        scale = intensity.fit(small.replace(data=smooth), mask)
        inside = scale.to_unit(smooth[mask])
        profile = np.concatenate([np.percentile(inside, _QUANTILES), _shells(inside, mask, small.spacing)])
        outside = small.data[~mask]
        masked = outside.size > 0 and float(np.mean(outside == small.data.min())) > _MASKED
        low = float(np.percentile(smooth, 1))
        return cls(profile, low, low / (abs(scale.high) or 1.0), float(mask.mean()), masked)


def _stride(shape: Sequence[int]) -> tuple[slice, ...]:
    """Which voxels to look at."""
    step = int(np.ceil((np.prod(shape, dtype=float) / _VOXELS) ** (1 / 3)))
    return tuple(slice(None, None, max(1, min(step, n // _THIN))) for n in shape)


def _inside(volume: Volume) -> np.ndarray:
    """The foreground; all of a scan that is constant."""
    if volume.data.min() == volume.data.max():
        return np.ones(volume.shape, dtype=bool)
    return foreground(volume)


def _shells(values: np.ndarray, mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Medians from the surface to the depth; the edge of the scan is no surface."""
    if mask.all() or len(values) < _FEW:
        return np.full(_SHELLS, np.nan)
    depth = ndimage.distance_transform_edt(mask, sampling=spacing)[mask]
    order = np.argsort(depth, kind="stable")
    return np.array([np.median(part) for part in np.array_split(values[order], _SHELLS)])


def _spacing(volume: Volume) -> list[float]:
    """Millimetres from left to right, from back to front, from feet to head."""
    place = io_orientation(volume.affine)[:, 0]
    return [volume.spacing[axis] for axis in np.argsort(place)]


def _distances(profile: np.ndarray, others: np.ndarray) -> np.ndarray:
    """To each of the others, over what both have."""
    return np.nanmean(np.abs(others - profile), axis=1)


def _representatives(profiles: np.ndarray) -> tuple[np.ndarray, float]:
    """The profiles that are the most unlike one another, and how far off a scan may be from the nearest."""
    kept, nearest = [0], _distances(profiles[0], profiles)
    while len(kept) < min(MOST, len(profiles)):
        kept.append(int(np.argmax(np.where(np.isin(np.arange(len(nearest)), kept), -1, nearest))))
        nearest = np.minimum(nearest, _distances(profiles[kept[-1]], profiles))
    chosen = profiles[kept]
    for place, k in enumerate(kept):
        others = np.delete(chosen, place, axis=0)
        nearest[k] = _distances(chosen[place], others).min() if len(others) else 0.0
    return chosen, max(DISTANCE, 3 * float(np.percentile(nearest, 90)))


def _rounded(number: float) -> float:
    return round(float(number), _DIGITS)


def facts_of(
    volumes: Iterable[Volume], intensity: Percentiles | Window | None = None, turned: bool = False
) -> dict[str, Any]:
    """Summarise training scans for a model's header, as plain JSON.

    Args:
        volumes: the scans, one after another; they are not kept.
        intensity: which intensities the model calls 0 and 1; percentiles if none.
        turned: whether training shows the scans with their axes swapped and mirrored at random, so that neither the
            order of the axes nor the direction of thick slices matters.

    Raises:
        ValueError: there are no scans.
    """
    intensity = intensity or Percentiles()
    seen = [(each.modality, each.orientation, _spacing(each), _Look.at(each, intensity)) for each in volumes]
    if not seen:
        raise ValueError("there are no training scans to tell of")
    modalities, codes, spacings, looks = zip(*seen, strict=True)
    kept, limit = _representatives(np.array([look.profile for look in looks]))
    floors, shares = ([getattr(look, name) for look in looks] for name in ("floor", "share"))
    return {
        "n": len(seen),
        "modality": dict(Counter(modalities)),
        "spacing": [[_rounded(min(axis)), _rounded(max(axis))] for axis in zip(*spacings, strict=True)],
        "orientation": dict(Counter(codes)),
        "turned": turned,
        "intensity": {type(intensity).__name__.lower(): [intensity.low, intensity.high]},
        "foreground": [_rounded(min(shares)), _rounded(max(shares))],
        "masked": sum(look.masked for look in looks),
        "floor": _rounded(min(floors)),
        "profiles": [[None if np.isnan(value) else _rounded(value) for value in row] for row in kept],
        "limit": _rounded(limit),
    }


def unlike(
    volume: Volume, facts: Mapping[str, Any], model: str = "The model", affine: np.ndarray | None = None
) -> list[str]:
    """Warn, in one sentence each, of what sets a scan apart from the training scans; nothing if it is like them.

    Args:
        facts: of the model's training scans, from `facts_of`.
        model: what to call the model.
        affine: (4, 4) of the grid that is restored, where it is not the scan's: super-resolution makes finer voxels.
    """
    spacing = _spacing(volume if affine is None else volume.replace(affine=affine))
    found = (_modality(volume.modality, facts), _voxels(spacing, facts), _axes(volume.orientation, facts))
    return [f"{model} was trained on {words}." for words in (*found, _intensities(volume, facts)) if words]


def _modality(modality: str, facts: Mapping[str, Any]) -> str:
    """Another one, as far as both are known; "MR" may be any of them but CT."""
    trained = set(facts["modality"])
    if not modality or "" in trained or modality in trained:
        return ""
    if (modality == "MR" or "MR" in trained) and ("CT" in trained) == (modality == "CT"):
        return ""
    return f"{' and '.join(sorted(trained))} scans; this one is {modality}"


def _voxels(spacing: Sequence[float], facts: Mapping[str, Any]) -> str:
    """Voxels much larger or smaller than any in training, along some axis."""
    ranges, every = _ranges(facts), _pooled(facts)
    off = [axis for axis in range(3) if _outside(spacing[axis], ranges[axis])]
    plain = all(_outside(spacing[axis], every) for axis in off)
    trained = f"{_span(every)} mm" if plain else told_spacing(facts)
    theirs = ", ".join(f"{_short(spacing[axis])} mm along {'xyz'[axis]}" for axis in off)
    return f"voxels of {trained}; this scan's are {theirs}" if off else ""


def _outside(step: float, span: Sequence[float]) -> bool:
    return not span[0] / SPACING <= step <= span[1] * SPACING


def _axes(codes: str, facts: Mapping[str, Any]) -> str:
    """Axes stored in another order or direction; a mirrored patient is still a patient, so left and right may swap."""
    known = {each.replace("R", "L") for each in facts["orientation"]}
    if facts.get("turned") or codes.replace("R", "L") in known:
        return ""
    return f"scans with their axes stored as {' or '.join(facts['orientation'])}; this scan's are stored as {codes}"


def _intensities(volume: Volume, facts: Mapping[str, Any]) -> str:
    """Values below the training scans', or a contrast that none of them has."""
    look = _Look.at(volume, _scale(facts))
    if look.floor < facts["floor"] - NEGATIVE:
        what = "scans without negative intensities" if facts["floor"] > -NEGATIVE else "higher intensities"
        hint = ", as HU of a CT do" if -1100 < look.low < -700 else ""
        return f"{what}; this scan's go down to {look.low:.0f}{hint}"
    profiles = np.array(facts["profiles"], dtype=float)
    distance, limit = float(_distances(look.profile, profiles).min()), facts["limit"]
    if distance <= limit:
        return ""
    return (
        "scans of another contrast or preprocessing; this scan's intensities, from dark to bright and from surface to "
        f"depth, differ by {100 * distance:.2g} % of their range from the most similar one's (usual: up to "
        f"{100 * limit:.2g} %)"
    )


def _scale(facts: Mapping[str, Any]) -> Percentiles | Window:
    """Which intensities the model calls 0 and 1."""
    kinds = {"percentiles": Percentiles, "window": Window}
    (name, (low, high)), *_ = facts["intensity"].items()
    return kinds[name](low, high)


def _ranges(facts: Mapping[str, Any]) -> list[list[float]]:
    """Least and greatest spacing along each axis; the same for all axes where training turned the scans."""
    return [_pooled(facts)] * 3 if facts.get("turned") else facts["spacing"]


def _pooled(facts: Mapping[str, Any]) -> list[float]:
    """Least and greatest spacing along any axis."""
    return [min(low for low, _ in facts["spacing"]), max(high for _, high in facts["spacing"])]


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _span(span: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys(_short(number) for number in span))


def told_spacing(facts: Mapping[str, Any]) -> str:
    """The training voxels in words."""
    words = [_span(each) for each in _ranges(facts)]
    return f"{words[0]} mm" if len(set(words)) == 1 else f"{' x '.join(words)} mm".replace(" to ", "-")


def told(facts: Mapping[str, Any]) -> dict[str, str]:
    """The training scans in words, of what is known of them, for a model card."""
    counts = {key: ", ".join(f"{name or 'unknown'} ({n})" for name, n in facts.get(key, {}).items()) for key in _NAMED}
    medians = [row[_QUANTILES.index(50)] for row in facts.get("profiles", [])]
    rows = {
        "modality": counts["modality"],
        "voxels": told_spacing(facts) if "spacing" in facts else "",
        "axes": "in any order and direction" if facts.get("turned") else counts["orientation"],
        "foreground": f"{_span([round(100 * share) for share in facts.get('foreground', [])])} % of the voxels",
        "background": f"of one value in {facts.get('masked')} of {facts.get('n')} scans, measured in the others",
        "median intensity": f"{_span([min(medians), max(medians)])} of the model's range" if medians else "",
    }
    known = {"foreground": "foreground" in facts, "background": "masked" in facts and "n" in facts}
    return {key: words for key, words in rows.items() if words and known.get(key, True)}
