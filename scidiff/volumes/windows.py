"""Volumes too large for one pass: denoised window by window, the estimates blended at every evaluation.

    x^ = sum_k w_k D(x_t in window k)    sum_k w_k = 1 at every voxel, w_k = w_k(x) w_k(y) w_k(z)

Estimates are blended, never finished samples: neighbouring windows see one state, so that they cannot drift apart.
w_k is 0 within `margin` voxels of an end of the window, unless the volume ends there too, and then rises over `ramp`
voxels. A network that reaches no further than `margin` therefore gives what it gives of the whole volume, exactly,
if shifts by `multiple` voxels commute with it: windows start at multiples, and only the last may be shorter, so that
it is padded as the whole would be.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.state import State
from scidiff.store.errors import UserError
from scidiff.volumes.networks.unet import UNet

Box = tuple[slice, ...]
HELD = 6 * 4  # bytes a voxel of what stays whole meanwhile: the state and the next, two estimates, noise, the blend


@dataclass(frozen=True)
class Windows:
    """A guidance, the innermost one: what wraps it sees whole volumes. See above.

    Args:
        size: voxels of a window along each axis, or one number for all; taken down to a multiple. A volume that is
            not longer has one window along that axis.
        margin: voxels without weight at a window's ends; 59 is the default network's reach. With random weights 48
            leave up to 1e-4 of the output's deviation in float32, 40 2e-3, 32 3e-2; in bfloat16, whose rounding
            makes much of a little, 2e-2 down to 48.
        ramp: voxels over which the weight rises behind them.
        multiple: a window starts at multiples of this: the network's own `multiple`.
        part: the volume (B, C, X, Y, Z) that is cut. Whatever else in the state, its context and the last estimate has
            these sizes, or 1 along some axes, is cut along; the rest is passed on.

    Raises:
        ValueError: a number that is none of the sort; or, when called, an estimate that is no volume.
        UserError: when called, windows too small for their margins.
    """

    size: int | Sequence[int]
    margin: int = 59
    ramp: int = 8
    multiple: int = 8
    part: str = "image"

    def __post_init__(self) -> None:
        sizes = [self.size] if isinstance(self.size, int) else self.size
        if min(self.margin, self.ramp) < 0 or min(self.multiple, *sizes) < 1:
            raise ValueError("windows need a size and a multiple of 1 or more, a margin and a ramp of 0 or more")

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        def windowed(state: State, moment: Moment) -> Estimate:
            space, total = state[self.part].shape[2:], None
            axes = [shares(spans, self.margin, self.ramp) for spans in self.spans(space)]
            if all(len(axis) == 1 for axis in axes):
                return denoiser(state, moment)
            for window in product(*axes):
                box = tuple(span for span, _ in window)
                here = denoiser(_cut_state(state, space, box), _cut_moment(moment, space, box))
                total = _blank(here, space, box) if total is None else total
                _add(total, here, box, [share for _, share in window])
            return total

        return windowed

    @property
    def overlap(self) -> int:
        """Voxels that neighbouring windows share at least, a multiple."""
        return _up(2 * self.margin + self.ramp, self.multiple)

    def spans(self, space: Sequence[int]) -> list[list[slice]]:
        """The windows of a volume, axis by axis."""
        sizes = [self.size] * len(space) if isinstance(self.size, int) else self.size
        return [self._along(length, size) for length, size in zip(space, sizes, strict=True)]

    def _along(self, length: int, size: int) -> list[slice]:
        """As few windows as cover the axis, evenly spread over it."""
        if length <= size:
            return [slice(0, length)]
        least = self.overlap + self.multiple
        if size < least:
            raise UserError(
                f"Windows of {size} voxels are too small for margins of {self.margin}: take {least} or more."
            )
        size -= size % self.multiple
        stride, last = (size - self.overlap) // self.multiple, -(-(length - size) // self.multiple)
        count = -(-last // stride)
        begins = [k * last // count * self.multiple for k in range(count + 1)]
        return [slice(begin, min(begin + size, length)) for begin in begins]


def shares(spans: Sequence[slice], margin: int, ramp: int) -> list[tuple[slice, Tensor]]:
    """The windows along one axis, each with its weights; they sum to 1 at every voxel."""
    length = spans[-1].stop
    each = [(span, _rise(span, length, margin, ramp)) for span in spans]
    total = torch.zeros(length, dtype=torch.float64)
    for span, weight in each:
        total[span] += weight
    return [(span, weight / total[span]) for span, weight in each]


def _rise(span: slice, length: int, margin: int, ramp: int) -> Tensor:
    """0 for `margin` voxels, up over `ramp`, then 1; 1 to the very end where the volume ends."""
    place = torch.arange(span.start, span.stop, dtype=torch.float64)
    near = place - span.start if span.start else torch.full_like(place, math.inf)
    far = span.stop - 1 - place if span.stop < length else torch.full_like(place, math.inf)
    return ((torch.minimum(near, far) - margin + 1) / (ramp + 1)).clamp(0, 1)


def _cut(value: Any, space: Sequence[int], box: Box) -> Any:
    """What has the volume's sizes, or 1 along some axes, cut to the window; anything else as it is."""
    shape = tuple(getattr(value, "shape", ()))
    if len(shape) != len(space) + 2 or any(have not in (1, full) for have, full in zip(shape[2:], space, strict=True)):
        return value
    return value[(..., *(slice(None) if have == 1 else span for have, span in zip(shape[2:], box, strict=True)))]


def _cut_state(state: State, space: Sequence[int], box: Box) -> State:
    parts = {name: _cut(value, space, box) for name, value in state.parts.items()}
    return replace(state, parts=parts, context={key: _cut(given, space, box) for key, given in state.context.items()})


def _cut_moment(moment: Moment, space: Sequence[int], box: Box) -> Moment:
    return replace(moment, last=moment.last and _cut_estimate(moment.last, space, box))


def _cut_estimate(estimate: Estimate, space: Sequence[int], box: Box) -> Estimate:
    parts = {name: _cut(value, space, box) for name, value in estimate.parts.items()}
    return Estimate(parts, estimate.plain and _cut_estimate(estimate.plain, space, box))


def _blank(here: Estimate, space: Sequence[int], box: Box) -> Estimate:
    """Zeros for the whole of what a window's estimate holds."""
    window = tuple(span.stop - span.start for span in box)
    strange = [name for name, value in here.parts.items() if value.shape[2:] != window]
    if strange:
        raise ValueError(f"the estimate of {', '.join(strange)} is no volume of the window's sizes {window}")
    parts = {name: value.new_zeros(*value.shape[:2], *space) for name, value in here.parts.items()}
    return Estimate(parts, here.plain and _blank(here.plain, space, box))


def _add(total: Estimate, here: Estimate, box: Box, along: Sequence[Tensor]) -> None:
    """Add a window's estimate in place, weighted by the product of the weights along each axis."""
    for name, value in here.parts.items():
        weight = reduce(lambda known, w: known[..., None] * w, [w.to(value) for w in along])
        total[name][(..., *box)] += weight * value
    if total.plain and here.plain:
        _add(total.plain, here.plain, box, along)


def window_for(
    shape: Sequence[int], network: nn.Module, free: float, samples: int = 1, margin: int | None = None
) -> Windows:
    """The whole volume if memory allows, else the windows that fit and compute the fewest voxels.

    Args:
        shape: voxels along each axis.
        network: other networks than `UNet` see the whole input, so they are given it.
        free: bytes that evaluations may take beyond what is held now: the network and the context.
        samples: drawn at a time.
        margin: as `Windows` takes it; the network's reach if none is given, so that memory does not change results.

    Raises:
        UserError: no window fits.
    """
    if not isinstance(network, UNet):
        return Windows(tuple(shape))
    frame = Windows(tuple(shape), network.reach if margin is None else margin, multiple=network.multiple)
    fitting = (free / samples - HELD * math.prod(shape)) / bytes_per_voxel(network)
    choices = [_choices(length, frame) for length in shape]
    fits = [each for each in product(*choices) if math.prod(size for size, _ in each) <= fitting]
    if not fits:
        least = math.prod(min(size for size, _ in each) for each in choices) * bytes_per_voxel(network)
        need = samples * (least + HELD * math.prod(shape)) / 1e9
        raise UserError(f"A volume of {_sizes(shape)} voxels needs {need:.1f} GB of memory; {free / 1e9:.1f} are free.")
    best = min(fits, key=lambda each: math.prod(size * count for size, count in each))
    return replace(frame, size=tuple(size for size, _ in best))


def bytes_per_voxel(network: UNet, number: int = 2) -> float:
    """Peak memory of one evaluation without gradients, a voxel of the window; `number`: bytes of one in the network.

    First float32 channels beside their folded copy, later nine times the first level's activations; and the scaled
    image. Measured on a CPU at 96^3 without that image, in bytes: 67 for the default (width 32, 5 channels given; here
    72), 48, 67 and 144 for widths 16, 32 and 64 (48, 72, 144), 80 for 9 channels given (80), 135 in float32 (144).
    """
    channels, width = 1 + sum(network.given.values()), network.leave.in_channels
    return 4 + max(8 * channels, 9 * width * number / network.fold**3)


def _choices(length: int, frame: Windows) -> list[tuple[int, int]]:
    """Sizes of windows along an axis, with the count that each needs: the least size of every count."""
    found, count = [(_up(length, frame.multiple), 1)], 1
    while found[-1][0] > frame.overlap + frame.multiple:
        count += 1
        size = _up(-(-(length + (count - 1) * frame.overlap) // count), frame.multiple)
        if size < found[-1][0]:
            found.append((size, count))
    return found


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _sizes(shape: Sequence[int]) -> str:
    return " x ".join(str(length) for length in shape)
