"""What a network is told of an observation, and the unit of its answer."""

import math

import numpy as np
import pytest
import torch
from volumes.heads import head

from scidiff.engine.noise import Noise
from scidiff.engine.operator import Observation
from scidiff.volumes.operators import Identity, KSpace, Mask, Resample
from scidiff.volumes.operators.coils import phase_map
from scidiff.volumes.operators.noise import gaussian
from scidiff.volumes.operators.sampling import sampling
from scidiff.volumes.problem import PRIOR, Problem, context, local_mean, nothing, pose, shown

SHAPE = (16, 18, 14)
TRUTH = torch.from_numpy(head(SHAPE))[None, None]
PHASE = torch.polar(torch.ones(SHAPE), phase_map(SHAPE))[None]
SEEN = torch.rand(SHAPE, generator=torch.Generator().manual_seed(3)) > 0.4
OPERATORS = {
    "denoise": (Identity(), 1.0),
    "inpaint": (Mask(SEEN), 1.0),
    "mri": (KSpace(sampling(SHAPE, 3), (1, 2), PHASE), None),
    "superres": (Resample(SHAPE, (1.0, 1.0, 2.0)), 0.5),  # W W^T of boxes of two halves is 1/2
}
"""task -> operator, |A^T A| where it is known."""


def observed(task: str, sigma: float, stated: float | None = None) -> Observation:
    operator = OPERATORS[task][0]
    y = gaussian(operator(TRUTH), sigma, Noise.of(0, torch.zeros(1, dtype=torch.int64)))
    return Observation(y, operator, sigma if stated is None else stated)


@pytest.mark.parametrize("task", OPERATORS)
def test_the_truth_has_no_mismatch_without_noise(task, monkeypatch):
    """A^T (y - A x) = 0 for y = A x; the classical answer is replaced by the truth to see it."""
    monkeypatch.setattr("scidiff.volumes.problem.baseline", lambda task, name: lambda y, operator, sigma: TRUTH)
    assert pose(observed(task, 0.0, 1e-3), task).mismatch.abs().max() < 1e-6  # rounding of float32 numbers about 1


def test_the_mismatch_of_denoising_is_what_was_taken_away():
    seen = observed("denoise", 0.1)
    found = pose(seen, "denoise")
    assert torch.allclose(found.mismatch, seen.y - found.estimate, atol=1e-6)
    assert found.noise == pytest.approx(0.1, rel=1e-5) and found.fraction == 1 and bool(found.mask.all())


@pytest.mark.parametrize("task", OPERATORS)
def test_units_are_those_of_the_volume(task, monkeypatch):
    """Measurements in other units, y' = 3 y by an operator 3 A, pose the same problem: |A|^2 divides it out."""
    monkeypatch.setattr("scidiff.volumes.problem.baseline", lambda task, name: lambda y, operator, sigma: 0.9 * TRUTH)
    operator, norm = OPERATORS[task]
    seen = observed(task, 0.05)

    class Threefold(type(operator)):
        def __init__(self) -> None:
            self.__dict__.update(vars(operator))

        def __call__(self, x):
            return 3 * operator(x)

        def adjoint(self, y):
            return 3 * operator.adjoint(y)

        def normal(self, x):
            return 9 * operator.normal(x)

    one = pose(seen, task)
    other = pose(Observation(3 * seen.y, Threefold(), 0.15), task)
    assert torch.allclose(one.mismatch, other.mismatch, atol=1e-5) and one.noise == pytest.approx(other.noise, rel=1e-4)
    if norm is not None:  # the power iteration errs by a percent
        assert one.noise == pytest.approx(0.05 / math.sqrt(norm), rel=0.01)


def test_the_mask_shows_what_was_seen():
    found = pose(observed("inpaint", 0.0, 1e-3), "inpaint")
    assert torch.equal(found.mask[0, 0] > 0, SEEN) and found.fraction == pytest.approx(float(SEEN.float().mean()), 1e-3)
    assert torch.allclose(found.estimate[0, 0][SEEN], TRUTH[0, 0][SEEN], atol=1e-6)


def test_nothing_is_told_where_nothing_was_measured():
    given = context(nothing(TRUTH), 0.3)
    assert all(not given[key].any() for key in ("estimate", "detail", "mismatch", "mask", "noise"))
    assert float(given["fraction"]) == -2 and nothing(TRUTH).task == PRIOR


@pytest.mark.parametrize(("fraction", "number"), [(1, 1), (1 / 8, 0), (0.5, 2 / 3), (8, 2), (0, -2), (2**-12, -2)])
def test_a_fraction_as_it_is_shown(fraction, number):
    assert shown(fraction) == pytest.approx(number)


def test_a_mismatch_is_shown_in_units_of_the_error():
    found = pose(observed("denoise", 0.1), "denoise")
    assert torch.allclose(context(found, 0.05)["mismatch"] * 0.05, found.mismatch, atol=1e-7)
    assert float(context(found, 0.05)["noise"]) == pytest.approx(1, rel=1e-4)  # ten times sigma = 0.1
    state = found.state(0.05, count=3)
    assert len(state) == 3 and state["image"].shape == (3, 1, *SHAPE)


def test_detail_is_what_a_wide_mean_takes_away():
    """A constant has none, up to the borders; waves of a few voxels keep theirs; and it is in units of s."""
    constant = Problem("ct", torch.full((1, 1, 9, 8, 7), 0.7), TRUTH, TRUTH, 0.1, 1.0)
    assert context(constant, 0.01)["detail"].abs().max() < 1e-4  # float32's rounding over s
    wave = torch.sin(torch.arange(21) * 2 * math.pi / 3).expand(1, 1, 21, 21, 21)
    inner = (..., *[slice(3, -3)] * 3)
    found = context(Problem("ct", wave, TRUTH, TRUTH, 0.1, 1.0), 0.5)["detail"]
    mean = torch.stack([wave.roll(k, -1) for k in range(-3, 4)]).mean(0)
    assert torch.allclose(found[inner], ((wave - mean) / 0.5)[inner], atol=1e-5)


@pytest.mark.parametrize("shape", [(9, 1, 4), (2, 3, 12)])
def test_the_local_mean_is_of_what_lies_inside(shape):
    """Of volumes thinner than the cube too; against numpy's own mean of every cube."""
    x = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(0))
    found = local_mean(x)[0, 0].numpy()
    for place in np.ndindex(*shape):
        cube = tuple(slice(max(k - 3, 0), k + 4) for k in place)
        assert found[place] == pytest.approx(float(x[0, 0].numpy()[cube].mean()), rel=1e-5)
