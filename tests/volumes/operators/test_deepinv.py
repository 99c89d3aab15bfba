"""deepinv's MRI operators say the same as ours: centred, orthonormal, of volumes whose imaginary part is 0.

deepinv is no dependency (it brings torchvision, whose wheels are built for one torch), so this runs where it is
installed apart. Its data have the real and the imaginary part as channels: (B, 2, X, Y, Z) and (B, 2, C, X, Y, Z).
"""

import pytest
import torch
from torch import Tensor
from volumes.operators.settings import EVEN, ODD, Shape, draw, single_coil, voxels

from scidiff.volumes.operators.coils import ring_maps
from scidiff.volumes.operators.kspace import KSpace

physics = pytest.importorskip("deepinv.physics", reason="the package deepinv is not installed")

EXACT = 1e-5  # of the largest value, in float32


def parts(z: Tensor) -> Tensor:
    """(B, ...) to (B, 2, ...)."""
    return torch.stack([z.real, z.imag if z.is_complex() else torch.zeros_like(z)], 1)


def joined(y: Tensor) -> Tensor:
    return torch.complex(y[:, 0], y[:, 1])


def by_slice(z: Tensor) -> Tensor:
    """(B, C, X, Y, Z) to (B Z, C, X, Y), as deepinv has it for the transform of two axes."""
    return z.movedim(-1, 1).flatten(0, 1)


def same(ours: Tensor, theirs: Tensor) -> bool:
    return ours.shape == theirs.shape and float((ours - theirs).abs().max()) < EXACT * float(theirs.abs().max())


def coils(count: int, shape: Shape) -> Tensor:
    return ring_maps(shape, count) if count > 1 else single_coil(shape)


@pytest.mark.parametrize("shape", [EVEN, ODD])
def test_one_coil_in_three_dimensions(shape):
    ours, theirs = KSpace(voxels(shape)), physics.MRI(mask=voxels(shape).float()[None, None], three_d=True)
    x = draw(shape)
    y = ours(x)
    assert same(y[:, 0], joined(theirs(parts(x[:, 0]))))
    assert same(ours.adjoint(y)[:, 0], theirs.A_adjoint(parts(y[:, 0]))[:, 0])
    assert same(ours.normal(x)[:, 0], theirs.A_adjoint_A(parts(x[:, 0]))[:, 0])


@pytest.mark.parametrize("shape", [EVEN, ODD])
@pytest.mark.parametrize("count", [1, 4])
def test_coils_in_three_dimensions(shape, count):
    mask, maps = voxels(shape), coils(count, shape)
    ours = KSpace(mask, maps=maps)
    theirs = physics.MultiCoilMRI(mask=mask.float()[None, None], coil_maps=maps[None], three_d=True)
    x = draw(shape)
    y = ours(x)
    assert same(y, joined(theirs(parts(x[:, 0]))))
    assert same(ours.adjoint(y)[:, 0], theirs.A_adjoint(parts(y))[:, 0])
    assert same(ours.normal(x)[:, 0], theirs.A_adjoint_A(parts(x[:, 0]))[:, 0])


@pytest.mark.parametrize("shape", [EVEN, ODD])
@pytest.mark.parametrize("count", [1, 4])
def test_coils_slice_by_slice(shape, count):
    """Their 2D operator of every slice is ours over the axes 0 and 1."""
    mask, maps = voxels(shape)[..., :1], coils(count, shape)
    ours = KSpace(mask, (0, 1), maps)
    x = draw(shape)
    theirs = physics.MultiCoilMRI(mask=mask[..., 0].float(), coil_maps=by_slice(maps.expand(len(x), *maps.shape)))
    y, image = ours(x), parts(by_slice(x)[:, 0])
    assert same(by_slice(y), joined(theirs(image)))
    assert same(by_slice(ours.adjoint(y))[:, 0], theirs.A_adjoint(parts(by_slice(y)))[:, 0])
    assert same(by_slice(ours.normal(x))[:, 0], theirs.A_adjoint_A(image)[:, 0])
