"""Which lines of k-space are acquired. The acceleration is the real one: all lines over acquired ones, ACS too."""

from collections.abc import Sequence

import torch
from torch import Tensor

from scidiff.store.errors import UserError

PATTERNS = ("random", "equispaced")


def sampling(
    shape: Sequence[int],
    acceleration: float,
    axes: Sequence[int] = (1,),
    pattern: str = "random",
    centre: float | None = None,
    seed: int = 0,
) -> Tensor:
    """A mask for `KSpace` that undersamples one phase-encoding axis (lines), or two (lines of a 3D acquisition).

    Args:
        shape: (X, Y, Z).
        acceleration: all lines over acquired lines, 1 or more.
        axes: the phase-encoding axes; along the others everything is acquired.
        pattern: "random", denser towards the centre, (1 - r)^3 at the radius r; or "equispaced" (one axis only).
        centre: share of the lines that are a fully sampled block at the centre (autocalibration signal, ACS);
            0.32 / acceleration when not given, as in fastMRI (Zbontar et al. 2018, arxiv.org/abs/1811.08839).
        seed: of the pattern.

    Returns:
        bool, with 1 where `shape` is not undersampled; broadcasts to `shape`.

    Raises:
        UserError: an acceleration below 1 or too high for the size, an unknown pattern, equispaced along two axes.
    """
    _check(acceleration, axes, pattern)
    sizes = [shape[axis] for axis in axes]
    fixed = _block(sizes, 0.32 / acceleration if centre is None else centre).flatten()
    wanted = round(len(fixed) / acceleration) - int(fixed.sum())
    if wanted < 0:
        raise UserError(f"An acceleration of {acceleration:g} leaves fewer lines than the calibrated centre holds.")
    outside = (~fixed).nonzero()[:, 0]
    generator = torch.Generator().manual_seed(seed)
    if pattern == "random":
        chosen = _random(_density(sizes).flatten()[outside], wanted, generator)
    else:
        chosen = _equispaced(len(outside), wanted, generator)
    fixed[outside[chosen]] = True
    return fixed.reshape([shape[axis] if axis in axes else 1 for axis in range(3)])


def _check(acceleration: float, axes: Sequence[int], pattern: str) -> None:
    if not acceleration >= 1:
        raise UserError(f"The acceleration must be 1 or more, not {acceleration:g}.")
    if pattern not in PATTERNS:
        raise UserError(f"The sampling pattern is one of {', '.join(PATTERNS)}, not {pattern!r}.")
    if list(axes) not in ([0], [1], [2], [0, 1], [0, 2], [1, 2]) or (pattern == "equispaced" and len(axes) == 2):
        raise UserError("Phase is encoded along one axis, or two in ascending order with a random pattern.")


def _block(sizes: Sequence[int], share: float) -> Tensor:
    """The centred block that holds about this share of all points, at least one."""
    block = torch.zeros(list(sizes), dtype=torch.bool)
    side = share ** (1 / len(sizes))
    widths = [min(max(round(side * size), 1), size) for size in sizes]
    starts = [size // 2 - width // 2 for size, width in zip(sizes, widths, strict=True)]
    block[tuple(slice(start, start + width) for start, width in zip(starts, widths, strict=True))] = True
    return block


def _density(sizes: Sequence[int]) -> Tensor:
    """(1 - r)^3, never quite zero, with r the distance from the centre of k-space, 1 at its corners."""
    along = [(torch.arange(size) - size // 2).double() / max(size / 2, 1) for size in sizes]
    radius = torch.stack(torch.meshgrid(*along, indexing="ij")).square().mean(0).sqrt()
    return (1 - radius).clamp(min=0) ** 3 + 1e-3


def _random(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` places without repeats, drawn in proportion to their weights: the largest of weight / exponential."""
    arrival = torch.empty_like(weights).exponential_(generator=generator) / weights
    return arrival.argsort()[:count]


def _equispaced(places: int, count: int, generator: torch.Generator) -> Tensor:
    """`count` of `places`, evenly, from a random start."""
    start = torch.rand((), generator=generator, dtype=torch.float64)
    return ((torch.arange(count, dtype=torch.float64) + start) * places / max(count, 1)).long()
