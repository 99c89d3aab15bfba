"""Pictures of scans: every voxel on the right side, at its true proportions, however the file stores it."""

from itertools import permutations, product

import numpy as np
import pytest
from matplotlib.image import imread
from volumes.heads import head

from scidiff.store.errors import UserError
from scidiff.volumes.picture import Panel, draw
from scidiff.volumes.slices import PLANES, Patient
from scidiff.volumes.volume import Volume

SHAPE, SPACING = (24, 28, 20), (2.0, 1.5, 3.0)
AXIAL, CORONAL, SAGITTAL = PLANES


def scan() -> Volume:
    """A head in RAS+, off the scanner's centre."""
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = -20.0, -31.0, -17.5
    return Volume(100 * head(SHAPE), affine)


def stored(data: np.ndarray, affine: np.ndarray, order: tuple, signs: tuple) -> tuple[np.ndarray, np.ndarray]:
    """The same voxels in the same places, their axes in another order and direction."""
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for new, (old, sign) in enumerate(zip(order, signs, strict=True)):
        turn[old, new] = sign
        turn[old, 3] = 0 if sign > 0 else data.shape[old] - 1
    turned = data.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    return turned, affine @ turn


def beside(volume: Volume, axis: int) -> np.ndarray:
    """Zeros but for a few voxels, 6 voxels from the patient's centre towards R, A or S."""
    place = list(Patient.of(volume).centre)
    place[axis] += 6
    data = np.zeros(volume.shape)
    data[tuple(slice(p - 1, p + 2) for p in place)] = 100.0
    return data


def middle(image: np.ndarray) -> np.ndarray:
    """Where the bright pixels lie: down, across."""
    return np.argwhere(image).mean(0)


@pytest.mark.parametrize(
    ("axis", "plane", "way"),
    [(0, AXIAL, (0, 1)), (0, CORONAL, (0, 1)), (1, AXIAL, (1, 0)), (1, SAGITTAL, (0, 1)), (2, CORONAL, (1, 0)),
     (2, SAGITTAL, (1, 0))],
)  # fmt: skip
def test_right_anterior_and_superior_are_right_or_up(axis, plane, way):
    volume = scan()
    patient = Patient.of(volume)
    centre = np.zeros(volume.shape)
    centre[tuple(patient.centre)] = 1.0
    moved = middle(patient.cut(plane, beside(volume, axis)) > 0) - middle(patient.cut(plane, centre) > 0)
    np.testing.assert_allclose(moved, 6 * np.array(way))


def test_the_patients_left_is_on_the_left_of_the_page(tmp_path):
    volume = scan()
    shown = beside(volume, 0)
    blank = imread(draw(tmp_path / "blank.png", [Panel("a", 0 * shown)], volume))
    right = imread(draw(tmp_path / "right.png", [Panel("a", shown)], volume))
    found = (right != blank).any(-1)
    cell = (blank[:, :, :3] == 0).all(-1)  # air is black, the page is not quite
    assert found.any() and np.argwhere(found)[:, 1].min() > np.argwhere(cell)[:, 1].mean()


@pytest.mark.parametrize(("order", "signs"), [*product([(2, 0, 1), (1, 0, 2)], [(-1, 1, 1), (1, -1, -1)])])
def test_the_order_of_storage_does_not_show(order, signs, tmp_path):
    volume = scan()
    coarse, wide = volume.data[::2, ::2, ::2], volume.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    error = np.random.default_rng(0).normal(size=SHAPE)

    def pixels(name: str, order: tuple, signs: tuple) -> np.ndarray:
        data, affine = stored(volume.data, volume.affine, order, signs)
        panels = [
            Panel("a", *stored(coarse, wide, order, signs)[:1], affine=stored(coarse, wide, order, signs)[1]),
            Panel("b", stored(error, volume.affine, order, signs)[0], "error"),
        ]
        return imread(draw(tmp_path / name, panels, Volume(data, affine), "A title"))

    np.testing.assert_array_equal(pixels("as.png", (0, 1, 2), (1, 1, 1)), pixels("other.png", order, signs))


def test_an_oblique_scan_is_shown_along_its_own_axes():
    volume = scan()
    c, s = np.cos(0.3), np.sin(0.3)
    tilted = volume.replace(affine=np.array([[c, -s, 0, 5], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ volume.affine)
    for order in permutations(range(3)):
        data, affine = stored(tilted.data, tilted.affine, order, (1, -1, 1))
        shown = Patient.of(Volume(data, affine)).cut(AXIAL, data)
        np.testing.assert_array_equal(shown, Patient.of(volume).cut(AXIAL, volume.data))


def test_a_coarser_panel_lies_where_its_voxels_are():
    volume = scan()
    blocks = np.random.default_rng(0).normal(size=(12, 14, 10))
    affine = volume.affine @ np.array([[2, 0, 0, 0.5], [0, 2, 0, 0.5], [0, 0, 2, 0.5], [0, 0, 0, 1]])
    fine = blocks.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    patient = Patient.of(volume)
    for plane in PLANES:
        np.testing.assert_array_equal(patient.cut(plane, blocks, affine), patient.cut(plane, fine))


def test_there_is_nothing_outside_a_smaller_panel():
    volume, patient = scan(), Patient.of(scan())
    shown = patient.cut(AXIAL, volume.data[12:], volume.affine @ np.array(_shift(12)))
    whole = patient.cut(AXIAL, volume.data)
    first = 12 - patient.box[0].start
    assert np.isnan(shown[:, :first]).all()
    np.testing.assert_array_equal(shown[:, first:], whole[:, first:])


def _shift(voxels: int) -> list[list[float]]:
    return [[1, 0, 0, voxels], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_a_millimetre_is_as_long_in_every_direction(tmp_path):
    flat = np.zeros((40, 40, 10), np.float32)
    flat[4:36, 4:36, 1:9] = 1.0
    volume = Volume(flat, np.diag([1.0, 2.0, 10.0, 1.0]))
    page = imread(draw(tmp_path / "a.png", [Panel("a", flat)], volume, window=(0, 2)))
    body = np.abs(page[:, 80:, 0] - 127 / 255) < 0.01  # half gray is the patient, and a hair of text and colour bar
    rows = np.flatnonzero(body.sum(1) > 50)
    axial, coronal, sagittal = np.split(rows, np.flatnonzero(np.diff(rows) > 20) + 1)
    widths = [body[part].sum(1).max() for part in (axial, coronal, sagittal)]
    inch = widths[0] / 32
    np.testing.assert_allclose(np.array([len(axial), len(coronal), len(sagittal)]) / inch, (64, 80, 80), rtol=0.03)
    np.testing.assert_allclose(np.array(widths) / inch, (32, 32, 64), rtol=0.03)


@pytest.mark.parametrize("shape", [(30, 30, 1), (1, 30, 30), (30, 1, 1), (3, 200, 2)])
def test_odd_volumes_are_drawn(shape, tmp_path):
    data = np.random.default_rng(0).normal(10, 1, shape).astype(np.float32)
    volume = Volume(data, np.diag([1.0, 1.0, 8.0, 1.0]))
    flat = Volume(np.ones(shape), np.eye(4))
    draw(tmp_path / "a.png", [Panel("a", data), Panel("b", data, "sd", "0.1")], volume)
    draw(tmp_path / "b.png", [Panel("a", flat.data), Panel("b", 0 * data, "sd")], flat)
    assert len(Patient.of(volume).planes) == max(1, sum(min(shape[p.across], shape[p.up]) > 1 for p in PLANES))


def test_the_sign_of_an_error_does_not_show_and_its_size_does(tmp_path):
    volume = scan()
    error = np.random.default_rng(0).normal(size=SHAPE)
    plus, minus, small = (
        imread(draw(tmp_path / f"{k}.png", [Panel("sd", np.abs(error), "sd"), Panel("e", k * error, "error")], volume))
        for k in (1.0, -1.0, 0.1)
    )
    np.testing.assert_array_equal(plus, minus)
    half = plus.shape[1] // 2
    assert small[:, half:, :3].mean() < 0.6 * plus[:, half:, :3].mean()  # one scale of colours for both maps
    np.testing.assert_array_equal(small[:, : half - 100], plus[:, : half - 100])


def test_the_grays_of_a_ct_are_a_window_whatever_is_in_it(tmp_path):
    data = np.where(head(SHAPE) > 0.3, 40.0, -1000.0)
    volume = Volume(data, np.diag([*SPACING, 1.0]), modality="CT")
    page = imread(draw(tmp_path / "a.png", [Panel("a", data)], volume))
    assert (np.abs(page[:, :, 0] - 0.5) < 0.01).mean() > 0.1  # 40 HU is the middle of soft tissue


def test_what_cannot_be_drawn_is_refused_and_nothing_is_written(tmp_path):
    volume = scan()
    panel = Panel("a", volume.data)
    with pytest.raises(UserError, match=r"\.png"):
        draw(tmp_path / "a.jpg", [panel], volume)
    with pytest.raises(UserError, match="panel"):
        draw(tmp_path / "a.png", [], volume)
    with pytest.raises(ValueError, match="affine"):
        draw(tmp_path / "a.png", [Panel("a", volume.data[1:])], volume)
    with pytest.raises(ValueError, match="one of"):
        Panel("a", volume.data, "picture")
    assert not list(tmp_path.iterdir())
    draw(tmp_path / "a.png", [panel], volume)
    with pytest.raises(UserError, match="exists"):
        draw(tmp_path / "a.png", [panel], volume)
    draw(tmp_path / "a.png", [panel], volume, overwrite=True)
