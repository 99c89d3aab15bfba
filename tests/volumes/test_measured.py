"""From a scanner's numbers to an answer in its units: k-space and sinograms simulated from a head."""

from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from volumes.heads import head

from scidiff.engine.noise import Noise
from scidiff.store.errors import UserError
from scidiff.volumes.baselines.shelf import baseline
from scidiff.volumes.measured import Measured, phase, read_kspace, read_sinogram
from scidiff.volumes.operators.coils import phase_map, ring_maps
from scidiff.volumes.operators.footprint import Fan
from scidiff.volumes.operators.kspace import fourier
from scidiff.volumes.operators.noise import gaussian
from scidiff.volumes.operators.radon import Radon, views
from scidiff.volumes.operators.sampling import sampling

GAIN = 1500.0  # intensities of the scanner
SHAPE = (32, 36, 28)
AFFINE = np.array([[0.0, -1.2, 0, 90], [1.1, 0, 0, -80], [0, 0, 1.5, 12], [0, 0, 0, 1]])
WATER = 0.02  # 1/mm


@cache
def truth(shape: tuple[int, int, int] = SHAPE) -> torch.Tensor:
    if shape[0] == 1:
        return torch.from_numpy(head((*shape[1:], 11))[None, ..., 5] * GAIN).float()
    return torch.from_numpy(head(shape) * GAIN)


def scan(coils: int, shape=SHAPE, axes=(0, 1, 2), sigma: float = 0.03, acceleration: float = 3.0, phase: float = 1.0):
    """k-space (C, X, Y, Z) of a head with a slow phase, its mask (X, Y, Z) and its noise."""
    slow = phase_map(shape if shape[0] > 1 else (*shape[1:], 1), seed=2, strength=phase).reshape(shape)
    maps = torch.ones(1, *shape) if coils == 1 else ring_maps(shape, coils)
    along = axes[-2:] if len(axes) == 3 else axes[-1:]
    mask = sampling(shape, acceleration, along, centre=0.15).expand(shape)
    y = mask * fourier(torch.polar(maps.abs(), maps.angle() + slow) * truth(shape), axes)
    return mask * gaussian(y[None], sigma * GAIN, Noise.of(1, torch.arange(1)))[0], mask, sigma * GAIN


def save(folder: Path, **arrays) -> Path:
    np.savez(folder / "scan.npz", **{name: np.asarray(value) for name, value in arrays.items()})
    return folder / "scan.npz"


def quality(measured: Measured, task: str, reference: torch.Tensor, name: str | None = None) -> float:
    """PSNR of a classical answer, in source units."""
    x = baseline(task, name)(measured.y, measured.operator, measured.sigma)
    wrong = torch.from_numpy(measured.as_volume(x).data) - reference
    return float(10 * ((reference.max() - reference.min()) ** 2 / wrong.square().mean()).log10())


PLANE = (1, 64, 56)
SCANS = {
    "coils, 3D": ((6,), {}, 27.5),
    "one coil, 3D": ((1,), {"sigma": 0.1}, 21.5),  # a head this sharp outshines less noise in outer k-space
    "coils, slices": ((4,), {"axes": (0, 1), "acceleration": 2.0, "sigma": 0.06}, 24.0),
    "coils, 2D": ((6, PLANE), {"axes": (1, 2), "acceleration": 4.0}, 25.0),
    "one coil, 2D": ((1, PLANE), {"axes": (1, 2), "acceleration": 3.0}, 24.0),
}


@pytest.mark.parametrize("case", SCANS)
def test_kspace_becomes_a_head_in_its_own_units(case, tmp_path):
    settings, how, least = SCANS[case]
    y, mask, sigma = scan(*settings, **how)
    measured = read_kspace(save(tmp_path, kspace=y.squeeze(), mask=mask))
    shape = tuple(y.shape[1:])
    assert measured.shape == shape and measured.y.shape == (1, *y.shape)
    assert measured.operator.axes == how.get("axes", (0, 1, 2))
    assert measured.sigma * measured.width == pytest.approx(sigma, rel=0.15)
    reference = truth(shape)
    assert quality(measured, "mri", reference) > least
    assert quality(measured, "mri", reference) > quality(measured, "mri", reference, "zero_filled")
    x = reference[None, None] / measured.width
    assert 0.8 < float(torch.quantile(x[x > 0.1], 0.995)) < 1.2


def test_a_finer_phase_is_taken_where_it_predicts_better(tmp_path, monkeypatch):
    """Turns of a dozen radians, as susceptibility makes them: too many for the resolution of the centre."""
    y, mask, _ = scan(1, (1, 96, 80), (0, 1, 2), 0.02, 6.0, phase=6.0)
    path = save(tmp_path, kspace=y[0, 0], mask=mask)
    finer = read_kspace(path)
    monkeypatch.setattr(phase, "FINER", ())
    coarse = read_kspace(path)
    assert "more finely" in finer.notes[-1] and "more finely" not in coarse.notes[-1]
    reference = truth((1, 96, 80))
    assert quality(finer, "mri", reference) > quality(coarse, "mri", reference) + 1


def test_the_observation_explains_the_truth(tmp_path):
    """|y - A x| is sigma sqrt m for the right phase, maps and noise."""
    y, mask, _ = scan(6)
    measured = read_kspace(save(tmp_path, kspace=y, mask=mask))
    answer = baseline("mri")(measured.y, measured.operator, measured.sigma)
    assert 0.8 < float(measured.observation.residual(answer)) < 1.3


@pytest.mark.parametrize("centred", [None, False])
@pytest.mark.parametrize("shift", [True, False])
@pytest.mark.parametrize("shape", [SHAPE, (33, 36, 27)])
def test_a_centre_at_index_0_is_found_and_moved(shape, shift, centred, tmp_path):
    """numpy.fft.fftn(image), which people then shift or do not."""
    x = truth(shape)
    y = torch.fft.fftn(x, norm="ortho")
    y = gaussian(y[None], 0.03 * GAIN, Noise.of(1, torch.arange(1)))[0]
    if shift and centred is None:
        y = torch.fft.fftshift(y)
    measured = read_kspace(save(tmp_path, kspace=y), mask="nonzero", centred=centred)
    assert quality(measured, "mri", x) > 28
    told = [note for note in measured.notes if "index 0" in note or "across the edge" in note]
    assert len(told) == (0 if centred is not None else 1 if shift else 2)


def test_centred_data_are_left_alone(tmp_path):
    y, mask, _ = scan(6)
    found, told = (read_kspace(save(tmp_path, kspace=y, mask=mask), centred=c) for c in (None, True))
    assert torch.equal(found.y, told.y)


def test_a_slab_that_ends_in_the_head_is_not_rolled(tmp_path):
    x = truth()[..., 14:]
    y = gaussian(fourier(x, (0, 1, 2))[None], 0.03 * GAIN, Noise.of(1, torch.arange(1)))[0]
    measured = read_kspace(save(tmp_path, kspace=y), mask="nonzero")
    assert not any("across" in note for note in measured.notes)
    assert quality(measured, "mri", x) > 28


def test_the_mask_may_come_from_elsewhere(tmp_path):
    y, mask, _ = scan(1)
    inside = read_kspace(save(tmp_path, kspace=y, mask=mask[None].int()))
    bare = save(tmp_path, ksp=y)
    np.save(tmp_path / "mask.npy", mask)
    np.savez(tmp_path / "mask.npz", mask=mask[0].numpy())
    nib.save(nib.Nifti1Image(mask.numpy().astype(np.uint8), np.eye(4)), tmp_path / "mask.nii.gz")
    sources = ["nonzero", *(tmp_path / f"mask.{kind}" for kind in ("npy", "npz", "nii.gz"))]
    for source in sources:
        assert torch.equal(read_kspace(bare, source).operator.mask, inside.operator.mask)


def test_maps_that_are_given_get_the_phase_of_the_image(tmp_path):
    y, mask, _ = scan(6)
    measured = read_kspace(save(tmp_path, kspace=y, mask=mask, maps=ring_maps(SHAPE, 6)))
    assert quality(measured, "mri", truth()) > 28


def test_given_maps_serve_without_a_calibrated_centre(tmp_path):
    y, mask, sigma = scan(1)
    hole = mask.clone()
    hole[:, 18, 14] = False
    maps = torch.polar(torch.ones(SHAPE), phase_map(SHAPE, seed=2))
    path = save(tmp_path, kspace=y * hole, mask=hole, maps=maps, sigma=sigma, axes=(0, 1, 2), coils=False)
    measured = read_kspace(path)
    assert measured.sigma * measured.width == pytest.approx(sigma)
    assert quality(measured, "mri", truth()) > 18
    with pytest.raises(UserError, match="not fully sampled, so that the phase of the image"):
        read_kspace(save(tmp_path, kspace=y * hole, mask=hole, axes=(0, 1, 2)))


def test_a_volume_keeps_its_place_and_its_units(tmp_path):
    y, mask, _ = scan(6)
    measured = read_kspace(save(tmp_path, kspace=y, mask=mask, affine=AFFINE))
    volume = measured.as_volume(truth()[None, None] / measured.width)
    assert np.array_equal(volume.affine, AFFINE)
    assert np.allclose(volume.data, truth(), rtol=1e-5)
    assert (volume.header.dtype, volume.name, volume.modality) == (np.float32, "scan", "MR")
    measured = read_kspace(save(tmp_path, kspace=y, mask=mask), spacing=(1, 2, 3))
    assert np.array_equal(measured.affine, np.diag([1.0, 2, 3, 1]))
    assert float(measured.as_volume(torch.ones(SHAPE), spread=True).data.max()) == pytest.approx(measured.width)


def project(operator: Radon, sigma: float = 0.01) -> tuple[torch.Tensor, float]:
    """A sinogram (views, detectors, slices) of a head of water's attenuation, noise in units of water mm."""
    y = operator(truth()[None, None] / GAIN * 2 * WATER)
    sigma = sigma * float(y.max())
    return gaussian(y, sigma, Noise.of(2, torch.arange(1)))[0, 0], sigma


CT_SCANS = {
    "parallel": {},
    "fan": {"fan": (200.0, 400.0), "pitch": 2.0},
    "stretched": {"spacing": (1.5, 1.0, 2.0), "pitch": 0.9},
    "other axis": {"axis": 0},
}


@pytest.mark.parametrize("case", CT_SCANS)
def test_a_sinogram_becomes_a_head(case, tmp_path):
    how = CT_SCANS[case]
    axis, spacing = how.get("axis", 2), how.get("spacing", (1.0, 1.0, 1.0))
    across = [a for a in range(3) if a != axis]
    shape = tuple(SHAPE[a] for a in across)
    fan = Fan(*how["fan"]) if "fan" in how else None
    angles = views(60, 360 if fan else 180)
    sizes = tuple(spacing[a] for a in across)
    operator = Radon(shape, angles, pitch=how.get("pitch", 1.0), spacing=sizes, fan=fan, axis=axis)
    y, sigma = project(operator)
    measured = read_sinogram(save(tmp_path, sinogram=y, angles=angles, shape=shape, **{"spacing": spacing, **how}))
    assert measured.shape == SHAPE
    assert measured.sigma * measured.width == pytest.approx(sigma, rel=0.15)
    assert quality(measured, "ct", truth() / GAIN * 2 * WATER) > 24
    assert np.allclose(np.diag(measured.affine)[:3], spacing)


def test_water_gives_hounsfield_units(tmp_path):
    operator = Radon(SHAPE[:2], views(60))
    y, _ = project(operator)
    measured = read_sinogram(save(tmp_path, sino=y, theta=operator.angles, shape=SHAPE[:2]), mu_water=WATER)
    x = truth() / GAIN  # attenuation over twice water's
    assert measured.width == pytest.approx(2 * WATER)
    assert np.allclose(measured.as_volume(x).data, 2000 * x - 1000, atol=1e-2)
    assert np.allclose(measured.as_volume(x, spread=True).data, 2000 * x, atol=1e-2)
    assert float(measured.observation.residual(x[None, None])) == pytest.approx(1, abs=0.1)
    assert quality(measured, "ct", 2000 * x - 1000) > 24


def test_a_single_slice_fills_what_the_detectors_see(tmp_path):
    """As many pixels as detectors: a slice whose corners no one sees."""
    operator = Radon((40, 40), views(60), detectors=40)
    x = torch.from_numpy(head((40, 40, 9))[..., 4:5])
    y = gaussian(operator(x[None, None]), 0.1, Noise.of(2, torch.arange(1)))[0, 0, ..., 0]
    measured = read_sinogram(save(tmp_path, sinogram=y, angles=operator.angles))
    assert measured.shape == (40, 40, 1)
    assert quality(measured, "ct", x) > 22
    fan = read_sinogram(save(tmp_path, sinogram=y, angles=operator.angles, fan=(200.0, 400.0), pitch=2.0))
    assert fan.shape == (39, 39, 1)  # rays meet the circle's edge a little inside
