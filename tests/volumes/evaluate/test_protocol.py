"""The figures against their formulas, and against scikit-image and MONAI where the definition is the same."""

from math import log10, sqrt

import numpy as np
import pytest
import torch
from monai.metrics import PSNRMetric, SSIMMetric
from scipy.ndimage import gaussian_laplace, shift
from skimage import metrics as skimage_metrics
from torch.nn.functional import conv3d

from scidiff.store.errors import UserError
from scidiff.volumes.evaluate import coverage, evaluate, residual
from scidiff.volumes.volume import Header, Volume
from tests.volumes.heads import head

AFFINE = np.diag([1.0, 1.0, 1.2, 1.0])
HEAD = head()
RANDOM = np.random.default_rng(7)
NOISY = HEAD + 0.05 * RANDOM.standard_normal(HEAD.shape).astype(np.float32)


def volume(data, affine=AFFINE, name="scan") -> Volume:
    return Volume(data, affine, Header(), name)


@pytest.fixture(scope="module")
def noisy():
    return evaluate(volume(NOISY), volume(HEAD))


def test_a_perfect_volume():
    figures = evaluate(volume(HEAD), volume(HEAD))
    for place in ("", "foreground/"):
        assert figures[f"{place}psnr"] == pytest.approx(200)
        assert figures[f"{place}ssim"] == pytest.approx(1)
        assert figures[f"{place}ssim_fastmri"] == pytest.approx(1)
        assert figures[f"{place}gain"] == pytest.approx(1)
        assert [figures[f"{place}{key}"] for key in ("nmse", "nrmse", "hfen")] == [0, 0, 0]


def test_gaussian_noise_reads_its_formula(noisy):
    data_range, n = float(np.ptp(HEAD)), HEAD.size
    assert noisy["data_range"] == pytest.approx(data_range)
    # The mean of n squares of N(0, sigma^2) has a relative deviation of sqrt(2 / n).
    off = 4 * 10 / np.log(10) * sqrt(2 / n)
    assert noisy["psnr"] == pytest.approx(20 * log10(data_range / 0.05), abs=off)
    assert noisy["nrmse"] == pytest.approx(0.05 / data_range, rel=4 * sqrt(0.5 / n))
    assert noisy["nmse"] == pytest.approx(0.05**2 * n / np.sum(HEAD.astype(float) ** 2), rel=4 * sqrt(2 / n))
    assert noisy["gain"] == pytest.approx(1, abs=4 * 0.05 / (float(HEAD.std()) * sqrt(n)))


def test_foreground_psnr_has_the_range_of_the_whole():
    mask = HEAD > 0.5
    error = np.where(mask, 0.02, 0.1)
    figures = evaluate(volume(HEAD + error), volume(HEAD), mask)
    assert figures["foreground/psnr"] == pytest.approx(20 * log10(np.ptp(HEAD) / 0.02), abs=1e-4)
    assert figures["psnr"] < figures["foreground/psnr"]


def test_against_scikit_image(noisy):
    data_range = float(np.ptp(HEAD))
    x, r = NOISY.astype(float), HEAD.astype(float)
    assert noisy["psnr"] == pytest.approx(skimage_metrics.peak_signal_noise_ratio(r, x, data_range=data_range), 1e-5)
    root = skimage_metrics.normalized_root_mse(r, x, normalization="min-max")
    assert noisy["nrmse"] == pytest.approx(root, rel=1e-5)
    assert sqrt(noisy["nmse"]) == pytest.approx(skimage_metrics.normalized_root_mse(r, x), rel=1e-5)
    slices = [skimage_metrics.structural_similarity(r[..., k], x[..., k], data_range=data_range) for k in range(44)]
    assert noisy["ssim_fastmri"] == pytest.approx(np.mean(slices), abs=1e-5)


def dense_ssim(x: torch.Tensor, r: torch.Tensor, data_range: float) -> float:
    """The formula as it stands, by one dense kernel of 11 x 11 x 11 weights."""
    taps = torch.exp(-((torch.arange(-5, 6, dtype=x.dtype) / 1.5) ** 2) / 2)
    taps = taps / taps.sum()
    kernel = torch.einsum("i,j,k->ijk", taps, taps, taps)[None, None]
    mx, mr, xx, rr, xr = (conv3d(v[None, None], kernel) for v in (x, r, x * x, r * r, x * r))
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    contrast = (2 * (xr - mx * mr) + c2) / (xx - mx**2 + rr - mr**2 + c2)
    return float(((2 * mx * mr + c1) / (mx**2 + mr**2 + c1) * contrast).mean())


def test_against_monai():
    block = np.s_[12:36, 4:28, 10:34]  # small: a dense kernel is slow
    x, r = torch.from_numpy(NOISY[block]), torch.from_numpy(HEAD[block])
    data_range, found = float(np.ptp(HEAD[block])), evaluate(volume(NOISY[block]), volume(HEAD[block]))
    assert found["psnr"] == pytest.approx(float(PSNRMetric(data_range)(x[None, None], r[None, None])), rel=1e-5)
    assert found["ssim"] == pytest.approx(dense_ssim(x.double(), r.double(), data_range), abs=1e-9)
    monai = float(SSIMMetric(3, data_range, win_size=11, kernel_sigma=1.5)(x[None, None], r[None, None]))
    assert monai == pytest.approx(dense_ssim(x, r, data_range), abs=1e-6)  # the same formula, in float32 ...
    assert found["ssim"] == pytest.approx(monai, abs=2e-4)  # ... which costs MONAI 1e-4 where tissue is flat


def test_hfen_is_the_laplacian_of_the_difference(noisy):
    x, r = NOISY.astype(float), HEAD.astype(float)
    expected = np.linalg.norm(gaussian_laplace(x - r, 1.5)) / np.linalg.norm(gaussian_laplace(r, 1.5))
    assert noisy["hfen"] == pytest.approx(expected, rel=1e-3)  # scipy cuts its kernel at 4 sigma
    assert evaluate(volume(0 * HEAD + 0.1), volume(HEAD))["hfen"] == pytest.approx(1, abs=1e-6)


def test_units_and_their_zero_change_nothing_but_nmse(noisy):
    hounsfield = evaluate(volume(2000 * NOISY - 1024), volume(2000 * HEAD - 1024))
    for key, value in noisy.items():
        if not key.endswith(("nmse", "data_range")):
            assert hounsfield[key] == pytest.approx(value, rel=2e-4), key
    assert hounsfield["data_range"] == pytest.approx(2000 * noisy["data_range"], rel=1e-5)


def test_a_half_voxel_shift_and_a_gain_error_cost_what_they_should():
    smooth = head((40, 40, 40))
    moved = shift(smooth, (0.5, 0, 0), order=3, mode="nearest")
    shifted = evaluate(volume(moved), volume(smooth))
    assert 20 < shifted["psnr"] < 40  # about 31 on a real head
    assert shifted["ssim"] < 0.99
    louder = evaluate(volume(1.03 * HEAD), volume(HEAD))
    assert louder["nmse"] == pytest.approx(0.03**2, rel=1e-4)
    assert louder["gain"] == pytest.approx(1.03, rel=1e-5)
    # A gain error adds its own mean square to that of the noise; here in decibels.
    both = evaluate(volume(1.03 * NOISY), volume(HEAD))
    clean = evaluate(volume(NOISY), volume(HEAD))
    lost = 10 * log10((1.03**2 * 0.05**2 + 0.03**2 * np.mean(HEAD.astype(float) ** 2)) / 0.05**2)
    assert clean["psnr"] - both["psnr"] == pytest.approx(lost, abs=0.05)


def test_a_zeroed_background_helps_the_whole_and_not_the_foreground():
    mask = HEAD > 0
    zeroed = evaluate(volume(np.where(mask, NOISY, 0)), volume(HEAD), mask)
    plain = evaluate(volume(NOISY), volume(HEAD), mask)
    assert zeroed["psnr"] - plain["psnr"] == pytest.approx(-10 * log10(mask.mean()), abs=0.1)
    assert zeroed["foreground/psnr"] == plain["foreground/psnr"]


def test_coverage_of_a_calibrated_gaussian_is_its_level():
    n = 200_000
    mean, sd = RANDOM.uniform(0, 1, n), RANDOM.uniform(0.01, 0.2, n)
    truth = mean + sd * RANDOM.standard_normal(n)
    off = 4 * sqrt(0.09 / n)
    assert coverage(truth, mean, sd) == pytest.approx(0.9, abs=off)
    assert coverage(truth, mean, 0.5 * sd) < 0.6
    for count in (2, 8):
        samples = mean + sd * RANDOM.standard_normal((count, n))
        assert coverage(truth, samples=samples) == pytest.approx(0.9, abs=off)
    with pytest.raises(ValueError, match="samples"):
        coverage(truth, mean)


def test_coverage_and_regions_in_the_figures():
    hole = np.zeros(HEAD.shape, dtype=bool)
    hole[20:30, 20:30, 20:30] = True
    sd = np.where(hole, 1e-6, 0.05).astype(np.float32)
    figures = evaluate(volume(NOISY), volume(HEAD), sd=volume(sd), regions={"holes": hole})
    assert figures["foreground/coverage90"] > 0.85
    assert figures["holes/coverage90"] < 0.01
    assert figures["holes/nrmse"] == pytest.approx(0.05 / np.ptp(HEAD), rel=4 * sqrt(0.5 / hole.sum()))
    samples = NOISY + 0.05 * RANDOM.standard_normal((4, *HEAD.shape))
    assert evaluate(volume(NOISY), volume(HEAD), samples=samples)["coverage90"] == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("kind", [float, complex])
def test_the_residual_of_the_truth_is_one(kind):
    n, sigma = 50_000, 0.3
    noise = RANDOM.standard_normal(n).astype(kind)
    if kind is complex:
        noise = (noise + 1j * RANDOM.standard_normal(n)) / sqrt(2)  # variance 1/2 a component
    clean = RANDOM.standard_normal(n)
    assert residual(clean, clean + sigma * noise, sigma) == pytest.approx(1, abs=4 * sqrt(0.5 / n))
    assert evaluate(volume(NOISY), volume(HEAD), residual=0.98)["residual"] == 0.98
    with pytest.raises(ValueError, match="sigma"):
        residual(clean, clean, 0)


def test_thin_volumes_leave_out_what_is_not_defined():
    thin = evaluate(volume(NOISY[..., 20:23]), volume(HEAD[..., 20:23]))
    assert "ssim" not in thin and "ssim_fastmri" in thin and "psnr" in thin
    empty = evaluate(volume(NOISY), volume(HEAD), mask=HEAD == 0)
    assert "foreground/nmse" not in empty and "foreground/psnr" in empty


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((volume(NOISY[1:]), volume(HEAD)), "47x52x44 voxels"),
        ((volume(NOISY, AFFINE + np.eye(4, k=3) * 0.5), volume(HEAD)), "0.5 voxels apart"),
        ((volume(NOISY, np.diag([-1.0, 1, 1, 1])), volume(HEAD)), "different affines"),
        ((volume(NOISY), volume(0 * HEAD)), "constant"),
        ((volume(NOISY * np.nan), volume(HEAD)), "NaN"),
        ((volume(NOISY), volume(HEAD), HEAD < -1), "selects no voxel"),
        ((volume(NOISY), volume(HEAD), HEAD[1:] > 0), "same"),
        ((volume(NOISY), volume(HEAD), volume(HEAD[1:])), "resample"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, words):
    with pytest.raises(UserError, match=words):
        evaluate(*arguments)


def test_uncertainty_of_another_shape_is_refused():
    with pytest.raises(UserError, match="standard deviations"):
        evaluate(volume(NOISY), volume(HEAD), sd=HEAD[1:])
    with pytest.raises(UserError, match="two samples"):
        evaluate(volume(NOISY), volume(HEAD), samples=HEAD[None])
