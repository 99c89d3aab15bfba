"""Facts about single methods that no comparison in decibels would show."""

import numpy as np
import pytest
import torch
from skimage.restoration import inpaint_biharmonic
from volumes.baselines.problems import SHAPE, lesion, observe, truth

from scidiff.engine.operator import Operator
from scidiff.store.errors import UserError
from scidiff.volumes.baselines.backprojection import filtered_backprojection, ramp
from scidiff.volumes.baselines.filling import biharmonic, normalised_convolution
from scidiff.volumes.baselines.interpolation import consistent_cubic, cubic
from scidiff.volumes.baselines.leastsquares import cgls, sirt
from scidiff.volumes.operators import Identity, Mask, Radon, Resample
from scidiff.volumes.operators.footprint import Fan
from scidiff.volumes.operators.mask import slices
from scidiff.volumes.operators.radon import views


class Dense(Operator):
    """A matrix on volumes of 2 x 3 x 2 voxels."""

    def __init__(self, matrix: torch.Tensor) -> None:
        self.matrix = matrix

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ self.matrix.T

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return (y @ self.matrix).reshape(-1, 1, 2, 3, 2)


def ramp_of(x: torch.Tensor) -> torch.Tensor:
    i, j, k = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in x), indexing="ij")
    return (2 * i - 3 * j + 0.5 * k + 10)[None, None]


@pytest.mark.parametrize("method", [cubic, consistent_cubic])
@pytest.mark.parametrize("factors", [(2.0, 2.0, 2.0), (1.0, 1.0, 4.0), (1.0, 3.0, 1.5)])
def test_cubic_of_a_ramp_is_the_ramp(factors, method):
    """Away from the borders, where half a coarse voxel's shift would err by 0.25. Borders decay by 0.27 a cell."""
    shape = (40, 48, 44)
    x, operator = ramp_of(torch.tensor(shape)), Resample(shape, factors)
    inner = (..., slice(14, -14), slice(18, -18), slice(16, -16))
    assert (method(operator(x), operator) - x)[inner].abs().max() < 0.01


def test_consistent_cubic_explains_what_was_seen():
    operator = Resample(SHAPE, (2.0, 2.0, 1.0))
    y = operator(truth())
    missing = [
        float((operator(method(y, operator)) - y).square().mean().sqrt()) for method in (cubic, consistent_cubic)
    ]
    assert missing[1] < 1e-4 < 1e-3 < missing[0]


def test_least_squares_reach_the_dense_answer():
    matrix = torch.randn(20, 12, generator=torch.Generator().manual_seed(0))
    y = torch.randn(2, 20, generator=torch.Generator().manual_seed(1))
    exact = torch.linalg.lstsq(matrix, y.T).solution.T.reshape(2, 1, 2, 3, 2)
    assert (cgls(y, Dense(matrix), 0.0, steps=30) - exact).abs().max() < 1e-4
    positive, inside = matrix.abs(), torch.rand(2, 1, 2, 3, 2, generator=torch.Generator().manual_seed(2))
    found = sirt(Dense(positive)(inside), Dense(positive), 0.0, steps=3000)
    assert (found - inside).abs().max() < 0.02


@pytest.mark.parametrize("method", [cgls, sirt])
def test_they_stop_at_the_noise(method):
    """|A x - y| is about sigma sqrt(m), not less by more than a step."""
    operator, sigma = Radon(SHAPE[:2], views(30)), 0.5
    y = observe(operator, sigma, truth())
    residual = (operator(method(y, operator, sigma, steps=200)) - y).square().mean().sqrt() / sigma
    assert 0.85 < residual < 1.0


def test_the_ramp_filter_has_no_mean():
    """A constant sinogram holds no edges but its ends: its middle filters to almost nothing."""
    y = torch.ones(1, 1, 2, 257, 3)
    assert ramp(y)[..., 128, :].abs().max() < 2e-3
    point = torch.zeros(1, 1, 1, 9, 1)
    point[..., 4, :] = 1
    wanted = torch.tensor([0, -0.011258, 0, -0.101321, 0.25, -0.101321, 0, -0.011258, 0])
    assert torch.allclose(ramp(point)[0, 0, 0, :, 0], wanted, atol=1e-5)


@pytest.mark.parametrize("fan", [None, Fan(400.0, 800.0)])
@pytest.mark.parametrize("axis", [0, 2])
def test_backprojection_has_the_right_scale_and_place(fan, axis):
    """A disc beside the centre, of 0.7, from many views: 1 % in the mean within it, nothing far from it."""
    u, v = torch.meshgrid(torch.arange(48.0), torch.arange(40.0), indexing="ij")
    off = torch.hypot(u - 30, v - 15)
    x = (0.7 * (off < 7).float()).unsqueeze(axis).expand([48, 40, 3] if axis == 2 else [3, 48, 40])[None, None]
    operator = Radon((48, 40), views(120, 360 if fan else 180), fan=fan, pitch=2.0 if fan else 1.0, axis=axis)
    found = filtered_backprojection(operator(x), operator).squeeze().mean(axis)
    assert found[off < 5].mean() == pytest.approx(0.7, rel=0.01 if fan is None else 0.04)
    assert found[off > 12].abs().mean() < 0.01


def test_normalised_convolution_keeps_constants_and_fills_the_widest_hole():
    kept = torch.zeros(40, 12, 12, dtype=torch.bool)
    kept[:3] = True
    x = torch.full((1, 1, 40, 12, 12), 0.4)
    assert (normalised_convolution(Mask(kept)(x), Mask(kept)) - x).abs().max() < 1e-5


def test_biharmonic_is_scikit_images():
    """A hole away from the faces, where the two treat the Laplacian alike."""
    kept = lesion()
    y = Mask(kept)(truth())
    theirs = inpaint_biharmonic(y[0, 0].double().numpy(), ~kept.numpy())
    assert np.abs(biharmonic(y, Mask(kept))[0, 0].numpy() - theirs).max() < 0.01


def test_biharmonic_across_slices_is_cubic():
    """A cubic along the axis comes back from every second slice, away from the ends."""
    z = torch.linspace(-1, 1, 41)
    x = (z**3 - 0.5 * z + 0.2).expand(1, 1, 5, 6, 41)
    operator = slices((5, 6, 41), list(range(0, 41, 2)))
    assert (biharmonic(operator(x), operator) - x)[..., 8:-8].abs().max() < 1e-3


@pytest.mark.parametrize(("method", "needs"), [(cubic, "resamples"), (filtered_backprojection, "projects")])
def test_the_wrong_operator_is_refused(method, needs):
    with pytest.raises(UserError, match=needs):
        method(truth(), Identity(), 0.1)
