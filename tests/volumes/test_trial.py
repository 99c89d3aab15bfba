"""Trials: the fixed problems are what they say, and a model is compared with what it began with."""

import numpy as np
import pytest
import torch

from scidiff.engine.noise import Noise
from scidiff.store.errors import UserError
from scidiff.volumes.baselines.shelf import BASELINES
from scidiff.volumes.restore.run import How
from scidiff.volumes.trial.calibrate import TRUSTS, best_trust, centre, mean_errors, spread
from scidiff.volumes.trial.judge import Outcome, published, rows
from scidiff.volumes.trial.settings import SETTINGS
from scidiff.volumes.trial.trial import Trial, setting
from scidiff.volumes.volume import Volume
from tests.volumes.heads import head
from tests.volumes.tiny import tiny_model

SCAN = Volume(head((24, 28, 20)), np.eye(4))


@pytest.mark.parametrize("name", SETTINGS)
def test_the_truth_explains_every_observation(name):
    """|A x - y| / (sigma sqrt m) is 1 within 5 deviations of a chi; 0 where no noise was added."""
    trial = Trial.of(name, SCAN, seed=3)
    observation = trial.observation
    residual = float(observation.residual(trial.truth))
    if SETTINGS[name].task in ("denoise", "mri", "ct"):
        assert abs(residual - 1) < 5 / (2 * observation.operator.count(observation.y)) ** 0.5
    else:
        assert residual < 1e-2
    again = Trial.of(name, SCAN, seed=3).observation
    assert torch.equal(torch.view_as_real(again.y) if again.y.is_complex() else again.y, _real(observation.y))


def test_a_sample_does_not_know_the_noise_of_the_scan():
    """Of the same seed: what the sampler draws has nothing to do with what the scan suffers."""
    trial = Trial.of("denoise-0.1", SCAN, seed=3)
    draws = Noise.of(3, torch.zeros(1, dtype=torch.int64))
    suffered = (trial.observation.y - trial.truth).flatten()
    for _ in range(3):
        both = torch.stack([suffered, draws.normal(trial.truth).flatten()])
        assert abs(torch.corrcoef(both)[0, 1]) < 5 / suffered.numel() ** 0.5


def _real(y: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(y) if y.is_complex() else y


@pytest.mark.parametrize("acceleration", [4, 8])
def test_eight_coils_tell_more_than_one_from_the_same_lines(acceleration):
    one, eight = (Trial.of(f"mri-{coils}{acceleration}", SCAN, seed=2) for coils in ("", "coils-"))
    assert torch.equal(one.observation.operator.mask, eight.observation.operator.mask)
    assert eight.observation.y.shape[1] == 8 and one.observation.sigma == eight.observation.sigma
    psnr = [trial.classical(["cg"])["cg"]["psnr"] for trial in (one, eight)]
    assert psnr[1] > psnr[0] + 1


def test_a_model_that_says_nothing_is_the_classical_answer():
    trial = Trial.of("denoise-0.1", SCAN)
    ours, begun = trial.ours(tiny_model(), How(check=False))
    assert ours["psnr"] == pytest.approx(begun["psnr"], abs=1e-4)
    first = next(iter(BASELINES["denoise"]))
    assert begun["psnr"] == pytest.approx(trial.classical([first])[first]["psnr"], abs=1e-4)


def test_the_best_trust_is_that_of_the_least_error():
    trial = Trial.of("inpaint-slices", SCAN)
    errors = mean_errors(tiny_model(0.2), trial)
    assert len(errors) == len(TRUSTS) and errors[0] > errors[-1], "known voxels correct a model that is wrong"
    assert best_trust([errors]) == TRUSTS[int(errors.argmin())]


def test_only_open_voxels_of_tissue_are_scored():
    trial = Trial.of("inpaint-lesions", SCAN)
    errors, sd = spread(tiny_model(), trial)
    assert 0 < len(errors) <= int((~trial.observation.operator.kept).sum()) and bool((sd > 0).all())


def test_the_middle_stays_where_it_was():
    middle = centre(SCAN, 16)
    assert middle.shape == (16, 16, 16) and np.array_equal(middle.data, SCAN.data[4:20, 6:22, 2:18])
    assert middle.affine[:3, 3].tolist() == [4, 6, 2]
    assert centre(SCAN, 100).shape == SCAN.shape


def test_rows_name_the_best_rival_and_newer_ones_replace_older():
    def outcome(name: str, ours: float) -> Outcome:
        figures = {"psnr": ours, "foreground/psnr": ours - 1, "seconds": 2.0, "harmless": 1.0}
        rival = {"psnr": 30.0, "foreground/psnr": 29.5}
        worse = {"psnr": 25.0, "foreground/psnr": 29.9}
        return Outcome(name, "a.nii", figures, {"tv": rival, "nlm": worse})

    table = rows([outcome("mri-4", 31.0), outcome("mri-4", 33.0), outcome("ct-60", 29.0)])
    assert [row["setting"] for row in table] == ["mri-4", "ct-60"]
    assert table[0]["difference"] == pytest.approx(2) and table[0]["baseline"] == "tv" and table[0]["n"] == 2
    assert table[0]["foreground"]["baseline"] == "nlm" and table[0]["foreground"]["difference"] == pytest.approx(1.1)
    header = published({"judged": [{"setting": "ct-60", "psnr": 1.0}, {"setting": "denoise-0.1"}]}, table)
    assert [row["setting"] for row in header["judged"]] == ["denoise-0.1", "mri-4", "ct-60"]
    assert header["judged"][2]["psnr"] == pytest.approx(29)


def test_an_unknown_setting_is_named():
    with pytest.raises(UserError, match="mri-4"):
        setting("mri4")
