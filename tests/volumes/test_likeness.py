"""Warnings: none for what a model was trained on, one for each thing that is unlike it."""

import json

import numpy as np
import pytest
from volumes.heads import head

from scidiff.volumes.intensity import Window
from scidiff.volumes.likeness import facts_of, told, unlike
from scidiff.volumes.volume import Volume

SHAPE = (40, 44, 36)


def scan(seed: int, spacing=(4.0, 4.0, 5.0), codes: str = "LAS", modality: str = "T1w") -> Volume:
    """Some head in arbitrary units of its own."""
    signs = [1 if code in "RAS" else -1 for code in codes]
    data = head(SHAPE, seed) * (300 + 500 * seed)
    return Volume(data, np.diag([*np.multiply(signs, spacing), 1.0]), modality=modality)


@pytest.fixture(scope="module")
def facts() -> dict:
    """Of six heads, as a header would hold them."""
    scans = (scan(k, spacing=(4.0, 4.0 + 0.1 * k, 5.0)) for k in range(6))
    return json.loads(json.dumps(facts_of(scans)))


def only(warnings: list[str]) -> str:
    assert len(warnings) == 1, warnings
    return warnings[0]


@pytest.mark.parametrize("seed", [6, 7, 8])
def test_another_head_of_the_same_kind_is_like_the_others(seed, facts):
    assert unlike(scan(seed), facts) == []
    assert unlike(scan(seed, codes="RAS"), facts) == []  # a mirrored head is a head


@pytest.mark.parametrize("sigma", [0.05, 0.1])
def test_noise_is_what_a_model_is_for(sigma, facts):
    volume, random = scan(6), np.random.default_rng(0)
    noise = sigma * volume.data.max() * random.standard_normal((2, *SHAPE))
    assert unlike(volume.replace(data=volume.data + noise[0]), facts) == []
    assert unlike(volume.replace(data=np.hypot(volume.data + noise[0], noise[1])), facts) == []


def test_facts_are_those_of_the_scans(facts):
    assert facts["n"] == 6 and facts["modality"] == {"T1w": 6} and facts["orientation"] == {"LAS": 6}
    np.testing.assert_allclose(facts["spacing"], [[4, 4], [4, 4.5], [5, 5]])
    assert facts["masked"] == 6  # the air of these heads is exactly 0
    medians = [row[4] for row in facts["profiles"]]
    mask = head(SHAPE, 0) > 0.05
    assert min(medians) - 0.1 < np.median(head(SHAPE, 0)[mask]) < max(medians) + 0.1


def test_another_modality_is_told_as_far_as_it_is_known(facts):
    assert "T2w" in only(unlike(scan(6, modality="T2w"), facts, "brain"))
    assert only(unlike(scan(6, modality="CT"), facts, "brain")).startswith("brain was trained on T1w")
    for unknown in ("", "MR", "T1w"):
        assert unlike(scan(6, modality=unknown), facts) == []


def test_voxels_of_another_size_are_told_along_their_axis(facts):
    warning = only(unlike(scan(6, spacing=(4.0, 4.0, 9.0)), facts, "brain"))
    assert warning == "brain was trained on voxels of 4 to 5 mm; this scan's are 9 mm along z."
    assert unlike(scan(6, spacing=(4.8, 4.8, 6.0)), facts) == []
    thrice = only(unlike(scan(6, spacing=(12.0, 12.0, 15.0)), facts))
    assert "12 mm along x, 12 mm along y, 15 mm along z" in thrice


def test_the_grid_that_is_restored_counts_where_it_is_not_the_scans(facts):
    coarse = scan(6, spacing=(8.0, 8.0, 10.0))
    assert unlike(coarse, facts) and unlike(coarse, facts, affine=scan(6).affine) == []


def test_thick_slices_along_another_axis_are_told_unless_training_turned_the_scans():
    thick = [scan(k, spacing=(2.0, 2.0, 10.0)) for k in range(3)]
    other = scan(6, spacing=(10.0, 2.0, 2.0))
    assert "2 x 2 x 10 mm" in unlike(other, facts_of(thick))[0]
    assert unlike(other, facts_of(thick, turned=True)) == []


def test_axes_in_another_order_are_told_unless_training_turned_the_scans(facts):
    volume = scan(6, spacing=(4.0, 4.0, 5.0))
    swapped = volume.replace(data=volume.data.transpose(2, 0, 1), affine=volume.affine[:, [2, 0, 1, 3]])
    warning = only(unlike(swapped, facts))  # of the axes alone: its voxels are the same in the patient
    assert "SLA" in warning and "LAS" in warning
    upside_down = volume.replace(affine=volume.affine @ np.diag([1.0, 1.0, -1.0, 1.0]))
    assert "LAI" in only(unlike(upside_down, facts))
    assert unlike(swapped, {**facts, "turned": True}) == []


def test_hounsfield_units_in_a_model_of_mri(facts):
    volume = scan(6)
    hounsfield = volume.replace(data=np.where(volume.data > 0.02 * volume.data.max(), 40 + 50 * head(SHAPE, 6), -1000))
    assert "HU of a CT" in only(unlike(hounsfield.replace(modality=""), facts))


def test_a_standardised_scan_goes_below_zero(facts):
    data = scan(6).data
    inside = data[data > 0]
    assert "negative" in only(unlike(scan(6).replace(data=(data - inside.mean()) / inside.std()), facts))


@pytest.mark.parametrize("change", [lambda u: np.where(u > 0, 1.05 - u, 0), lambda u: u**4, lambda u: u**0.2])
def test_another_contrast_is_told_by_the_intensities(change, facts):
    assert "contrast" in only(unlike(scan(6).replace(data=change(head(SHAPE, 6))), facts))


def test_a_model_of_ct_expects_hounsfield_units():
    def ct(seed: int, offset: float = -1000.0) -> Volume:
        return Volume(1100 * head(SHAPE, seed) + offset, np.diag([4.0, 4.0, 5.0, 1.0]), modality="CT")

    facts = json.loads(json.dumps(facts_of(map(ct, range(4)), Window())))
    assert unlike(ct(5), facts) == []
    assert "contrast" in only(unlike(ct(5, 0.0), facts))  # HU + 1000, as some archives have them


@pytest.mark.parametrize("shape", [(40, 44, 1), (1, 44, 36), (6, 6, 6)])
def test_thin_scans_are_judged_too(shape, facts):
    data = head(SHAPE, 6)[tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(SHAPE, shape, strict=True))]
    assert isinstance(unlike(scan(6).replace(data=data), facts), list)


def test_one_scan_is_enough_for_facts_and_none_is_not(facts):
    assert unlike(scan(0), facts_of([scan(0)])) == []
    with pytest.raises(ValueError, match="no training scans"):
        facts_of([])


def test_words_for_the_card_say_what_is_known(facts):
    words = told(facts)
    assert words["voxels"] == "4 x 4-4.5 x 5 mm" and words["modality"] == "T1w (6)" and words["axes"] == "LAS (6)"
    assert told({}) == {} and told({"modality": {"CT": 2}}) == {"modality": "CT (2)"}
    assert told({**facts, "turned": True})["voxels"] == "4 to 5 mm"
