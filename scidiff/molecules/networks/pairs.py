"""Unordered atom pairs: bonds are stored once a pair, so their symmetry is true by construction.

The tables are kept, so they are made as ordinary tensors even when sampling asks first: training may use them later.
"""

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=256)
@torch.inference_mode(mode=False)
def pair_index(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The n (n - 1) / 2 pairs i < j, row by row."""
    i, j = torch.triu_indices(n, n, offset=1, device=device)
    return i, j


@lru_cache(maxsize=256)
@torch.inference_mode(mode=False)
def pair_map(n: int, device: torch.device) -> Tensor:
    """(n, n): where the pair (i, j) is stored; n (n - 1) / 2 on the diagonal."""
    i, j = pair_index(n, device)
    table = torch.full((n, n), len(i), device=device)
    table[i, j] = table[j, i] = torch.arange(len(i), device=device)
    return table


def atoms_of(pairs: int) -> int:
    """n of n (n - 1) / 2 pairs."""
    return round((1 + (1 + 8 * pairs) ** 0.5) / 2)
