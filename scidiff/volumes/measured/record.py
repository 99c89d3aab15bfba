"""What was measured, ready for the engine: y = A x + e with x about [0, 1], and the way back to the scanner's units."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scidiff.engine.operator import Observation, Operator
from scidiff.store.errors import UserError
from scidiff.volumes.baselines.leastsquares import cgls
from scidiff.volumes.foreground import foreground_of
from scidiff.volumes.intensity import Scale
from scidiff.volumes.volume import Volume

_BRIGHTEST = 99.5  # percentile of the foreground called 1, as `Percentiles` has it


@dataclass(frozen=True, eq=False)
class Measured:
    """One measurement of one volume.

    Attributes:
        y: (1, ...), as the operator returns it, over `width`.
        operator: A.
        sigma: noise of one number of y, E |e|^2 = sigma^2; over `width` as y.
        shape: (X, Y, Z) of the volume.
        affine: (4, 4), voxel indices to millimetres.
        scale: between x and the units of the answer.
        width: what the file's numbers were divided by.
        name: what to call it.
        modality: "MR" or "CT".
        notes: sentences for the user: what was found, estimated or put right.
    """

    y: Tensor
    operator: Operator
    sigma: float
    shape: tuple[int, int, int]
    affine: np.ndarray
    scale: Scale
    width: float
    name: str
    modality: str
    notes: tuple[str, ...] = ()

    @property
    def observation(self) -> Observation:
        """The same for the engine."""
        return Observation(self.y, self.operator, self.sigma)

    def as_volume(self, x: Tensor | np.ndarray, spread: bool = False) -> Volume:
        """An answer in the units of the source, stored as float32.

        Args:
            x: (X, Y, Z), leading axes of size 1 allowed.
            spread: x is a deviation or another difference: only its size is scaled.
        """
        data = torch.as_tensor(x).detach().float().cpu().numpy().reshape(self.shape)
        data = data * (self.scale.high - self.scale.low) if spread else self.scale.from_unit(data)
        return Volume(data, self.affine, name=self.name, modality=self.modality)


def first_look(y: Tensor, operator: Operator, sigma: float, along: int, path: object) -> tuple[float, float]:
    """The median of the foreground of a quick least-squares image, and the intensity to be called 1.

    Raises:
        UserError: nothing is to be seen above the noise.
    """
    image = cgls(y, operator, sigma, steps=8, lowest=0.0)[0, 0].cpu().numpy()
    if not image.max() > image.min():
        raise UserError(f"Nothing in {path} stands out from noise of {sigma:.3g}; is sigma, in its units, right?")
    middle, high = np.percentile(image[foreground_of(image, along)], [50, _BRIGHTEST])
    return float(middle), float(high)
