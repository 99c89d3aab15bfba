"""Scales are inverses of each other, and the foreground is the head."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scidiff.volumes.foreground import foreground, foreground_of
from scidiff.volumes.intensity import Percentiles, Scale, Window
from scidiff.volumes.volume import Volume
from tests.volumes.heads import head

HEAD = head()
TRUE = HEAD > 0.06  # half a voxel into the skin
RANDOM = np.random.default_rng(5)


def overlap(one, other) -> float:
    """Dice."""
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@settings(max_examples=50, deadline=None)
@given(low=st.floats(-2000, 2000), width=st.floats(0.1, 5000))
def test_a_scale_and_its_inverse(low, width):
    scale = Scale(low, low + width)
    values = RANDOM.uniform(low - width, low + 2 * width, 200).astype(np.float32)
    off = 4 * np.finfo(np.float32).eps * (abs(low) + 2 * width)
    assert np.abs(scale.from_unit(scale.to_unit(values)) - values).max() <= off
    assert scale.to_unit(np.array([scale.low, scale.high])) == pytest.approx([0, 1], abs=1e-9)
    tensor = torch.from_numpy(values)
    assert torch.equal(scale.to_unit(tensor), torch.from_numpy(scale.to_unit(values)))


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (float("nan"), 1), (0, float("inf"))])
def test_a_scale_without_extent_is_refused(low, high):
    with pytest.raises(ValueError, match="finite low"):
        Scale(low, high)


def test_percentiles_follow_the_units_and_not_the_background():
    small = Percentiles().fit(Volume(HEAD, np.eye(4)))
    large = Percentiles().fit(Volume(700 * HEAD, np.eye(4)))
    assert small.low == large.low == 0
    assert large.high == pytest.approx(700 * small.high, rel=1e-5)
    wide = Percentiles().fit(Volume(np.pad(HEAD, 12), np.eye(4)))
    assert wide.high == pytest.approx(small.high, rel=0.02)
    standardised = Percentiles().fit(Volume(HEAD - 0.5, np.eye(4)), mask=TRUE)
    assert standardised.low < -0.3


def test_a_window_has_air_at_0_and_water_at_one_half():
    scale = Window().fit(Volume(HEAD, np.eye(4)))
    assert scale.to_unit(np.array([-1000.0, 0.0, 1000.0])) == pytest.approx([0, 0.5, 1])


def test_a_head_in_noise_is_found():
    noisy = np.hypot(HEAD + 0.05 * RANDOM.standard_normal(HEAD.shape), 0.05 * RANDOM.standard_normal(HEAD.shape))
    assert overlap(foreground(Volume(noisy, np.eye(4))), TRUE) > 0.95


def test_a_stripped_brain_keeps_its_own_edge():
    x, y, z = (2 * (np.indices(HEAD.shape)[k] + 0.5) / n - 1 for k, n in enumerate(HEAD.shape))
    brain = np.where(x**2 + y**2 + z**2 < 0.7**2, HEAD, 0)
    brain[24, 26, 22] = 0  # a hole
    mask = foreground(Volume(brain, np.eye(4)))
    brain[24, 26, 22] = 1
    assert np.array_equal(mask, brain > 0)


def test_lungs_that_the_scan_cuts_off_are_inside_and_the_table_is_not():
    x, y = np.meshgrid(np.linspace(-1, 1, 48), np.linspace(-1, 1, 48), indexing="ij")
    body, lung = x**2 + (y / 0.7) ** 2 < 0.7, (np.abs(x) - 0.4) ** 2 + y**2 < 0.04
    table = (y > 0.85) & (np.abs(x) < 0.5)
    slice_ = np.select([lung, body, table], [-800.0, 40.0, -100.0], -1000.0)
    chest = np.repeat(slice_[..., None], 12, axis=2) + 15 * RANDOM.standard_normal((48, 48, 12))
    assert overlap(foreground(Volume(chest, np.eye(4))), np.repeat(body[..., None], 12, axis=2)) > 0.95
    turned = Volume(np.moveaxis(chest, 2, 0), np.array([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]))
    assert overlap(foreground(turned), np.repeat(body[None], 12, axis=0)) > 0.95


def test_a_constant_has_no_foreground():
    with pytest.raises(ValueError, match="constant"):
        foreground_of(np.ones((4, 4, 4)))
