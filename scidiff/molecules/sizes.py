"""How many atoms: the histogram of the training set, from which the size of sample i is drawn by its own seed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from scidiff.engine.noise import Noise

STREAM = 2  # the noise stream, apart from the sampler's


@dataclass(frozen=True)
class SizeHistogram:
    """counts: atoms -> molecules."""

    counts: Mapping[int, int]

    def draw(self, seed: int, samples: np.ndarray) -> np.ndarray:
        """Sizes (B,) of the samples numbered `samples` (B,)."""
        sizes = np.array(sorted(self.counts))
        edges = np.cumsum([self.counts[n] for n in sizes]).astype(np.float64)
        uniform = Noise.of(seed, torch.from_numpy(samples), STREAM).per_sample().double().numpy()
        return sizes[np.searchsorted(edges, uniform * edges[-1], side="right").clip(max=len(sizes) - 1)]
