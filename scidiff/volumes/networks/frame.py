"""What every network of volumes shares: the channels it is given, and sizes that need not divide."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from scidiff.engine.state import State


def channels(state: State, given: Mapping[str, int]) -> Tensor:
    """The image and what is known of it, behind one another: (B, 1 + sum of `given`, X, Y, Z).

    Arguments and errors are those of `beside`.
    """
    sizes = state["image"].shape[2:]
    return torch.cat([each.expand(*each.shape[:2], *sizes) for each in beside(state, given)], 1)


def beside(state: State, given: Mapping[str, int]) -> list[Tensor]:
    """The image and what is known of it, each (B, channels, X, Y, Z), or (B, channels, 1, 1, 1) if it is one number.

    Args:
        state: image (B, 1, X, Y, Z); in its context, for each name of `given`, (B or 1, channels, X, Y, Z), one of
            which axes may be 1, or a number a sample (B,), such as a noise level.
        given: name -> channels.

    Raises:
        ValueError: the context lacks a name, or what it holds has other channels or another size.
    """
    image = state["image"]
    missing = [name for name in given if name not in state.context]
    if missing:
        raise ValueError(f"the network is given {', '.join(given)}, but the state's context lacks {', '.join(missing)}")
    return [image, *(_laid_out(state.context[name], image, name, count) for name, count in given.items())]


def _laid_out(value: Tensor, image: Tensor, name: str, count: int) -> Tensor:
    value = torch.as_tensor(value, dtype=image.dtype, device=image.device)
    if value.dim() < 2:
        value = value.reshape(-1, 1, 1, 1, 1)
    shape = (len(image), count, *image.shape[2:])
    if value.dim() != 5 or any(have not in (1, want) for have, want in zip(value.shape, shape, strict=True)):
        raise ValueError(f"{name} in the state's context has shape {tuple(value.shape)}, expected {shape}")
    return value.expand(*shape[:2], *(value.shape[2:] if value.shape[2:].numel() == 1 else shape[2:]))


def pad(x: Tensor, multiple: int) -> Tensor:
    """Reflect the far ends of (B, C, X, Y, Z) until every size is a multiple; voxel 0 stays voxel 0."""
    for axis, size in enumerate(x.shape[2:], start=2):
        if size % multiple:
            x = x.index_select(axis, reflected(size, -(-size // multiple) * multiple, x.device))
    return x


def crop(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """The first `sizes` voxels of (B, C, X, Y, Z), undoing `pad`."""
    return x[..., : sizes[0], : sizes[1], : sizes[2]]


def reflected(size: int, longer: int, device: torch.device) -> Tensor:
    """0 1 2 3 2 1 0 1 ...: torch's own reflection refuses axes shorter than the padding."""
    period = max(2 * size - 2, 1)
    place = torch.arange(longer, device=device) % period
    return torch.minimum(place, (period - place) % period) if size > 1 else torch.zeros_like(place)
