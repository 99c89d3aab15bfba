"""Windows that memory has room for: as reckoned before the work, and half as large where it ran out all the same."""

import math
from collections.abc import Sequence
from contextlib import suppress

from torch import nn

from scidiff.store.errors import UserError
from scidiff.store.memory import free_memory
from scidiff.volumes.networks.unet import UNet
from scidiff.volumes.windows import HELD, Windows, bytes_per_voxel, window_for

MEMORY_SHARE = 0.7  # of what is free


def windows(network: nn.Module, shape: Sequence[int], size: int | None = None) -> Windows:
    """Whole volumes where memory allows, or windows of so many voxels along each axis.

    Raises:
        UserError: windows too small for what the network sees, or no memory even for the smallest.
    """
    if size is None:
        return window_for(shape, network, MEMORY_SHARE * (free_memory() or 4e9))
    margin, multiple = getattr(network, "reach", Windows.margin), getattr(network, "multiple", Windows.multiple)
    window = Windows(size, margin, multiple=multiple)
    window.spans(shape)
    return window


def smaller(network: nn.Module, shape: Sequence[int], window: Windows) -> Windows:
    """Windows of half the voxels at most, in which the network gives the same.

    Raises:
        UserError: there are none.
    """
    voxels = math.prod(spans[0].stop for spans in window.spans(shape))
    if isinstance(network, UNet):  # others see whole volumes
        with suppress(UserError):
            return window_for(shape, network, HELD * math.prod(shape) + bytes_per_voxel(network) * voxels / 2)
    raise UserError(
        f"Memory ran out with windows of {sizes(window, shape)} voxels, and no smaller ones will do. Close other"
        " programs, or crop the scan."
    )


def sizes(window: Windows, shape: Sequence[int]) -> str:
    """As '96 x 96 x 80'."""
    return " x ".join(str(spans[0].stop) for spans in window.spans(shape))
