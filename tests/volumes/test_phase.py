"""The phase of an image that no window over the centre of k-space resolves."""

import math

import pytest
import torch
from volumes.test_measured import PLANE, quality, save, truth

from scidiff.engine.noise import Noise
from scidiff.volumes.measured import phase, read_kspace
from scidiff.volumes.operators.coils import phase_map, ring_maps
from scidiff.volumes.operators.kspace import fourier
from scidiff.volumes.operators.noise import gaussian
from scidiff.volumes.operators.sampling import sampling


def jumping() -> torch.Tensor:
    """Radians: a slow phase, and two more in a disc, as flow and fat have it."""
    y, z = torch.meshgrid(torch.linspace(-1, 1, PLANE[1]), torch.linspace(-1, 1, PLANE[2]), indexing="ij")
    return phase_map((*PLANE[1:], 1), seed=2, strength=0.5).reshape(PLANE) + 2.0 * (y**2 + (z - 0.2) ** 2 < 0.15)


@pytest.fixture
def path(tmp_path):
    """Eight coils, a third of the lines."""
    maps = ring_maps((*PLANE[1:], 1), 8).reshape(8, *PLANE)
    mask = sampling(PLANE, 3, (1,), centre=0.25).expand(PLANE)
    y = fourier(maps * torch.polar(truth(PLANE), jumping()), (1, 2))
    y = mask * gaussian(y[None], 20.0, Noise.of(1, torch.arange(1)))[0]
    return save(tmp_path, kspace=y, mask=mask, axes=[1, 2])


def test_the_phase_of_every_voxel_is_taken_where_it_predicts_better(path, monkeypatch):
    finest = read_kspace(path)
    monkeypatch.setattr(phase, "FINER", (2, 4))
    windowed = read_kspace(path)
    assert finest.notes[-1].endswith("more finely from all of k-space.")
    assert quality(finest, "mri", truth(PLANE)) > quality(windowed, "mri", truth(PLANE)) + 1


def test_turning_by_the_image_makes_it_real():
    """sum conj(S) S e^{i angle z} z is |z|."""
    z = torch.polar(truth(PLANE), jumping())
    maps = ring_maps((*PLANE[1:], 1), 8).reshape(8, *PLANE)
    turned = phase.turned(maps, z, (1, 2), (1, 24, 24), math.inf)
    assert torch.allclose((turned.conj() * (maps * z)).sum(0), z.abs() + 0j, rtol=1e-4, atol=1e-2)
