"""Noise has the level it was given, and the estimates find it again within 5 %."""

import pytest
import torch
from volumes.heads import head

from scidiff.engine.noise import Noise
from scidiff.store.errors import UserError
from scidiff.volumes.operators.noise import background_noise, gaussian, noise_level, rician


def noise(seed: int = 0, count: int = 1) -> Noise:
    return Noise.of(seed, torch.arange(count))


def volume(shape=(64, 68, 60)) -> torch.Tensor:
    return torch.from_numpy(head(shape))[None, None]


def test_gaussian_noise_has_its_deviation():
    zeros = torch.zeros(1, 1, 40, 40, 40)
    assert abs(gaussian(zeros, 0.3, noise()).std() / 0.3 - 1) < 4 / (2 * 64000) ** 0.5
    drawn = gaussian(zeros.to(torch.complex64), 0.3, noise())
    for part in (drawn.real, drawn.imag):
        assert abs(part.square().mean() / (0.3**2 / 2) - 1) < 4 * (2 / 64000) ** 0.5
    assert abs((drawn.real * drawn.imag).mean()) < 4 * 0.045 / 64000**0.5


def test_rician_noise_has_its_moments():
    """E m^2 = x^2 + 2 sigma^2; in air Rayleigh, of mean sigma sqrt(pi / 2)."""
    for x in (0.0, 0.5):
        drawn = rician(torch.full((1, 1, 40, 40, 40), x), 0.3, noise()).double()
        assert drawn.min() >= 0
        assert abs(drawn.square().mean() - (x**2 + 2 * 0.09)) < 4 * drawn.square().std() / 64000**0.5
    air = rician(torch.zeros(1, 1, 40, 40, 40), 0.3, noise())
    assert abs(air.mean() - 0.3 * 1.2533) < 4 * 0.3 * 0.655 / 64000**0.5


def test_a_sample_has_the_same_noise_in_any_batch():
    two = gaussian(torch.zeros(2, 1, 4, 4, 4), 1.0, Noise.of(3, torch.arange(2)))
    assert torch.equal(two[1:], gaussian(torch.zeros(1, 1, 4, 4, 4), 1.0, Noise.of(3, torch.tensor([1]))))


@pytest.mark.parametrize("sigma", [0.01, 0.05, 0.1, 0.2])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_the_level_is_found(sigma, scale):
    assert abs(noise_level(scale * gaussian(volume(), sigma, noise(1))) / (scale * sigma) - 1) < 0.05


def test_a_zeroed_background_does_not_count():
    x = volume()
    assert abs(noise_level(torch.where(x > 0, gaussian(x, 0.1, noise()), 0.0)) / 0.1 - 1) < 0.05
    assert noise_level(torch.full((20, 20, 20), 7.0)) == 0


def test_a_mask_says_where_to_look():
    """In a head's magnitude image, whose air has two thirds of the noise."""
    x = volume()
    assert abs(noise_level(rician(x, 0.05, noise()), x > 0.3) / 0.05 - 1) < 0.05


def test_flat_volumes_are_filtered_where_they_can_be():
    x = gaussian(volume((160, 160, 2)), 0.1, noise())
    assert abs(noise_level(x) / 0.1 - 1) < 0.07


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_air_tells_the_level_of_a_magnitude_image(sigma):
    x = volume()
    assert abs(background_noise(rician(x, sigma, noise()), x == 0) / sigma - 1) < 0.05


def test_refusals():
    x = volume((20, 20, 20))
    with pytest.raises(UserError, match="NaN"):
        noise_level(x / 0)
    with pytest.raises(UserError, match="no axis"):
        noise_level(torch.zeros(3, 2, 1))
    with pytest.raises(UserError, match="mask of the volume's shape"):
        background_noise(x, torch.ones(3, dtype=torch.bool))
    with pytest.raises(UserError, match="not the noise of a magnitude image"):
        background_noise(x, x == 0)
    with pytest.raises(UserError, match="0 or more"):
        gaussian(x, -1.0, noise())
