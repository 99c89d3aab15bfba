"""What share of a pixel each detector sees: separable footprints, for parallel rays and fan beams alike.

A pixel's shadow on the detector is a trapezoid with its four projected corners as vertices and, as height, the length
of the central ray within it. An entry of the matrix is the trapezoid's mean over one detector. For parallel rays this
is exact: each view sees the pixel's whole mass.
Long, Fessler, Balter 2010 (doi 10.1109/TMI.2010.2050898), the fan-beam case.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Fan:
    """A point source and a flat detector on either side of the slice's centre, turning around it.

    Args:
        source: from the source to the centre, in the units of the spacing.
        detector: from the source to the detector.
    """

    source: float
    detector: float


@dataclass(frozen=True)
class Geometry:
    """Pixels and rays; the arguments are those of `Radon`."""

    shape: tuple[int, int]
    angles: tuple[float, ...]
    pitch: float
    spacing: tuple[float, float]
    fan: Fan | None

    @property
    def radius(self) -> float:
        """From the centre of the slice to its corners."""
        return math.hypot(*(n * h for n, h in zip(self.shape, self.spacing, strict=True))) / 2

    @property
    def enough(self) -> int:
        """Detectors that see the whole slice in every view."""
        reach = self.radius
        if self.fan:
            reach *= self.fan.detector / math.sqrt(self.fan.source**2 - reach**2)
        return 2 * math.ceil(reach / self.pitch) + 1


def entries(geometry: Geometry, bins: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Rows (view x bins + bin), columns (pixels) and weights of the matrix, view by view, sorted by row."""
    for view, angle in enumerate(geometry.angles):
        vertices, height = shadow(geometry, math.radians(angle))
        bin_, pixel, weight = seen(vertices / geometry.pitch + bins / 2, height)
        inside = (bin_ >= 0) & (bin_ < bins) & (weight > 0)
        bin_, pixel, weight = bin_[inside], pixel[inside], weight[inside]
        order = bin_.argsort(stable=True)
        yield view * bins + bin_[order], pixel[order], weight[order]


def shadow(geometry: Geometry, angle: float) -> tuple[Tensor, Tensor]:
    """The trapezoids of all pixels: vertices (4, P), ascending, on the detector; heights (P,)."""
    centre = _centres(geometry)
    half = torch.tensor(geometry.spacing, dtype=torch.float64) / 2
    corners = torch.stack([centre + half * torch.tensor([i, j]) for i in (-1, 1) for j in (-1, 1)])
    across = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    along = torch.tensor([-math.sin(angle), math.cos(angle)], dtype=torch.float64)
    place, ray = corners @ across, along.expand_as(centre)
    if geometry.fan:
        place = geometry.fan.detector * place / (geometry.fan.source + corners @ along)
        ray = centre + geometry.fan.source * along
        ray = ray / ray.norm(dim=-1, keepdim=True)
    return place.sort(0).values, (2 * half / ray.abs()).amin(-1)


def seen(vertices: Tensor, height: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bin (integer edges), pixel and mean of the trapezoid over the bin, for all bins that a shadow may touch."""
    first = vertices[0].floor()
    width = int((vertices[3] - first).max().ceil())
    edges = first + torch.arange(width + 1, dtype=torch.float64)[:, None]
    weight = height * _below(edges, vertices).diff(dim=0)
    bin_ = edges[:-1].long()
    pixel = torch.arange(len(height)).expand_as(bin_)
    return bin_.flatten(), pixel.flatten(), weight.flatten()


def _below(u: Tensor, vertices: Tensor) -> Tensor:
    """The integral up to u of the trapezoid of height 1."""
    a, b, c, d = vertices
    rise = (u.clamp(a, b) - a) ** 2 / (2 * (b - a)).clamp(min=1e-12)
    fall = (d - c) / 2 - (d - u.clamp(c, d)) ** 2 / (2 * (d - c)).clamp(min=1e-12)
    return rise + u.clamp(b, c) - b + fall


def _centres(geometry: Geometry) -> Tensor:
    """(P, 2) pixel centres, the slice's centre at 0."""
    x, y = (
        (torch.arange(n, dtype=torch.float64) - (n - 1) / 2) * h
        for n, h in zip(geometry.shape, geometry.spacing, strict=True)
    )
    return torch.cartesian_prod(x, y)
