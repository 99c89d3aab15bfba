"""Which rows of a data set are learnt from, which are looked at on the way, and which are kept for the end."""

from collections.abc import Sequence

import numpy as np

PARTS = ("train", "validation", "test")


def split(groups: np.ndarray, shares: Sequence[float], seed: int = 0) -> np.ndarray:
    """The part of each row: 0 train, 1 validation, 2 test. Rows of one group are never divided.

    Groups come in random order; each goes to validation if it still fits there, else to test, else to training. So
    no part but training gets more than its share, and groups larger than a share go to training.

    Args:
        groups: (N,) whose rows belong together.
        shares: of train, validation and test; they sum to 1.
        seed: of the order.

    Returns:
        (N,) int8.
    """
    _, where, counts = np.unique(groups, return_inverse=True, return_counts=True)
    room = [int(share * len(groups) + 0.5) for share in shares[1:]]
    parts = np.zeros(len(counts), dtype=np.int8)
    for group in np.random.default_rng(seed).permutation(len(counts)):
        part = next((k for k, left in enumerate(room) if counts[group] <= left), -1) + 1
        parts[group] = part
        if part:
            room[part - 1] -= counts[group]
    return parts[where]
