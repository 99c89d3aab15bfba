"""Intensities in units that a network can learn, and back: u = (x - low) / (high - low), x = low + u (high - low).

Nothing is clipped, so both maps are inverses of each other to the rounding of float32.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from scidiff.volumes.foreground import foreground
from scidiff.volumes.volume import Volume

Values = TypeVar("Values")  # numpy arrays, torch tensors and plain numbers alike


@dataclass(frozen=True)
class Scale:
    """Which intensity is called 0 and which 1.

    Args:
        low, high: intensities in the units of the source.

    Raises:
        ValueError: high is not above low, or one is not finite.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a scale needs a finite low below a finite high, not {self.low} and {self.high}")

    def to_unit(self, values: Values) -> Values:
        """Source units to [0, 1], and beyond for what lies beyond."""
        return (values - self.low) / (self.high - self.low)

    def from_unit(self, values: Values) -> Values:
        """Back to source units."""
        return values * (self.high - self.low) + self.low


@dataclass(frozen=True)
class Percentiles:
    """MRI, whose units are arbitrary: each volume has a scale of its own, from percentiles of its foreground.

    1 is the `high` percentile. 0 stays the scanner's 0, which is no signal, unless the foreground goes below that (a
    volume someone has standardised); then it is the `low` percentile.

    Args:
        low, high: percentiles of the foreground, 0 to 100; 99.5 leaves out vessels and spikes.
    """

    low: float = 0.5
    high: float = 99.5

    def fit(self, volume: Volume, mask: np.ndarray | None = None) -> Scale:
        """The scale of one volume; `mask` (X, Y, Z) bool replaces the foreground that is found otherwise.

        Raises:
            ValueError: the foreground holds one value only.
        """
        inside = volume.data[foreground(volume) if mask is None else mask]
        low, high = np.percentile(inside, [self.low, self.high])
        return Scale(min(0.0, float(low)), float(high))


@dataclass(frozen=True)
class Window:
    """CT, whose units mean something: one scale for all volumes, in HU.

    With the default 0 is air and 1/2 is water: u is attenuation over twice water's, never below 0 but for noise.

    Args:
        low, high: HU called 0 and 1; dense bone and metal go beyond 1.
    """

    low: float = -1000.0
    high: float = 1000.0

    def fit(self, volume: Volume, mask: np.ndarray | None = None) -> Scale:
        """The same scale, whatever the volume."""
        return Scale(self.low, self.high)
