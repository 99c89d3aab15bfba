"""What operators do to volumes whose scan is known: constants, ramps, discs, plane waves."""

import math

import pytest
import torch
from volumes.heads import head
from volumes.operators.settings import draw

from scidiff.volumes.operators.coils import calibrated, estimate_maps, phase_map, ring_maps
from scidiff.volumes.operators.footprint import Fan
from scidiff.volumes.operators.kspace import KSpace, fourier
from scidiff.volumes.operators.mask import slices
from scidiff.volumes.operators.radon import Radon, views
from scidiff.volumes.operators.resample import Resample, coarse_size, profile_matrix
from scidiff.volumes.operators.sampling import sampling

FULL = torch.ones(1, 1, 1, dtype=torch.bool)


@pytest.mark.parametrize("profile", ["box", "gaussian"])
@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 1, 4), (2.5, 1.7, 3)])
def test_a_constant_stays_constant(profile, factors):
    shape = (20, 17, 24)
    y = Resample(shape, factors, profile)(torch.full((1, 1, *shape), 3.0))
    assert torch.allclose(y, torch.tensor(3.0), rtol=1e-6)


@pytest.mark.parametrize("profile", ["box", "gaussian"])
@pytest.mark.parametrize("factor", [1.5, 2, 3, 4.2])
def test_coarse_voxels_lie_where_the_grid_says(profile, factor):
    """A ramp is seen at the centres of the coarse voxels, away from the ends.

    A box that ends within a voxel takes that voxel's value for its whole share: off by at most an eighth of a voxel.
    """
    operator = Resample((60, 1, 1), (factor, 1, 1), profile)
    y = operator(torch.arange(60.0).reshape(1, 1, 60, 1, 1)).flatten()
    place = operator.grid[0, 0] * torch.arange(len(y)) + operator.grid[0, 3]
    slack = 0.126 if profile == "box" and factor % 1 else 1e-4
    assert torch.allclose(y[4:-4], place[4:-4].float(), atol=slack)
    assert abs(float((y - place)[4:-4].mean())) < 0.01
    assert torch.allclose(operator.grid[0, 3] + operator.grid[0, 0] * (len(y) - 1) / 2, torch.tensor(29.5).double())
    assert all(coarse_size(round(count * factor), factor) == count for count in range(1, 200))


@pytest.mark.parametrize("width", [2.0, 3.0, 5.0])
def test_the_slice_profile_has_its_thickness(width):
    """Its mass is one; its variance that of the profile and, for the Gaussian, of a voxel."""
    place = torch.arange(80, dtype=torch.float64) - 39.5
    for profile in ("box", "gaussian"):
        variance = width**2 / (8 * math.log(2)) + 1 / 12
        row = profile_matrix(80, 2.0, width, profile)[20]  # centred on a voxel's edge
        centre = (row * place).sum()
        assert abs(row.sum() - 1) < 1e-12 and abs(centre - 1.0) < 1e-9
        exact = variance if profile == "gaussian" else _box_on_voxels(width)
        assert abs((row * (place - centre) ** 2).sum() / exact - 1) < 1e-5


def _box_on_voxels(width: float) -> float:
    """Variance of a centred box summed over voxels whose edges include its centre."""
    inner = int(width / 2)
    rest = width / 2 - inner
    squares = sum((i + 0.5) ** 2 for i in range(inner)) + rest * (inner + 0.5) ** 2
    return 2 * squares / width


def test_whole_factors_are_block_means():
    x = draw((8, 6, 4))
    blocks = x.unfold(2, 2, 2).unfold(3, 2, 2).unfold(4, 2, 2).mean((-1, -2, -3))
    assert torch.allclose(Resample((8, 6, 4), (2, 2, 2))(x), blocks, atol=1e-6)


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 1), (2,)])
@pytest.mark.parametrize("shape", [(8, 6, 5), (7, 9, 4)])
def test_the_transform_is_unitary_and_centred(axes, shape):
    x = draw(shape)
    operator = KSpace(FULL, axes)
    assert torch.allclose(operator(x).abs().square().sum(), x.square().sum(), rtol=1e-5)
    assert torch.allclose(operator.adjoint(operator(x)), x, atol=1e-5)
    constant = fourier(torch.ones(1, 1, *shape), axes)[0, 0]
    middle = tuple(shape[a] // 2 if a in axes else 0 for a in range(3))
    assert abs(float(constant[middle].abs()) - math.prod(shape[a] for a in axes) ** 0.5) < 1e-4
    wave = torch.arange(shape[axes[0]]) - shape[axes[0]] // 2
    wave = torch.polar(torch.ones(len(wave)), 2 * math.pi * wave / len(wave)).reshape(
        [-1 if a == axes[0] else 1 for a in range(3)]
    )
    spectrum = fourier(wave.expand(1, 1, *shape), axes)[0, 0].abs()
    peak = [shape[a] // 2 + (a == axes[0]) if a in axes else 0 for a in range(3)]
    assert spectrum[tuple(peak)] == spectrum.max()


@pytest.mark.parametrize("acceleration", [1, 2, 3.3, 4, 8])
@pytest.mark.parametrize(("axes", "pattern"), [((1,), "random"), ((0,), "equispaced"), ((0, 1), "random")])
def test_the_acceleration_is_the_real_one(acceleration, axes, pattern):
    shape = (64, 60, 20)
    mask = sampling(shape, acceleration, axes, pattern)
    lines = math.prod(shape[a] for a in axes)
    assert int(mask.sum()) == round(lines / acceleration)
    assert KSpace(mask).acceleration == lines / round(lines / acceleration)
    block = calibrated(mask.expand(shape), axes, 64)
    share = math.prod(block[a] / shape[a] for a in axes)
    assert share > 0.8 * 0.32 / acceleration - 1 / min(shape[a] for a in axes)
    assert torch.equal(mask, sampling(shape, acceleration, axes, pattern))


def test_random_lines_are_denser_at_the_centre_and_equispaced_ones_even():
    random = torch.stack([sampling((1, 100, 1), 4, seed=s, centre=0.01).flatten() for s in range(50)]).double().mean(0)
    assert random[30:70].mean() > 2 * random[:20].mean() and abs(random[:50].sum() - random[50:].sum()) < 3
    lines = sampling((1, 240, 1), 4, pattern="equispaced", seed=1).flatten().nonzero().flatten()
    for outside in (lines[lines < 110].diff(), lines[lines > 130].diff()):
        assert outside.max() - outside.min() <= 1


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float, fine: int = 8) -> torch.Tensor:
    """A disc of ones (1, 1, X, Y, 1), pixels at its edge in proportion."""
    x, y = (((torch.arange(n * fine) + 0.5) / fine - n / 2) for n in shape)
    inside = ((x[:, None] - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2).float()
    return torch.nn.functional.avg_pool2d(inside[None], fine)[None, :, :, :, None]


@pytest.mark.parametrize("fan", [None, Fan(90.0, 140.0)], ids=["parallel", "fan"])
def test_a_disc_projects_to_its_chords(fan):
    """2 sqrt(r^2 - d^2), d the distance of the centre from the ray, within 2 % where it is long."""
    centre, radius, angles = (7.0, -5.0), 18.0, views(9, 360)
    operator = Radon((64, 60), angles, fan=fan, pitch=fan.detector / fan.source if fan else 1.0)
    y = operator(disc((64, 60), centre, radius))[0, 0, :, :, 0]
    u = (torch.arange(operator.bins) - (operator.bins - 1) / 2) * operator.pitch
    for view, angle in enumerate(angles):
        across, along = (torch.tensor([math.cos(a), math.sin(a)]) for a in map(math.radians, (angle, angle + 90)))
        source = u[:, None] * across if fan is None else -fan.source * along.expand(len(u), 2)
        ray = along.expand(len(u), 2) if fan is None else fan.detector * along + u[:, None] * across
        ray = ray / ray.norm(dim=1, keepdim=True)
        offset = torch.tensor(centre) - source
        distance = offset[:, 0] * ray[:, 1] - offset[:, 1] * ray[:, 0]
        chord = 2 * (radius**2 - distance**2).clamp(min=0).sqrt()
        long = chord > 1.2 * radius
        assert long.sum() > 20 and (y[view] / chord - 1).abs()[long].max() < 0.02
        assert y[view][distance.abs() > radius + 2].abs().max() < 1e-6


def test_every_view_of_parallel_rays_sees_the_whole_mass():
    x = draw((11, 14, 3)).abs()
    operator = Radon((11, 14), views(17), pitch=0.7, spacing=(1.5, 0.9))
    mass = operator(x).sum(3) * 0.7
    assert torch.allclose(mass, (x.sum((2, 3)) * 1.5 * 0.9)[:, :, None].expand_as(mass), rtol=1e-5)


def test_along_the_axes_projections_are_sums():
    x = draw((8, 6, 3))
    assert torch.allclose(Radon((8, 6), (0.0,), detectors=8)(x)[:, :, 0], x.sum(3), atol=1e-5)
    assert torch.allclose(Radon((8, 6), (90.0,), detectors=6)(x)[:, :, 0], x.sum(2), atol=1e-5)


def test_a_far_source_is_parallel():
    x = draw((9, 9, 2))
    parallel, fan = (Radon((9, 9), views(7), detectors=15, fan=f) for f in (None, Fan(1e5, 1e5)))
    assert torch.allclose(parallel(x), fan(x), atol=1e-2)


def test_the_matrix_is_built_once():
    from scidiff.volumes.operators.radon import matrices

    before = matrices.cache_info().misses
    for _ in range(3):
        Radon((5, 6), views(4))(draw((5, 6, 2)))
    assert matrices.cache_info().misses == before + 1


def test_slices_are_whole():
    seen = slices((4, 5, 6), [0, 5], axis=2)(torch.ones(1, 1, 4, 5, 6))
    assert torch.equal(seen[0, 0].sum((0, 1)), torch.tensor([20.0, 0, 0, 0, 0, 20.0]))


@pytest.mark.parametrize("axes", [(0, 1), (0, 1, 2)])
def test_maps_are_found_in_the_calibrated_centre(axes):
    """On a smooth head, x4, the estimated maps agree with the true ones and make the data's own volume consistent."""
    shape = (48, 44, 12)
    x = torch.from_numpy(head(shape))[None, None] + 0.2
    phase = torch.polar(torch.ones(shape), phase_map(shape, 1, 0.3))
    maps = ring_maps(shape, 6) * phase
    mask = sampling(shape, 3, (0,) if axes == (0, 1) else (0, 1), centre=0.25)
    operator = KSpace(mask, axes, maps)
    found = estimate_maps(operator(x), mask, axes)
    assert found.shape == (1, 6, *shape)
    assert torch.allclose(found.abs().square().sum(1), torch.tensor(1.0), atol=1e-4)
    inside = head(shape) > 0.3
    error = (found[0] - maps).abs().square().sum(0).sqrt()[torch.from_numpy(inside)]
    assert error.median() < 0.1
    again = KSpace(mask, axes, found)(x)
    assert (again - operator(x)).norm() < 0.15 * operator(x).norm()
