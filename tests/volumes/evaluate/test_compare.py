"""Summaries of many volumes: the best baseline by each figure's own direction, and scipy's paired tests."""

import numpy as np
import pytest
from scipy import stats

from scidiff.store.errors import UserError
from scidiff.volumes.evaluate import compare

RANDOM = np.random.default_rng(3)
OURS = RANDOM.normal(30, 2, 12)
TV = OURS - RANDOM.normal(1, 0.5, 12)
NLM = OURS - 3


def rows(psnr):
    return [{"psnr": value, "foreground/nmse": 1 / value, "data_range": 2.0} for value in psnr]


def test_the_best_baseline_and_the_paired_difference():
    found = compare(rows(OURS), {"nlm": rows(NLM), "tv": rows(TV)})
    assert found["n"] == 12
    assert found["psnr/mean"] == pytest.approx(OURS.mean())
    assert found["psnr/sd"] == pytest.approx(OURS.std(ddof=1))
    assert found["psnr/baseline"] == "tv" and found["foreground/nmse/baseline"] == "tv"
    assert found["psnr/baseline_mean"] == pytest.approx(TV.mean())
    assert found["psnr/difference"] == pytest.approx((OURS - TV).mean())
    assert found["psnr/difference_sd"] == pytest.approx((OURS - TV).std(ddof=1))
    assert found["psnr/p"] == pytest.approx(stats.ttest_rel(OURS, TV).pvalue)
    assert found["foreground/nmse/difference"] < 0  # less error than the best
    assert "data_range/baseline" not in found  # no merit


def test_wilcoxon():
    found = compare(rows(OURS), {"tv": rows(TV)}, test="wilcoxon")
    assert found["psnr/p"] == pytest.approx(stats.wilcoxon(OURS, TV).pvalue)


def test_the_null_is_rejected_as_often_as_it_should_be():
    p = []
    for _ in range(200):
        ours = RANDOM.normal(30, 2, 8)
        p.append(compare(rows(ours), {"tv": rows(ours + RANDOM.normal(0, 1, 8))})["psnr/p"])
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 200))


def test_few_volumes_and_no_difference():
    one = compare(rows(OURS[:1]), {"tv": rows(TV[:1])})
    assert "psnr/sd" not in one and "psnr/p" not in one and "psnr/difference" in one
    assert compare(rows(OURS), {"itself": rows(OURS)})["psnr/p"] == 1
    assert compare(rows(np.ones(4)), {"less": rows(np.zeros(4) + 0.5)})["psnr/p"] == 0
    assert compare(rows(OURS))["psnr/mean"] == pytest.approx(OURS.mean())


def test_a_figure_that_one_volume_lacks_is_left_out():
    assert "ssim/mean" not in compare([{"ssim": 0.9, "psnr": 30.0}, {"psnr": 31.0}])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([],), "no volumes"),
        ((rows(OURS), {"tv": rows(TV[1:])}), "11 volumes"),
        ((rows(OURS), {}, "chi"), "choose one"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, words):
    with pytest.raises(UserError, match=words):
        compare(*arguments)
