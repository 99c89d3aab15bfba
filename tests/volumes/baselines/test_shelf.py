"""Every baseline of the list, on every problem of its task; a new one is tested unasked."""

from functools import cache

import pytest
import torch
from volumes.baselines.problems import PROBLEMS, observe, psnr, truth

from scidiff.store.errors import UserError
from scidiff.volumes.baselines.shelf import BASELINES, adjoint, baseline
from scidiff.volumes.operators import Identity, Radon
from scidiff.volumes.operators.radon import views

PAIRS = [(problem, name) for problem, (task, *_) in PROBLEMS.items() for name in BASELINES[task]]
QUICK = [("noise", "tv"), ("thick", "tv"), ("lesion", "tv"), ("coils", "cg"), ("kspace", "wavelet"), ("views", "sirt")]


@cache
def gain(problem: str, name: str | None) -> float:
    """Decibels above what was seen, back-projected as it is (for k-space: filled with zeros)."""
    task, operator, sigma = PROBLEMS[problem]
    operator, x = operator(), truth()
    y = observe(operator, sigma, x)
    found = baseline(task, name)(y, operator, sigma)
    assert found.shape == x.shape and found.dtype == torch.float32
    return psnr(found, x) - psnr(adjoint(y, operator, sigma), x)


@pytest.mark.parametrize(("problem", "name"), PAIRS)
def test_it_beats_what_was_seen(problem, name):
    """By half a decibel at least: the thick slices of a small head leave room for no more."""
    assert gain(problem, name) == 0 if name == "zero_filled" else gain(problem, name) > 0.5


@pytest.mark.parametrize(("problem", "name"), QUICK)
def test_many_are_one_by_one_and_twice_the_same(problem, name):
    """Each sample with its own noise level."""
    task, operator, sigma = PROBLEMS[problem]
    operator, x, method = operator(), truth(2), BASELINES[task][name]
    y, levels = observe(operator, sigma, x), torch.tensor([sigma, 2 * sigma])
    together = method(y, operator, levels)
    assert torch.equal(together, method(y, operator, levels))
    for row in range(2):
        alone = method(y[row : row + 1], operator, float(levels[row]))
        assert (alone - together[row]).abs().max() < 1e-5 * x.max()


@pytest.mark.parametrize("name", BASELINES["denoise"])
def test_without_noise_nothing_changes(name):
    x = truth()
    assert (BASELINES["denoise"][name](x, Identity(), 0.0) - x).abs().max() < 1e-6
    assert (BASELINES["denoise"][name](x, Identity(), 1e-5) - x).abs().max() < 1e-3


@pytest.mark.parametrize("name", BASELINES["inpaint"])
def test_known_voxels_are_kept(name):
    """Exactly, where they are known exactly."""
    operator, x = PROBLEMS["lesion"][1](), truth()
    found = BASELINES["inpaint"][name](operator(x), operator, 0.0)
    kept = operator.kept.expand_as(x)
    assert torch.equal(found[kept], x[kept]) and not torch.equal(found[~kept], torch.zeros_like(x)[~kept])


@pytest.mark.parametrize("name", BASELINES["denoise"])
def test_units_do_not_matter(name):
    """Ten times the intensity and noise, ten times the answer."""
    y = observe(Identity(), 0.1, truth())
    method = BASELINES["denoise"][name]
    assert (method(10 * y, Identity(), 1.0) / 10 - method(y, Identity(), 0.1)).abs().max() < 1e-3


@pytest.mark.parametrize(("task", "name"), [("ct", "sirt"), ("ct", "cgls"), ("ct", "fbp"), ("ct", "tv")])
def test_attenuation_is_not_negative(task, name):
    operator = Radon((32, 36), views(16))
    assert BASELINES[task][name](observe(operator, 0.5, truth()), operator, 0.5).min() >= 0


@pytest.mark.parametrize("problem", [name for name in PROBLEMS if name != "noise"])
def test_the_first_is_the_best_all_round(problem):
    """`baseline(task)` is nowhere more than half a decibel below another of its task.

    But for noise on a head made of formulas: its flat air is what non-local means like best, and no scan's.
    """
    task = PROBLEMS[problem][0]
    best, *others = (gain(problem, name) for name in BASELINES[task])
    assert best > max(others) - 0.5


def test_unknown_names_are_explained():
    assert baseline("denoise") is BASELINES["denoise"]["tv"] and baseline("ct", "fbp") is BASELINES["ct"]["fbp"]
    with pytest.raises(UserError, match=r"no task 'denois'.* Did you mean 'denoise'"):
        baseline("denois")
    with pytest.raises(UserError, match=r"no baseline 'bm4d' for denoise.* There are: tv, nlm"):
        baseline("denoise", "bm4d")
