"""Groups stay whole, shares are met as far as they allow, and the seed alone decides."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scidiff.store.split import split


@given(st.lists(st.integers(0, 12), min_size=1, max_size=80), st.integers(0, 5))
def test_a_group_is_in_one_part_and_no_part_but_training_has_more_than_its_share(groups, seed):
    parts = split(np.array(groups), (0.6, 0.2, 0.2), seed)
    assert all(len(set(parts[np.array(groups) == group])) == 1 for group in groups)
    assert all((parts == part).sum() <= 0.2 * len(groups) + 0.5 for part in (1, 2))
    assert np.array_equal(parts, split(np.array(groups), (0.6, 0.2, 0.2), seed))


def test_single_rows_meet_the_shares_exactly_and_another_seed_divides_otherwise():
    groups = np.arange(1000) * 7919
    parts = split(groups, (0.8, 0.15, 0.05), seed=0)
    assert np.bincount(parts).tolist() == [800, 150, 50]
    again = split(groups, (0.8, 0.15, 0.05), seed=1)
    assert 0.6 < (parts == again).mean() < 0.75  # by chance .8^2 + .15^2 + .05^2 = .665


def test_a_group_larger_than_a_part_is_learnt_from():
    assert split(np.array([5] * 60 + list(range(100, 140))), (0.8, 0.1, 0.1))[:60].tolist() == [0] * 60
