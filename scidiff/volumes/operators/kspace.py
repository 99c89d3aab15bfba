"""Cartesian MRI: y = M F S x, with coil maps S, the orthonormal centred Fourier transform F and a sampling mask M.

The centre of k-space is index n // 2 of every transformed axis. With F over all three axes this is a 3D acquisition,
over two it is slice by slice.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from scidiff.engine.operator import Operator
from scidiff.store.errors import UserError
from scidiff.volumes.operators.check import by, check_fits, check_mask

SLAB = 2**18  # voxels whose transform fits into a core's cache


@dataclass(frozen=True, eq=False)
class KSpace(Operator):
    """Real volumes (B, 1, X, Y, Z) to k-space (B, C, X, Y, Z), complex, zero where not sampled; C = 1 without maps.

    A^T y = sum_c Re(conj(S_c) F^-1 M y_c): the volume is real, so the maps carry the phase of the image.

    Args:
        mask: bool, true where sampled; broadcasts to (X, Y, Z) or (B, 1, X, Y, Z).
        axes: transformed axes among 0, 1, 2.
        maps: complex coil sensitivities (C, X, Y, Z) or (B, C, X, Y, Z); exp(i phase) as one map for a single coil.

    Raises:
        UserError: no mask, or one that samples nothing; axes out of range; (when used) data, mask or maps of other
            shapes.
    """

    mask: Tensor
    axes: tuple[int, ...] = (0, 1, 2)
    maps: Tensor | None = None

    def __post_init__(self) -> None:
        if self.mask is None:
            raise UserError("K-space needs its sampling mask: give the mask of the lines that were acquired.")
        check_mask(self.mask, "sampling mask")
        if not self.axes or not set(self.axes) <= {0, 1, 2} or len(set(self.axes)) < len(self.axes):
            raise UserError(f"K-space is transformed along some of the axes 0, 1 and 2, not {self.axes}.")
        if self.maps is not None and not (self.maps.is_complex() and self.maps.dim() in (4, 5)):
            raise UserError(f"Coil maps are complex, coils x X x Y x Z, not {self.maps.dtype} {by(self.maps.shape)}.")

    @property
    def acceleration(self) -> float:
        """All of k-space over what was sampled of it."""
        return self.mask.numel() / int(self.mask.sum())

    def __call__(self, x: Tensor) -> Tensor:
        self._check(x, coils=1)
        return self.mask.to(x.device) * fourier(self._maps(x) * x, self.axes)

    def adjoint(self, y: Tensor) -> Tensor:
        """sum_c Re(conj(S_c) F^-1 M y_c)."""
        self._check(y, coils=1 if self.maps is None else self.maps.shape[-4])
        images = inverse_fourier(self.mask.to(y.device) * y, self.axes)
        return self._combine(images)

    def normal(self, x: Tensor) -> Tensor:
        """A^T A x: F^-1 M F is a circular convolution along the axes where the mask varies, and nothing along others.

        Coil by coil and, where an axis is left, slab by slab of it, so that all of this happens in the cache.
        """
        self._check(x, coils=1)
        mask, axes = _varying(self.mask.to(x.device), self.axes)
        slabs = [_normal(*slab, axes) for slab in _slabs(axes, x, mask, self._maps(x))]
        return torch.cat(slabs, _free(axes)) if len(slabs) > 1 else slabs[0]

    def count(self, y: Tensor) -> int:
        """Sampled points of all coils of a sample."""
        return round(float(self.mask.double().mean()) * y[0].numel())

    def _maps(self, like: Tensor) -> Tensor:
        if self.maps is None:
            return torch.ones((), dtype=torch.complex64, device=like.device)
        return self.maps.to(like.device)

    def _combine(self, images: Tensor) -> Tensor:
        return _real(self._maps(images), images).sum(1, keepdim=True)

    def _check(self, values: Tensor, coils: int) -> None:
        if values.dim() != 5 or values.shape[1] != coils:
            raise UserError(f"Data of {by(values.shape)} were given where B x {coils} x X x Y x Z is expected.")
        check_fits(self.mask, values.shape, "sampling mask")
        if self.maps is not None and self.maps.shape[-3:] != values.shape[-3:]:
            raise UserError(f"The coil maps have the shape {by(self.maps.shape)}, the data {by(values.shape)}.")


def fourier(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The orthonormal centred transform over some of the last three axes."""
    dims = [axis - 3 for axis in axes]
    return torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(x, dims), dim=dims, norm="ortho"), dims)


def inverse_fourier(y: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Its inverse and adjoint."""
    dims = [axis - 3 for axis in axes]
    return torch.fft.fftshift(torch.fft.ifftn(torch.fft.ifftshift(y, dims), dim=dims, norm="ortho"), dims)


def _normal(x: Tensor, mask: Tensor, maps: Tensor, axes: list[int]) -> Tensor:
    """Re sum_c conj(S_c) F^-1 M F S_c x, the mask's centre first."""
    total = torch.zeros_like(x, dtype=maps.dtype)
    for coil in maps.split(1, -4) if maps.dim() else [maps]:
        spectrum = torch.fft.fftn(coil * x, dim=axes).mul_(mask)
        total.addcmul_(coil.conj(), torch.fft.ifftn(spectrum, dim=axes))
    return total.real


def _free(axes: list[int]) -> int:
    """The first axis that is not among these, the last if all are."""
    return next((axis for axis in (-3, -2) if axis not in axes), -1)


def _slabs(axes: list[int], *tensors: Tensor) -> Iterator[list[Tensor]]:
    """Pieces of the free axis, of about SLAB voxels of the first tensor; what does not change along it stays whole."""
    free, like = _free(axes), tensors[0]
    size = like.shape[free]
    step = size if free in axes else max(1, SLAB * size // like.numel())
    for start in range(0, size, step):
        length = min(step, size - start)
        yield [t if t.dim() < -free or t.shape[free] == 1 else t.narrow(free, start, length) for t in tensors]


def _real(maps: Tensor, images: Tensor) -> Tensor:
    """Re(conj(S) z)."""
    return (maps.real * images.real).addcmul_(maps.imag, images.imag)


def _varying(mask: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, list[int]]:
    """The mask, centre first along those of the axes where it varies and of size 1 along the others; and the first."""
    left = []
    for axis in (axis - 3 for axis in axes if axis - 3 >= -mask.dim()):
        first = mask.narrow(axis, 0, 1)
        if bool((mask == first).all()):
            mask = first
        else:
            mask, left = torch.fft.ifftshift(mask, axis), [*left, axis]
    return mask, left
