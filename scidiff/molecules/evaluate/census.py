"""A census: how often each whole number occurred, kept sorted and small while millions stream past."""

import numpy as np

_FOLD_AT = 1 << 20  # numbers buffered before they are counted: 8 MB


class Census:
    """Counts of int64 codes.

    Example:
        >>> census = Census()
        >>> census.add(np.array([5, 3, 5]))
        >>> census.counted()
        (array([3, 5]), array([1, 2]))
    """

    def __init__(self, codes: np.ndarray | None = None, counts: np.ndarray | None = None) -> None:
        """Start empty, or from sorted unique (k,) `codes` and their (k,) `counts`."""
        self._codes = np.empty(0, dtype=np.int64) if codes is None else np.asarray(codes, dtype=np.int64)
        self._counts = np.empty(0, dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64)
        self._waiting: list[np.ndarray] = []
        self._size = 0

    def add(self, codes: np.ndarray) -> None:
        """Count (k,) more codes."""
        self._waiting.append(codes)
        self._size += len(codes)
        if self._size >= _FOLD_AT:
            self._fold()

    def counted(self) -> tuple[np.ndarray, np.ndarray]:
        """Sorted unique (k,) codes and how often each was added."""
        self._fold()
        return self._codes, self._counts

    def _fold(self) -> None:
        codes = np.concatenate([self._codes, *self._waiting])
        counts = np.concatenate([self._counts, np.ones(self._size, dtype=np.int64)])
        self._codes, place = np.unique(codes, return_inverse=True)
        # float64 weights are exact for counts below 2**53
        self._counts = np.bincount(place, weights=counts, minlength=len(self._codes)).astype(np.int64)
        self._waiting, self._size = [], 0
