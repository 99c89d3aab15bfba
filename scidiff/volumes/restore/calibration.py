"""What held-out scans say of a model: how far to trust its network, and how wide its intervals must be.

The deviation of a voxel is that of K samples, smoothed over neighbours (few samples scatter), times a width q fitted so
that 90 % of the held-out voxels whose truth was open lie within m +- z q sd, z = 1.645: split conformal prediction with
the score |x - m| / sd. q follows a power law of what was measured (`PowerLaw`), so that x8 and x4 need not share one.
Angelopoulos, Bates 2021 (arxiv.org/abs/2107.07511).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import ndimage, stats
from torch import Tensor

from scidiff.volumes.power_law import PowerLaw, Seen

LEVEL = 0.9
Z = float(stats.norm.ppf(0.5 + LEVEL / 2))
SMOOTHING = 1.5  # voxels
LEAST = 0.15  # of the mean deviation: no voxel is surer than that


@dataclass(frozen=True)
class Calibration:
    """Figures by task.

    Args:
        trust: k, the error after the network over the classical one's; 0 takes the network's word.
        width: q of a problem.
    """

    trust: Mapping[str, float]
    width: PowerLaw

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> "Calibration":
        """Of a model file; nothing is known where the header does not say."""
        found = header.get("calibration", {})
        return cls(found.get("trust", {}), PowerLaw(found.get("width", {})))

    def deviation(self, samples: Tensor, problem: Seen, open_: Tensor | None = None) -> Tensor:
        """The calibrated deviation of every voxel: (1, 1, X, Y, Z).

        Args:
            samples: (K, 1, X, Y, Z), K >= 2.
            open_: bool (1, 1, X, Y, Z), the voxels that are not known exactly; all if none.
        """
        return self.width(problem) * smooth_deviation(samples, open_)


def smooth_deviation(samples: Tensor, open_: Tensor | None = None) -> Tensor:
    """The samples' deviation, its square averaged over open neighbours; 0 where nothing is open."""
    variance = samples.var(0, correction=1).cpu().numpy()[0]
    weight = np.ones_like(variance) if open_ is None else open_.cpu().numpy()[0, 0].astype(np.float32)
    blur = lambda a: ndimage.gaussian_filter(a, SMOOTHING)  # noqa: E731
    smooth = blur(variance * weight) / np.maximum(blur(weight), 1e-6)
    sd = np.sqrt(np.maximum(smooth, 0)) * (weight > 0)
    floor = LEAST * sd[weight > 0].mean() if (weight > 0).any() else 0.0
    return torch.from_numpy(np.where(weight > 0, np.maximum(sd, floor), 0).astype(np.float32))[None, None]


def fitted_width(errors: Tensor, sd: Tensor) -> float:
    """q of voxels whose error and deviation are known."""
    score = (errors.abs() / (Z * sd.clamp(min=1e-9))).flatten()
    return float(np.quantile(score.numpy(), LEVEL))
