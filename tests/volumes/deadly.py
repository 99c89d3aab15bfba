"""What ends a process without a word, as a system short of memory does: importable by the processes it is sent to."""

import os
from dataclasses import dataclass

from scidiff.volumes.intensity import Percentiles, Scale


@dataclass(frozen=True)
class Deadly(Percentiles):
    """The usual scale of intensities, but for scans of one name."""

    name: str = ""

    def fit(self, volume, mask=None) -> Scale:
        """End this process, or scale."""
        if self.name in volume.name:
            os._exit(9)
        return super().fit(volume, mask)
