"""A volume knows its spacing and orientation, and changes by replace alone."""

import dataclasses

import numpy as np
import pytest

from scidiff.volumes.volume import Header, Volume

DATA = np.arange(24.0).reshape(2, 3, 4)


def test_spacing_and_orientation_of_an_oblique_grid():
    turn = np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.9, 1.1, 3.0])
    volume = Volume(DATA, affine)
    assert volume.spacing == pytest.approx((0.9, 1.1, 3.0))
    assert volume.orientation == "LAS"
    assert volume.shape == (2, 3, 4)


def test_spacing_is_in_millimetres_whatever_the_file_says():
    assert Volume(DATA, np.eye(4), Header(units=("micron", "sec"))).spacing == pytest.approx((1e-3,) * 3)
    assert Volume(DATA, np.eye(4), Header(units=("meter", "sec"))).spacing == pytest.approx((1e3,) * 3)


def test_data_are_float32_in_rows_and_the_rest_is_kept():
    volume = Volume(np.asfortranarray(DATA), np.eye(4), name="a", modality="CT")
    assert volume.data.dtype == np.float32 and volume.data.flags.c_contiguous
    other = volume.replace(data=volume.data + 1)
    assert (other.data == DATA + 1).all() and (other.name, other.modality) == ("a", "CT")
    assert other.stored_as("int16", 0.5).header.dtype == np.int16
    with pytest.raises(dataclasses.FrozenInstanceError):
        volume.data = DATA


@pytest.mark.parametrize(("data", "affine"), [(DATA[0], np.eye(4)), (DATA, np.eye(3))])
def test_other_shapes_are_refused(data, affine):
    with pytest.raises(ValueError, match="expected data"):
        Volume(data, affine)
