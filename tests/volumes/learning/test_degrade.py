"""Whatever degradation is drawn, its observation is one of the truth, with the noise that it states."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from volumes.heads import head

from scidiff.engine.noise import Noise
from scidiff.volumes.learning.degrade import DRAW, PLANAR, QUIETEST, Degradation
from scidiff.volumes.operators import Identity, Mask, Radon, Resample
from scidiff.volumes.problem import TASKS, pose

SHAPE = (24, 28, 26)
TRUTH = torch.from_numpy(head(SHAPE))[None, None]
DRAWS = 12


def degradations(task: str, x: torch.Tensor = TRUTH, count: int = DRAWS) -> list[Degradation]:
    random = np.random.default_rng(7)
    return [DRAW[task](x, random) for _ in range(count)]


def noise(seed: int = 0) -> Noise:
    return Noise.of(seed, torch.zeros(1, dtype=torch.int64))


def test_every_task_has_its_degradations():
    assert tuple(DRAW) == TASKS and set(PLANAR) < set(TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_the_truth_explains_what_was_seen(task):
    """|A x - y| / (sigma sqrt m) is 1 within 4 / sqrt(2 m), sigma's own share where less noise is added than stated.

    Rician noise is not of zero mean, so that it is left out.
    """
    for number, degradation in enumerate(each for each in degradations(task) if each.noise == "gaussian"):
        seen = degradation.observe(TRUTH, noise(number))
        wanted = degradation.sigma / max(degradation.sigma, QUIETEST)
        count = degradation.operator.count(seen.y)
        assert seen.sigma == max(degradation.sigma, QUIETEST)
        assert abs(float(seen.residual(TRUTH)) - wanted) <= 4 * wanted / math.sqrt(2 * count) + 2e-3 * (not wanted)


@pytest.mark.parametrize("task", TASKS)
def test_what_was_not_measured_is_zero(task):
    """As `Operator.count` has it: y has no more entries that are not 0 than were measured."""
    for degradation in degradations(task):
        y = degradation.observe(TRUTH, noise()).y
        assert int((y != 0).sum()) <= degradation.operator.count(y) + 1  # which rounds a mean


def test_rician_noise_is_never_below_zero():
    """And its second moment is that of the truth plus two components' variance, within 4 of its own deviations."""
    found = [each for each in degradations("denoise", count=40) if each.noise == "rician"]
    assert 0.25 * 40 - 4 * math.sqrt(40 * 3 / 16) < len(found) < 0.25 * 40 + 4 * math.sqrt(40 * 3 / 16)
    for degradation in found:
        y, sigma = degradation.observe(TRUTH, noise()).y, degradation.sigma
        variance = 4 * sigma**2 * float(TRUTH.square().mean()) + 4 * sigma**4
        excess = float((y.square() - TRUTH.square()).mean()) - 2 * sigma**2
        assert y.min() >= 0 and abs(excess) < 4 * math.sqrt(variance / TRUTH.numel())


def test_draws_cover_what_scanners_do():
    """Kinds of noise, holes, voxels, lines and views differ among draws, and stay within what is told of them."""
    assert all(0.02 <= each.sigma <= 0.3 and isinstance(each.operator, Identity) for each in degradations("denoise"))
    factors = {each.operator.factors for each in degradations("superres") if isinstance(each.operator, Resample)}
    assert len(factors) > 3 and all(1 <= factor <= 6 for triple in factors for factor in triple)
    views = Counter(len(each.operator.angles) for each in degradations("ct") if isinstance(each.operator, Radon))
    assert len(views) > 2 and all(12 <= count <= 90 for count in views)
    assert {each.operator.axes for each in degradations("mri")} == {(1, 2)}
    assert {each.operator.maps.shape[0] for each in degradations("mri", count=20)} == {1, 6}
    hidden = [1 - float(each.operator.kept.float().mean()) for each in degradations("inpaint")]
    assert all(isinstance(each.operator, Mask) for each in degradations("inpaint")) and max(hidden) > 0.3


def test_the_same_numbers_draw_the_same_problem():
    for task in TASKS:
        one, other = (degradations(task, count=3)[2].observe(TRUTH, noise(5)) for _ in range(2))
        assert torch.equal(one.y, other.y)


@pytest.mark.parametrize("shape", [(8, 8, 8), (12, 10, 1), (3, 9, 5), (24, 5, 5)], ids=str)
@pytest.mark.parametrize("task", TASKS)
def test_small_and_flat_volumes_too(task, shape):
    """A scan may be smaller than a hole, thinner than a slice: it is still degraded and answered."""
    random = np.random.default_rng(1)
    x = torch.from_numpy(random.uniform(0, 1, shape).astype(np.float32))[None, None]
    for degradation in degradations(task, x, count=6):
        seen = degradation.observe(x, noise())
        assert torch.isfinite(seen.y).all() and seen.y.abs().max() > 0
    assert torch.isfinite(pose(seen, task).estimate).all()
