"""One list of names: every classical baseline by task, the best first.

The strengths were chosen on one T1 head and one chest CT and hold for intensities of any unit, as they are in units of
the noise and of the image's root mean square: see `Variational`. Where 0 means no signal, as in scans that `intensity`
has scaled, total variation outside denoising, SIRT, CGLS and filtered back-projection never go below.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from scidiff.engine.operator import Operator
from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean
from scidiff.volumes.baselines.backprojection import filtered_backprojection
from scidiff.volumes.baselines.filling import biharmonic, known, normalised_convolution
from scidiff.volumes.baselines.interpolation import consistent_cubic, cubic
from scidiff.volumes.baselines.leastsquares import cgls, sirt
from scidiff.volumes.baselines.samples import number
from scidiff.volumes.baselines.smoothing import nonlocal_means
from scidiff.volumes.baselines.totalvariation import TotalVariation
from scidiff.volumes.baselines.variational import Variational, squared_norm
from scidiff.volumes.baselines.wavelets import Wavelets

Estimator = Callable[[Tensor, Operator, float | Tensor], Tensor]


@dataclass(frozen=True)
class Baseline:
    """(y, operator, sigma) -> (B, 1, X, Y, Z) float32; the same answer every time.

    Attributes:
        estimate: does it.
        meaning: what it is, in a few words.
        cost: seconds for a volume of 128^3 on one core, roughly.
    """

    estimate: Estimator
    meaning: str
    cost: float

    def __call__(self, y: Tensor, operator: Operator, sigma: float | Tensor) -> Tensor:
        """y: an observation of the operator; sigma: its noise, a number or (B,), as `Observation` has it."""
        return self.estimate(y, operator, sigma)


@torch.no_grad()
def adjoint(y: Tensor, operator: Operator, sigma: float | Tensor) -> Tensor:
    """A'y / |A|^2: what was measured and zeros for the rest."""
    back = operator.adjoint(y).float()
    return back / squared_norm(operator, back)


def total_variation(strength: float, least: float, **how: Any) -> Variational:
    """Total variation, 0 at least."""
    return Variational(partial(TotalVariation, lowest=0.0), strength, least, **how)


DENOISED = Variational(partial(TotalVariation, steps=50, tolerance=1e-3), strength=0.5, least=0.0, steps=1)
RESOLVED = total_variation(0.005, 1e-4, start=consistent_cubic, steps=30)
FILLED = total_variation(0.3, 5e-4, start=biharmonic, steps=40)


@torch.no_grad()
def filled(y: Tensor, operator: Operator, sigma: float | Tensor) -> Tensor:
    """TV inpainting; voxels that are known exactly stay as they are."""
    x = FILLED(y, operator, sigma)
    exact = known(y, operator) & (number(sigma, x) == 0)
    return torch.where(exact, operator.adjoint(y).float(), x)


BASELINES: dict[str, dict[str, Baseline]] = {
    "denoise": {
        "tv": Baseline(DENOISED, "total variation", 1),
        "nlm": Baseline(nonlocal_means, "non-local means", 6),
    },
    "superres": {
        "tv": Baseline(RESOLVED, "total variation", 3),
        "consistent": Baseline(consistent_cubic, "cubic splines that explain the data", 0.5),
        "cubic": Baseline(cubic, "cubic splines, centres aligned", 0.5),
    },
    "inpaint": {
        "biharmonic": Baseline(biharmonic, "biharmonic filling", 5),
        "tv": Baseline(filled, "total variation", 10),
        "convolution": Baseline(normalised_convolution, "normalised convolution", 2),
    },
    "mri": {
        "tv": Baseline(total_variation(0.1, 3e-4), "total variation", 10),
        "wavelet": Baseline(Variational(Wavelets, 0.3, 3e-4, steps=40), "sparse wavelets", 5),
        "cg": Baseline(partial(cgls, steps=15), "CG-SENSE", 1),
        "zero_filled": Baseline(adjoint, "zero-filled", 0.5),
    },
    "ct": {
        "tv": Baseline(total_variation(0.07, 1e-4), "total variation", 15),
        "sirt": Baseline(sirt, "SIRT, x >= 0", 3),
        "cgls": Baseline(partial(cgls, lowest=0.0), "CGLS, x >= 0", 0.5),
        "fbp": Baseline(filtered_backprojection, "filtered back-projection", 0.2),
    },
}
"""task -> name -> baseline."""


def baseline(task: str, name: str | None = None) -> Baseline:
    """The baseline of this name, or the best one of the task.

    Raises:
        UserError: no such task or name.
    """
    if task not in BASELINES:
        raise UserError(f"There is no task '{task}'.{did_you_mean(task, BASELINES)} Tasks: {', '.join(BASELINES)}.")
    shelf = BASELINES[task]
    name = next(iter(shelf)) if name is None else name
    if name not in shelf:
        raise UserError(
            f"There is no baseline '{name}' for {task}.{did_you_mean(name, shelf)} There are: {', '.join(shelf)}."
        )
    return shelf[name]
