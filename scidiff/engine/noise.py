"""The one source of randomness: a seed for each sample, a counter for each draw.

Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, doi 10.1145/2063384.2063405) turns (seed, draw, element) into random
words without any hidden state, so sample 37 gets the same noise alone, in any batch and on any device.
Uniforms are the words over 2^32; normals are pairs of them by Box and Muller: sqrt(-2 ln u) (cos, sin)(2 pi v).
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_WORD = 0xFFFFFFFF


def philox(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor], rounds: int = 10) -> tuple[Tensor, ...]:
    """Philox4x32: four counter words and two key words (int64 tensors holding 32 bits each) to four random words."""
    c0, c1, c2, c3 = torch.broadcast_tensors(*counter)
    even, odd = torch.stack([c0, c2]), torch.stack([c1, c3])
    keys = torch.stack(torch.broadcast_tensors(*key))
    multipliers, weyl = (_pair(both, even.device).reshape(2, *[1] * (even.dim() - 1)) for both in (_MULTIPLIERS, _WEYL))
    for _ in range(rounds):
        product = (even * multipliers).flip(0)  # int64 wraps, which keeps all 64 bits
        even, odd = (product >> 32) & _WORD ^ odd ^ keys, product & _WORD
        keys = (keys + weyl) & _WORD
    return even[0], odd[0], even[1], odd[1]


@lru_cache
@torch.inference_mode(mode=False)
def _pair(values: tuple[int, int], device: torch.device) -> Tensor:
    """Kept: to send them to a GPU would wait for it."""
    return torch.tensor(values, device=device)


def _first_word(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int, rounds: int = 10) -> int:
    """The first word of the same in plain numbers, so that no device is asked."""
    for _ in range(rounds):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & _WORD, p0 >> 32 ^ c3 ^ k1, p0 & _WORD
        k0, k1 = k0 + _WEYL[0] & _WORD, k1 + _WEYL[1] & _WORD
    return c0


class Noise:
    """Random numbers for a batch of samples; every call is one draw and gives fresh numbers.

    Args:
        seeds: (B,) int64, one seed a sample.
        stream: which of a sample's independent streams, so that one seed serves several purposes.
    """

    def __init__(self, seeds: Tensor, stream: int = 0) -> None:
        self.seeds, self.stream = seeds.to(torch.int64), stream
        self.draws = 0
        self.run: int | None = None  # where it is known

    @classmethod
    def of(cls, seed: int, samples: Tensor, stream: int = 0) -> "Noise":
        """Noise for the samples (B,), numbered from 0, of the run named by `seed`."""
        signed = (seed & _WORD ^ 1 << 31) - (1 << 31)  # the same 32 bits as int64 holds them
        noise = cls(signed << 32 | samples, stream)
        noise.run = seed & _WORD
        return noise

    def uniform(self, like: Tensor, owner: Tensor | None = None) -> Tensor:
        """Uniforms in (0, 1), float32, of the shape of `like`; `owner` (R,) as in State for ragged rows."""
        return self._shape(_to_uniform(self._words(like, owner)), like)

    def normal(self, like: Tensor, owner: Tensor | None = None) -> Tensor:
        """Standard normals, float32, of the shape of `like`; `owner` (R,) as in State for ragged rows."""
        u, v = _to_uniform(self._words(like, owner)).chunk(2, dim=-1)
        radius, angle = (-2 * u.log()).sqrt(), 2 * math.pi * v
        return self._shape(torch.cat([radius * angle.cos(), radius * angle.sin()], -1), like)

    def per_sample(self) -> Tensor:
        """One uniform a sample: (B,)."""
        return self.uniform(self.seeds)

    def shared(self) -> float:
        """One uniform for the whole batch, the same on every device that holds a part of it."""
        run = int(self.seeds[0] >> 32) & _WORD if self.run is None else self.run
        self.draws += 1
        word = _first_word(0, self.draws, 0, self.stream & _WORD, _WORD, run)
        return ((word >> 8) + 0.5) * 2.0**-24

    def _words(self, like: Tensor, owner: Tensor | None) -> Tensor:
        """Random words (rows, blocks, 4) with at least like[row].numel() words a row."""
        blocks = -(-like[0].numel() // 4) if like.dim() > 1 else 1
        block = torch.arange(blocks, device=like.device)
        seeds, rank = self.seeds.to(like.device), torch.zeros(len(like), dtype=torch.int64, device=like.device)
        if owner is not None:
            seeds, rank = seeds[owner], _rank(owner)
        self.draws += 1
        element = rank[:, None] * blocks + block
        draw, stream = torch.full_like(element, self.draws), torch.full_like(element, self.stream)
        counter = (element & _WORD, draw, element >> 32, stream)
        return torch.stack(philox(counter, ((seeds & _WORD)[:, None], (seeds >> 32 & _WORD)[:, None])), -1)

    @staticmethod
    def _shape(values: Tensor, like: Tensor) -> Tensor:
        width = like[0].numel() if like.dim() > 1 else 1
        return values.flatten(1)[:, :width].reshape(like.shape)


def _to_uniform(words: Tensor) -> Tensor:
    """The upper 24 bits, centred in their bins: never 0, never 1."""
    return ((words >> 8).to(torch.float32) + 0.5) * 2.0**-24


def _rank(owner: Tensor) -> Tensor:
    """The place of each row within its sample, for ascending owners."""
    sizes = torch.bincount(owner)
    return torch.arange(len(owner), device=owner.device) - (sizes.cumsum(0) - sizes)[owner]
