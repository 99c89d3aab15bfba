"""Slice-wise X-ray projection: y = R x, with R a sparse matrix built once and applied to all slices at once."""

import functools
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from scidiff.engine.operator import Operator
from scidiff.store.errors import UserError
from scidiff.volumes.operators.check import by, check_shape
from scidiff.volumes.operators.footprint import Fan, Geometry, entries


@dataclass(frozen=True)
class Radon(Operator):
    """Volumes (B, 1, X, Y, Z) to sinograms (B, 1, angles, detectors, slices); for `fan` see `Fan`.

    y is the line integral averaged over each detector, in units of x times those of `spacing`.

    Args:
        shape: sizes of the two axes of a slice, in order.
        angles: of the views, in degrees; 0 projects along the slice's second axis.
        detectors: bins of a view; enough to see the whole slice when not given.
        pitch: width of a bin, at the detector.
        spacing: sizes of a voxel along the two axes.
        fan: source and detector of a fan beam; parallel rays when not given.
        axis: the axis of the slices.

    Raises:
        UserError: no angles, a size that is not above 0, a fan whose source is inside the slice; (when used) a volume
            of another shape, a sinogram whose angles or detectors do not match.
    """

    shape: tuple[int, int]
    angles: tuple[float, ...]
    detectors: int | None = None
    pitch: float = 1.0
    spacing: tuple[float, float] = (1.0, 1.0)
    fan: Fan | None = None
    axis: int = 2

    def __post_init__(self) -> None:
        if not self.angles:
            raise UserError("A projection needs at least one angle.")
        if self.fan and not self.fan.source > self.geometry.radius:
            raise UserError(f"The source, {self.fan.source:g} from the centre, must be outside the slice.")
        if not min(*self.shape, *self.spacing, self.pitch, self.bins) > 0:
            raise UserError("Sizes, spacings, the detectors' number and their pitch must be above 0.")

    @property
    def geometry(self) -> Geometry:
        """All that the matrix depends on, but for the detectors' number."""
        return Geometry(self.shape, tuple(self.angles), self.pitch, self.spacing, self.fan)

    @property
    def bins(self) -> int:
        """Detectors of a view."""
        return self.geometry.enough if self.detectors is None else self.detectors

    def __call__(self, x: Tensor) -> Tensor:
        slices = x.movedim(self.axis - 3, -1)
        check_shape(slices[..., 0], self.shape, "slice")
        return self._apply(slices, transposed=False, shape=(len(self.angles), self.bins))

    def adjoint(self, y: Tensor) -> Tensor:
        """R^T y: plain back-projection."""
        if tuple(y.shape[-3:-1]) != (len(self.angles), self.bins):
            raise UserError(
                f"The sinogram is {by(y.shape[-3:-1])}, not {len(self.angles)} angles x {self.bins} detectors."
            )
        return self._apply(y, transposed=True, shape=self.shape).movedim(-1, self.axis - 3)

    def _apply(self, values: Tensor, transposed: bool, shape: tuple[int, int]) -> Tensor:
        """The matrix on (B, 1, N, M, slices), every slice of every sample a column."""
        batch, count = len(values), values.shape[-1]
        columns = values.reshape(batch, -1, count).transpose(0, 1).reshape(-1, batch * count)
        matrix = matrices(self.geometry, self.bins, str(values.device))[transposed]
        result = matrix @ columns.to(matrix.dtype)
        return result.reshape(-1, batch, count).transpose(0, 1).reshape(batch, 1, *shape, count).to(values.dtype)


def views(count: int, span: float = 180.0) -> tuple[float, ...]:
    """`count` angles evenly over `span` degrees: 180 for parallel rays, 360 for a fan.

    Raises:
        UserError: fewer than one.
    """
    if count < 1:
        raise UserError(f"A projection needs at least one view, not {count}.")
    return tuple(span * index / count for index in range(count))


@functools.lru_cache(maxsize=4)
@torch.inference_mode(mode=False)  # kept: training may follow sampling
def matrices(geometry: Geometry, bins: int, device: str) -> tuple[Tensor, Tensor]:
    """R (angles x bins, pixels) and its transpose, both CSR, float32 with 32-bit indices."""
    rows, columns, weights = (torch.cat(parts) for parts in zip(*entries(geometry, bins), strict=True))
    sizes = (len(geometry.angles) * bins, geometry.shape[0] * geometry.shape[1])
    forward = _csr(rows, columns, weights, sizes)
    order = columns.argsort(stable=True)
    backward = _csr(columns[order], rows[order], weights[order], (sizes[1], sizes[0]))
    return forward.to(device), backward.to(device)


def _csr(rows: Tensor, columns: Tensor, weights: Tensor, sizes: tuple[int, int]) -> Tensor:
    """A CSR matrix from entries sorted by row."""
    ends = torch.bincount(rows, minlength=sizes[0]).cumsum(0)
    starts = torch.nn.functional.pad(ends, (1, 0)).int()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(starts, columns.int(), weights.float(), sizes, check_invariants=False)
