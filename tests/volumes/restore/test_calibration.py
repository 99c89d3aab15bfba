"""Widths and deviations: exact coverage, unbiased spreads, and nothing said of what is known."""

import math

import numpy as np
import pytest
import torch

from scidiff.volumes.power_law import PowerLaw
from scidiff.volumes.problem import Problem
from scidiff.volumes.restore.calibration import LEAST, Calibration, Z, fitted_width, smooth_deviation


@pytest.mark.parametrize("off", [0.5, 1.0, 3.0])
def test_the_fitted_width_covers_nine_of_ten_exactly(off):
    """Errors `off` times as large as stated: q = off (to 5 sd of a quantile of 20,000), and 90 % to one voxel."""
    draw = torch.Generator().manual_seed(0)
    sd = 0.1 + torch.rand(20_000, generator=draw)
    errors = off * sd * torch.randn(20_000, generator=draw)
    width = fitted_width(errors, sd)
    inside = float((errors.abs() <= width * Z * sd).double().mean())
    assert inside == pytest.approx(0.9, abs=1 / 20_000)
    assert width == pytest.approx(off, rel=0.05)


def test_a_deviation_is_unbiased_where_it_is_the_same_everywhere():
    """3 samples of 16^3 voxels: the mean variance, to 5 sqrt(2 / (2 * 4096))."""
    samples = 0.3 * torch.randn((3, 1, 16, 16, 16), generator=torch.Generator().manual_seed(1))
    sd = smooth_deviation(samples)
    assert float(sd.square().mean()) == pytest.approx(0.09, rel=5 * (1 / 4096) ** 0.5)
    assert float(sd.std() / sd.mean()) < float(samples.std(0).std() / samples.std(0).mean()) / 4


def test_what_is_known_has_no_deviation_and_gives_none_to_its_neighbours():
    samples = torch.randn((4, 1, 12, 12, 12), generator=torch.Generator().manual_seed(2))
    open_ = torch.zeros((1, 1, 12, 12, 12), dtype=torch.bool)
    open_[..., 4:8, 4:8, 4:8] = True
    sd = smooth_deviation(samples, open_)
    louder = smooth_deviation(torch.where(open_, samples, 100 * samples), open_)
    assert not sd[~open_].any()
    assert (sd[open_] > 0).all()
    assert torch.equal(sd, louder)


def test_no_voxel_is_surer_than_a_share_of_the_mean():
    samples = torch.zeros((2, 1, 16, 16, 16))
    samples[1, :, 8:] = 1
    sd = smooth_deviation(samples)
    raw = np.sqrt(0.5)
    assert float(sd.min()) == pytest.approx(LEAST * raw / 2, rel=0.2)
    assert float(sd.max()) == pytest.approx(raw, rel=1e-3)


def test_a_calibration_widens_by_task_and_is_nothing_where_the_header_is_silent():
    samples = torch.randn((2, 1, 8, 8, 8), generator=torch.Generator().manual_seed(3))
    blank = torch.zeros(1, 1, 2, 2, 2)
    mri = Problem("mri", blank, blank, blank, 0.1, 0.25)
    width = [math.log(4), 0.0, 0.5, 0.0]
    known = Calibration.of({"calibration": {"trust": {"mri": 0.5}, "width": {"mri": width}}})
    assert known.trust == {"mri": 0.5}
    assert torch.allclose(known.deviation(samples, mri), 2 * smooth_deviation(samples))
    assert Calibration.of({}) == Calibration({}, PowerLaw({}))
