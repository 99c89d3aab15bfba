"""Numbers a sample, and functions of one volume applied to every sample."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray


def number(value: float | Tensor, like: Tensor) -> Tensor:
    """A number, or one for each sample (B,), shaped to multiply `like` (B, ...): (B or 1, 1, ...)."""
    return torch.as_tensor(value, dtype=torch.float32, device=like.device).reshape(-1, *[1] * (like.dim() - 1))


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Re <a, b> of every sample, shaped to multiply a volume: (B, 1, 1, 1, 1)."""
    product = a.conj() * b if a.is_complex() else a * b
    return product.real.flatten(1).sum(1).reshape(-1, 1, 1, 1, 1)


def size(x: Tensor) -> Tensor:
    """The root mean square of every sample: (B, 1, 1, 1, 1)."""
    return (dot(x, x) / x[0].numel()).sqrt()


def where(going: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`new` of the samples that are going (B, 1, 1, 1, 1), `old` of the others."""
    return new if bool(going.all()) else torch.where(going, new, old)


def each(function: Callable[..., Array], images: Tensor, *others: Tensor) -> Tensor:
    """`function` of each sample's (X, Y, Z) arrays: (B, 1, X', Y', Z') float32 on the device of `images`.

    Args:
        function: arrays of one sample, or its number as a float, -> (X', Y', Z').
        images: (B, 1, X, Y, Z).
        others: further volumes (B, 1, X, Y, Z), or numbers (B or 1, 1, 1, 1, 1).
    """
    rows = [value.detach().cpu().expand(len(images), *value.shape[1:]) for value in (images, *others)]
    found = [function(*(_plain(value[row, 0]) for value in rows)) for row in range(len(images))]
    return torch.from_numpy(np.stack(found)[:, None].astype(np.float32)).to(images.device)


def _plain(value: Tensor) -> Array | float:
    return float(value) if value.numel() == 1 and value.shape == (1, 1, 1) else value.numpy()
