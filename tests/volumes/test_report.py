"""The section of a scan: every voxel in its place and of its value, however it is stored, and a small page."""

import json
from itertools import product

import numpy as np
import pytest

from scidiff.report.pack import unpack
from scidiff.volumes.picture import Panel, window_of
from scidiff.volumes.report import section
from scidiff.volumes.report.view import LEVELS, MOST, View, codes, packed
from scidiff.volumes.slices import Patient
from scidiff.volumes.volume import Volume
from tests.volumes.heads import head

SHAPE, SPACING = (24, 30, 20), (1.0, 1.0, 2.0)


def affine_of(signs: tuple[int, int, int]) -> np.ndarray:
    """A grid off the scanner's centre, its axes in these directions."""
    affine = np.diag([*np.multiply(SPACING, signs), 1.0])
    affine[:3, 3] = -20.0, 13.0, 5.5
    return affine


def places(volume: Volume) -> np.ndarray:
    """(X, Y, Z) a number that tells where in the scanner a voxel lies: x + 100 y + 10000 z, in millimetres."""
    index = np.stack(np.indices(volume.shape), -1)
    return (index @ volume.affine[:3, :3].T + volume.affine[:3, 3]) @ [1.0, 100.0, 10_000.0]


@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_every_voxel_of_the_page_is_where_the_page_says(signs):
    volume = Volume(100 * head(SHAPE), affine_of(signs))
    view = View(Patient.of(volume))
    taken = view.take(Panel("places", places(volume)))
    (x, dx), (y, dy), (z, dz) = view.millimetres
    grid = np.meshgrid(
        *(start + step * np.arange(n) for start, step, n in zip((x, y, z), (dx, dy, dz), view.shape, strict=True)),
        indexing="ij",
    )
    np.testing.assert_allclose(taken, grid[0] + 100 * grid[1] + 10_000 * grid[2], rtol=1e-5)
    assert (dx, dy, dz) == SPACING and not view.coarser
    assert all(0 <= at < n for at, n in zip(view.centre, view.shape, strict=True))


def test_a_large_scan_is_thinned_along_its_finest_axes_and_said_to_be():
    volume = Volume(100 * head((40, 40, 20)), np.diag([1.0, 1.0, 3.0, 1.0]))
    view = View(Patient.of(volume), most=4_000)
    assert np.prod(view.shape) <= 4_000 and view.coarser
    assert view.spacing[2] == 3.0 and view.spacing[0] == view.spacing[1] > 1.0, "thick slices stay"
    taken = view.take(Panel("places", places(volume)))
    start, step = view.millimetres[0]
    assert np.abs(taken[:, 0, 0] % 100 - (taken[0, 0, 0] + step * np.arange(view.shape[0])) % 100).max() <= 1.0
    assert start == view.axes[0][0]


def test_a_volume_on_another_grid_is_shown_by_its_nearest_voxels():
    volume = Volume(100 * head(SHAPE), affine_of((1, 1, 1)))
    coarse = np.diag([2.0, 2.0, 2.0, 1.0])
    coarse[:3, 3] = volume.affine[:3, 3] + [0.5, 0.5, 0.0]  # the middle of two by two voxels
    values = np.arange(12 * 15 * 20, dtype=float).reshape(12, 15, 20)
    view = View(Patient.of(volume))
    taken = view.take(Panel("input", values, affine=coarse))
    x, y, z = view.axes
    np.testing.assert_array_equal(taken, values[np.ix_(x // 2, y // 2, z)])
    away = coarse.copy()
    away[0, 3] += 1000
    assert np.isnan(view.take(Panel("input", values, affine=away))).all()


def test_bytes_give_back_the_values_within_half_a_step():
    values = np.linspace(-50, 150, 777).reshape(7, 111, 1)
    levels = LEVELS["image"] - 1
    back = (codes(values, levels, 0.0, 100.0) - 1.0) * 100 / levels
    np.testing.assert_allclose(back, np.clip(values, 0, 100), atol=50 / levels + 1e-9)
    assert codes(np.array([np.nan]), levels, 0, 1) == 0, "no voxel is no value"


def test_the_maps_share_a_scale_and_an_error_has_no_sign():
    volume = Volume(100 * head(SHAPE), np.eye(4))
    error = np.where(volume.data > 50, -8.0, 4.0)
    image, sd, wrong = packed(
        View(Patient.of(volume)), [Panel("a", volume.data), Panel("b", 0 * error + 2, "sd"), Panel("c", error, "error")]
    )
    assert (sd.low, sd.high) == (wrong.low, wrong.high) == (0.0, 8.0)
    assert (image.low, image.high) == window_of(Patient.of(volume))
    assert set(np.frombuffer(wrong.codes, np.uint8)) == {1 + round(wrong.levels / 2), 1 + wrong.levels}


def test_what_the_viewer_is_told_is_what_it_gets():
    volume = Volume(100 * head(SHAPE), np.diag([*SPACING, 1.0]), name="Secret^Name")
    made = section(
        volume, [Panel("ours", volume.data), Panel("error", volume.data / 9, "error")], facts={"task": "denoise"}
    )
    about = json.loads(unpack(made.data["scan-data"]))
    assert len(unpack(made.data["scan-layer-1"])) == np.prod(about["shape"]) <= MOST
    assert [layer["name"] for layer in about["layers"]] == ["ours", "error"] and about["spacing"] == list(SPACING)
    assert made.body.count('type="range"') == 3 and made.body.count("<canvas role") == 6
    assert "Secret" not in made.body + json.dumps(about)


@pytest.mark.parametrize("data", [100 * head((30, 34, 20))[..., 9:10], np.ones((6, 7, 5)), head((30, 1, 20))])
def test_a_slice_and_a_constant_volume_have_a_page(data):
    made = section(Volume(data, np.eye(4)), [Panel("ours", data)])
    assert made.body.count('type="range"') == (3 if min(data.shape) > 1 else 1)
