"""What a user has as y = A x + e: units, grids, and what must not be looked at."""

import numpy as np
import pytest
import torch

from scidiff.store.errors import UserError
from scidiff.volumes import observe as room
from scidiff.volumes.files import checks
from scidiff.volumes.intensity import Percentiles, Window
from scidiff.volumes.observe import Asked, degraded, factors, observe
from scidiff.volumes.operators.resample import Resample
from scidiff.volumes.trial.settings import SETTINGS
from scidiff.volumes.volume import Volume
from tests.volumes.heads import head

SHAPE = (24, 26, 22)
HEAD = 800 * head(SHAPE)
TURNED = np.array([[0.0, 0, 2.0, -20], [-1.1, 0, 0, 31], [0, 0.9, 0, 5], [0, 0, 0, 1]])
SCAN = Volume(HEAD, TURNED, name="scan")
NOISE = np.random.default_rng(0).standard_normal(SHAPE)
HOLES = np.zeros(SHAPE, dtype=bool)
HOLES[8:13, 9:14, 8:12] = True


def test_the_noise_is_found_and_told_in_the_units_of_the_scan():
    """40 in a head of 800, so small that edges are nearly everywhere: within 30 %, from above."""
    noisy = SCAN.replace(data=HEAD + 40 * NOISE)
    observed = observe(noisy, "denoise", Percentiles(), Asked())
    assert observed.sigma == pytest.approx(40, rel=0.3)
    assert f"sigma {observed.sigma:.4g}" in observed.notes[0]
    given = observe(noisy, "denoise", Percentiles(), Asked(sigma=25.0))
    assert given.sigma == pytest.approx(25)
    assert given.notes == ("Noise: sigma 25, as given.",)


@pytest.mark.parametrize("intensity", [Percentiles(), Window(-1000, 1000)])
def test_the_way_to_units_and_back_gives_the_scan(intensity):
    """To the rounding of float32 at 2,000."""
    observed = observe(SCAN, "denoise", intensity, Asked(sigma=10))
    assert np.abs(observed.as_volume(observed.observation.y).data - HEAD).max() < 5e-4
    spread = observed.as_spread(observed.observation.y * 0 + 0.5)
    assert np.allclose(spread.data, observed.width / 2)
    assert spread.header.dtype == np.float32


def test_what_the_holes_hold_is_not_looked_at():
    """Bright metal or nothing: the same problem, to the bit."""
    problems = [
        observe(SCAN.replace(data=np.where(HOLES, value, HEAD)), "inpaint", Percentiles(), Asked(), HOLES)
        for value in (0.0, -500.0, 1e6)
    ]
    for other in problems[1:]:
        assert other.scale == problems[0].scale
        assert torch.equal(other.observation.y, problems[0].observation.y)
        assert np.array_equal(other.grid.data, problems[0].grid.data)


def test_known_voxels_come_back_to_the_bit_unless_they_are_noisy():
    observed = observe(SCAN, "inpaint", Percentiles(), Asked(), HOLES)
    back = observed.as_volume(torch.full((1, 1, *SHAPE), 0.3)).data
    assert np.array_equal(back[~HOLES], SCAN.data[~HOLES])
    assert np.allclose(back[HOLES], observed.scale.from_unit(0.3))
    noisy = observe(SCAN, "inpaint", Percentiles(), Asked(sigma=20.0), HOLES)
    assert noisy.kept is None
    assert noisy.sigma == pytest.approx(20)


@pytest.mark.parametrize("factor", [2, [1, 1, 4], [1.5, 1, 3], 1.3])
def test_the_finer_grid_covers_the_same_box(factor):
    """The outer corners of both grids are one: exactly for whole numbers of voxels, else to half a voxel."""
    observed = observe(SCAN, "superres", Percentiles(), Asked(factor=factor))
    fine = observed.grid
    whole = all(float(n * f).is_integer() for n, f in zip(SHAPE, factors(factor), strict=True))
    for corner in np.ndindex(2, 2, 2):
        theirs = TURNED @ [*(np.array(corner) * SHAPE - 0.5), 1]
        ours = fine.affine @ [*(np.array(corner) * fine.shape - 0.5), 1]
        assert np.abs(theirs - ours).max() < (1e-9 if whole else 1.01 * max(fine.spacing) / 2)
    assert np.allclose(np.array(SCAN.spacing) / fine.spacing, factors(factor))
    assert np.allclose(observed.seen().affine, TURNED)
    assert np.abs(observed.seen().data - HEAD).max() < 5e-4


def test_a_finer_scan_explains_the_coarse_one():
    """The world the fine grid lies in is the one the coarse voxels are means of."""
    fine = Volume(HEAD, TURNED)
    operator = Resample(SHAPE, (1.0, 2.0, 2.0))
    coarse = operator(torch.from_numpy(HEAD)[None, None])[0, 0].numpy()
    scan = Volume(coarse, TURNED @ operator.grid.numpy())
    observed = observe(scan, "superres", Percentiles(), Asked(factor=[1, 2, 2]))
    assert np.allclose(observed.grid.affine, fine.affine)
    truth = torch.from_numpy(observed.scale.to_unit(HEAD))[None, None]
    assert float(observed.observation.mismatch(truth).abs().max()) < 1e-5


def test_a_gaussian_profile_is_another_problem():
    box, bell = (observe(SCAN, "superres", Percentiles(), Asked(factor=2, profile=p)) for p in (None, "gaussian"))
    assert box.observation.operator.profile == "box"
    assert bell.observation.operator.profile == "gaussian"


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_measures_the_truth_but_for_its_noise(name):
    """|A x - y| / (sigma sqrt m) of the truth: 1 with noise, within 5 / sqrt(m); 0 without."""
    observed = degraded(SCAN, name, Percentiles(), seed=1)
    truth = torch.from_numpy(observed.scale.to_unit(HEAD))[None, None]
    residual, count = (
        float(observed.observation.residual(truth)),
        observed.observation.operator.count(observed.observation.y),
    )
    assert observed.truth is SCAN
    assert observed.task == SETTINGS[name].task
    assert residual == pytest.approx(1.0, abs=5 / count**0.5) or residual < 1e-3
    again = degraded(SCAN, name, Percentiles(), seed=1)
    assert torch.equal(again.observation.y, observed.observation.y)
    if observed.task == "inpaint":
        assert np.array_equal(observed.as_volume(0 * truth).data[observed.kept], HEAD[observed.kept])


@pytest.mark.parametrize(
    ("task", "asked", "holes", "words"),
    [
        ("mri", Asked(), None, "an .npz file"),
        ("denoise", Asked(sigma=0), None, "no noise to remove"),
        ("inpaint", Asked(), None, "mask=<file>"),
        ("inpaint", Asked(), np.ones(SHAPE, dtype=bool), "leaves no voxel"),
        ("inpaint", Asked(), HEAD > 0, "one value"),
        ("superres", Asked(), None, "factor=2"),
        ("superres", Asked(factor=0.5), None, "1 or more"),
        ("superres", Asked(factor=[1, 1, 1]), None, "above 1 along one"),
        ("superres", Asked(factor=[2, 2]), None, "one for each axis"),
        ("superres", Asked(factor="two"), None, "expected one number"),
        ("superres", Asked(factor=True), None, "expected one number"),
        ("superres", Asked(factor=float("nan")), None, "1 or more"),
        ("superres", Asked(factor=2, profile="bell"), None, "box, gaussian"),
    ],
)
def test_what_will_not_do_is_refused_in_a_sentence(task, asked, holes, words):
    with pytest.raises(UserError, match=words):
        observe(SCAN, task, Percentiles(), asked, holes)


def test_a_setting_that_there_is_not_is_refused():
    with pytest.raises(UserError, match="Did you mean 'mri-8'"):
        degraded(SCAN, "mri-88", Percentiles())


@pytest.mark.parametrize("factor", [1.0, 8.0])
def test_more_voxels_than_memory_are_refused_with_both_amounts(monkeypatch, factor):
    """A scan of 14,000 voxels takes 3 MB, one eight times as fine along each axis 1.4 GB."""
    monkeypatch.setattr(checks, "free_memory", lambda: 1_000_000 * factor**2)
    with pytest.raises(UserError, match=r"needs .* GB; .* GB are free\. Crop it first"):
        if factor == 1:
            observe(SCAN, "denoise", Percentiles(), Asked())
        else:
            observe(SCAN, "superres", Percentiles(), Asked(factor=factor))
    assert room.COPIES * 4 * HEAD.size > 1_000_000
