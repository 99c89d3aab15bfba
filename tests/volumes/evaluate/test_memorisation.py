"""Scans that repeat training scans are told from fresh ones of the same law: textures, every one drawn anew."""

import numpy as np
import pytest
from scipy import ndimage, stats

from scidiff.store.errors import UserError
from scidiff.volumes.evaluate.difference import difference
from scidiff.volumes.evaluate.memorisation import SIDE, audit
from scidiff.volumes.volume import Volume

COUNT, WIDTH = 8, 52


def scan(seed: int, coarse: float = 2.5) -> Volume:
    """A bright ball with a texture of its own."""
    texture = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((WIDTH,) * 3), coarse)
    grid = np.mgrid[(slice(0, WIDTH),) * 3] - WIDTH / 2
    ball = (grid**2).sum(0) < (0.48 * WIDTH) ** 2
    return Volume(np.where(ball, 3 + texture / texture.std(), 0), np.eye(4), name=f"scan {seed}")


TRAIN = [scan(seed) for seed in range(COUNT)]
HELD = [scan(100 + seed) for seed in range(COUNT)]


def audited(made, **changes):
    return audit(*([lambda one=one: one for one in scans] for scans in (made, TRAIN, HELD)), **changes)


def noisy(one: Volume, seed: int = 9) -> Volume:
    inside = one.data > 0
    return one.replace(data=one.data + 0.05 * inside * np.random.default_rng(seed).standard_normal(one.shape))


def test_a_copy_is_found_wherever_it_was_put():
    moved = noisy(TRAIN[2])
    moved = moved.replace(data=np.roll(moved.data, (3, -2, 1), (0, 1, 2)))
    found = audited([moved])
    assert found.margin.p < 1e-3 and found.nearness.p < 1e-3 and found.copied > 0.9
    assert found.control_copied == 0 and found.auc > 0.95


def test_fresh_scans_are_not_called_copies():
    found = [audited([scan(1000 + 3 * k + j) for j in range(3)]) for k in range(4)]
    chances = [one.margin.p for one in found] + [one.preference.p for one in found]
    assert min(chances) > 0.05 / len(chances) / 5 and max(chances) > 0.3  # eight draws from 0 to 1
    assert all(one.copied == 0 and not one.left_out for one in found)


def test_a_fifth_of_copies_is_found_and_counted():
    fresh = scan(77)
    data, places = fresh.data.copy(), [(16, 16, 16), (16, 32, 16), (32, 16, 16), (16, 16, 32)]
    for k, place in enumerate(places):
        there = tuple(slice(start, start + SIDE) for start in place)
        data[there] = TRAIN[k].data[there]
    found = audited([fresh.replace(data=data)])
    assert found.margin.p < 1e-3
    assert found.copied == pytest.approx(len(places) / len(found.nearest))


def test_what_is_only_smooth_does_not_prefer_training():
    """Its cubes are nearer to everything, held-out scans included."""
    made = [one.replace(data=ndimage.gaussian_filter(one.data, 1.5)) for one in (scan(500), scan(501))]
    found = audited(made)
    assert found.nearness.p < 0.05 < min(found.preference.p, found.margin.p) and found.copied == 0


def test_the_person_in_question_is_no_control():
    found = audited([noisy(HELD[3])])
    assert list(found.left_out) == [HELD[3].name]
    assert found.preference.p > 0.01


def test_axes_are_laid_alike():
    flipped = TRAIN[1].replace(data=TRAIN[1].data[::-1], affine=np.diag([-1.0, 1, 1, 1]))
    assert audited([flipped]).copied > 0.9


def test_one_control_is_too_few():
    with pytest.raises(UserError, match="needs two of each"):
        audit([lambda: HELD[0]], [lambda: TRAIN[0]], [lambda: HELD[0]])


def test_the_difference_is_students_and_takes_one_scan():
    random = np.random.default_rng(0)
    ours, others = random.normal(1, 1, 4), random.normal(0, 1, 6)
    expected = stats.ttest_ind(ours, others, alternative="greater").pvalue
    assert difference(ours, others).p == pytest.approx(expected)
    alarms = [difference(*np.split(random.normal(size=7), [1])).p < 0.05 for _ in range(2000)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 2000))
