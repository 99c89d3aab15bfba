"""Sparse wavelet coefficients: R(x) = |W x|_1 over the detail bands of an orthonormal transform in 3D.

prox_{w R}(v) = W' soft_w(W v). The grid is shifted from call to call, so that no blocks are seen ("cycle spinning":
Coifman, Donoho 1995; in reconstruction Figueiredo, Nowak 2003, doi 10.1109/TIP.2003.814255). With `fista` and coil
maps it is L1-ESPIRiT's reconstruction (Lustig, Donoho, Pauly 2007, doi 10.1002/mrm.21391). PyWavelets transforms.
"""

import numpy as np
import torch
from torch import Tensor

from scidiff.volumes.baselines.samples import each
from scidiff.volumes.networks.frame import crop, pad

STRIDES = (3, 5, 7)  # coprime to the blocks, so that all shifts are visited


class Wavelets:
    """(v, w) -> prox_{w R}(v); each call has a grid of its own.

    Args:
        name: an orthonormal wavelet of PyWavelets.
        levels: of the transform; fewer where an axis is short, and none along one shorter than the filter.
    """

    def __init__(self, name: str = "db4", levels: int = 3) -> None:
        self.name, self.levels, self.calls = name, levels, 0

    def __call__(self, v: Tensor, w: Tensor) -> Tensor:
        """v (B, 1, X, Y, Z); w (B or 1, 1, 1, 1, 1)."""
        padded = pad(v, 2**self.levels)
        shift = [self.calls * stride % 2**self.levels for stride in STRIDES]
        self.calls += 1
        rolled = torch.roll(padded, shift, (2, 3, 4))
        found = each(self.shrink, rolled, w.expand(len(v), 1, 1, 1, 1))
        return crop(torch.roll(found, [-s for s in shift], (2, 3, 4)), v.shape[2:])

    def shrink(self, v: np.ndarray, w: float) -> np.ndarray:
        """One volume (X, Y, Z) of even sizes."""
        import pywt

        depth = {axis: pywt.dwt_max_level(size, self.name) for axis, size in enumerate(v.shape)}
        axes = [axis for axis, levels in depth.items() if levels]
        if not axes:
            return v
        level = min(self.levels, *(depth[axis] for axis in axes))
        coarse, *details = pywt.wavedecn(v, self.name, mode="periodization", level=level, axes=axes)
        for bands in details:
            for key, band in bands.items():
                bands[key] = pywt.threshold(band, w, "soft")
        return pywt.waverecn([coarse, *details], self.name, mode="periodization", axes=axes)
