"""The two tests of memorisation: exact where small, right in how often they cry wolf."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from scidiff.store.nearer import hits, nearer, wilson

RANDOM = np.random.default_rng(0)


def test_it_is_scipys_mann_whitney_with_ties():
    ours, control = RANDOM.integers(0, 9, 40) + 1.0, RANDOM.integers(0, 9, 30) + 0.0
    expected = stats.mannwhitneyu(ours, control, alternative="greater", method="asymptotic", use_continuity=False)
    found = nearer(ours, control)
    assert found.p == pytest.approx(expected.pvalue) and found.auc == pytest.approx(expected.statistic / 1200)
    assert found.low < found.auc < found.high


def test_alarms_and_intervals_are_as_frequent_as_they_say():
    """Of 2,000 pairs of one law 5 % alarm; of two laws 95 % of the intervals hold the true AUC. Within 4 sigma."""
    pairs = [nearer(*RANDOM.normal(size=(2, 50))) for _ in range(2000)]
    assert np.mean([one.p < 0.05 for one in pairs]) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 2000))
    truth = stats.norm.cdf(1 / np.sqrt(2))
    moved = [nearer(1 + RANDOM.normal(size=60), RANDOM.normal(size=90)) for _ in range(2000)]
    held = np.mean([one.low <= truth <= one.high for one in moved])
    assert held == pytest.approx(0.95, abs=0.01 + 4 * np.sqrt(0.05 * 0.95 / 2000))  # normal theory at n = 60


def test_what_is_all_alike_is_no_nearer():
    found = nearer(np.ones(5), np.ones(4))
    assert (found.auc, found.z, found.p) == (0.5, 0.0, 0.5)
    with pytest.raises(ValueError, match="nothing"):
        nearer(np.ones(0), np.ones(4))


def test_hits_are_a_binomial_tail():
    found = hits(9, 1, 300, 100)
    assert found.p == pytest.approx(stats.binom.sf(8, 10, 0.75))
    assert (found.share, found.expected) == (0.9, 0.75)
    assert found.excess == 9 - 3 * 1 and found.excess_error == pytest.approx(np.sqrt(9 + 9))
    assert hits(0, 0, 3, 4).p == 1 and hits(0, 0, 3, 4).share is None
    assert hits(4000, 0, 100_000, 30_000).p == pytest.approx((10 / 13) ** 4000, abs=1e-300)


def test_who_cannot_tell_training_from_held_out_is_no_thief():
    """Over every division of eight examples, what a fixed generator meets alarms no more often than p says."""
    made, whole = {0, 1, 2, 5}, range(8)
    chances = [hits(len(made & set(part)), len(made - set(part)), 5, 3).p for part in combinations(whole, 5)]
    for level in (0.05, 0.1, 0.3, 0.5):
        assert np.mean(np.array(chances) <= level) <= level


def test_wilsons_interval_is_scipys():
    expected = stats.binomtest(7, 20).proportion_ci(method="wilson")
    assert wilson(7, 20) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert wilson(0, 0) == (0, 1)
