"""Filtered back-projection: x = c A'(h * y), h the ramp along the detectors and c what brings a disc back to itself.

h is band-limited, h_0 = 1/4, h_n = -1 / (pi n)^2 for odd n and 0 for even (Ramachandran, Lakshminarayanan 1971,
doi 10.1073/pnas.68.9.2236), so that the mean of the image is kept; Kak, Slaney 1988, chapter 3. For a fan beam y is
first weighed by the cosine of each ray; the distance weight of its back-projection is left out, which is right for a
source far away.
"""

import math

import torch
from torch import Tensor

from scidiff.engine.operator import Operator
from scidiff.store.errors import UserError
from scidiff.volumes.baselines.samples import dot


@torch.no_grad()
def filtered_backprojection(
    y: Tensor, operator: Operator, sigma: float | Tensor = 0.0, lowest: float | None = 0.0
) -> Tensor:
    """Slice by slice.

    Args:
        y: sinograms (B, 1, angles, detectors, slices) of views evenly spread over half a turn, or a whole one.
        operator: a projection, with `pitch`, `fan` and `axis` as Radon has them.
        sigma: not looked at.
        lowest: values below are cut off; none keeps all.

    Returns:
        (B, 1, X, Y, Z) float32.

    Raises:
        UserError: the operator is no projection.
    """
    if not all(hasattr(operator, name) for name in ("pitch", "fan", "axis")):
        raise UserError("Filtered back-projection needs an operator that projects slices.")
    found = operator.adjoint(ramp(weighed(y.float(), operator)))
    disc, inner = _disc(found[:1], operator.axis, 1 / 4), _disc(found[:1], operator.axis, 1 / 6)
    again = operator.adjoint(ramp(weighed(operator(disc), operator)))
    x = dot(inner, disc) / dot(inner, again) * found  # its edge is blurred, its inside is not
    return x if lowest is None else x.clamp(min=lowest)


def ramp(y: Tensor) -> Tensor:
    """h * y along the detectors, padded so that nothing wraps around."""
    bins = y.shape[-2]
    length = 2 ** math.ceil(math.log2(max(2 * bins, 2)))
    n = torch.fft.fftfreq(length, 1 / length, device=y.device)
    h = torch.where(n % 2 == 1, -1 / (math.pi * n).square().clamp(min=1), 0.0)
    h[0] = 0.25
    spectrum = torch.fft.rfft(y, length, dim=-2) * torch.fft.rfft(h).real[:, None]
    return torch.fft.irfft(spectrum, length, dim=-2)[..., :bins, :]


def weighed(y: Tensor, operator: Operator) -> Tensor:
    """Each ray by the cosine of its angle to the central one; parallel rays as they are."""
    if operator.fan is None:
        return y
    bins = y.shape[-2]
    offset = (torch.arange(bins, device=y.device) - (bins - 1) / 2) * operator.pitch
    return y * (operator.fan.detector / torch.hypot(offset, torch.tensor(operator.fan.detector)))[:, None]


def _disc(like: Tensor, axis: int, share: float) -> Tensor:
    """1 within a radius of so much of a slice's shorter side, with an edge two pixels wide: (1, 1, X, Y, Z)."""
    first, second = (size for other, size in enumerate(like.shape[2:]) if other != axis)
    u, v = (torch.arange(size, device=like.device) - (size - 1) / 2 for size in (first, second))
    radius = torch.hypot(u[:, None], v[None])
    disc = ((share * min(first, second) - radius) / 2 + 0.5).clamp(0, 1)
    return disc.unsqueeze(axis).expand(like.shape).contiguous()
