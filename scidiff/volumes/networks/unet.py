"""The default network of volumes: a small 3D U-Net that works on blocks of voxels from its first layer on.

Eight voxels become eight channels of one cell (space to depth, factor s = 2), and no layer works on the full grid:

    h <- W_in * [image; given] folded by s                  3 x 3 x 3 convolutions throughout
    h <- h + W_2 * silu(n(W_1 * h))                         one block, n(h) = (1 + a(t)) h_normalised + b(t)
    down: 2 x 2 x 2 cells become one of twice the width;  up: the reverse, added to what was there before
    raw <- unfolded W_out * silu(n(h)),  W_out about 0 at first

The shape is that of Ho, Jain, Abbeel 2020 (arxiv.org/abs/2006.11239), the folding that of Shi et al. 2016
(arxiv.org/abs/1609.05158), the block EDSR's (Lim et al. 2017, arxiv.org/abs/1707.02921) with one norm.
Normalisation is over the channels of each cell, as NAFNet's (Chen et al. 2022, arxiv.org/abs/2204.04676), not over
groups and space: a group norm's statistics are those of the whole input, so a window would not agree with the whole
and no voxel would be out of reach of any other.
"""

from collections.abc import Mapping, Sequence
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional

from scidiff.engine.estimate import Estimate
from scidiff.engine.state import State
from scidiff.engine.time import TimeFeatures
from scidiff.volumes.networks.frame import beside, crop, pad

TIME = 128
FAINT = 0.01  # deviation of the last weights at first; zeros would hold the others up for hundreds of steps


class UNet(nn.Module):
    """Raw output for the part image (B, 1, X, Y, Z), of any size.

    Args:
        given: what the state's context holds for the network, name -> channels; as `frame.beside` takes it.
        width: channels at the first level; every further level has twice those of the one before.
        blocks: residual blocks at each level, first that of the folded grid: on the way down, and again on the way up.
            The last level has one way.
        fold: s, voxels along an axis that become one cell.
        anchor: an entry of the context (B or 1, 1, X, Y, Z) that is added to the output, so that the network begins
            by returning it; none leaves the output as it is.
    """

    def __init__(
        self,
        given: Mapping[str, int] | None = None,
        width: int = 32,
        blocks: Sequence[int] = (2, 1, 1),
        fold: int = 2,
        anchor: str | None = None,
    ) -> None:
        super().__init__()
        if not blocks or min(width, fold, *blocks) < 1:
            raise ValueError("width, fold and the blocks of each level are 1 or more")
        self.given, self.blocks, self.fold, self.anchor = dict(given or {}), tuple(blocks), fold, anchor
        self.time = TimeFeatures(TIME)
        self.enter = Entrance((1 + sum(self.given.values())) * fold**3, width, 3, padding=1)
        self.body = Level(width, self.blocks)
        self.norm = TimedNorm(width)
        self.leave = nn.Conv3d(width, fold**3, 3, padding=1)
        nn.init.normal_(self.leave.weight, std=FAINT)
        nn.init.zeros_(self.leave.bias)

    @property
    def multiple(self) -> int:
        """Shifts by this many voxels commute with the network, away from the borders."""
        return self.fold * 2 ** (len(self.blocks) - 1)

    @property
    def reach(self) -> int:
        """How many voxels away, along any axis, an input voxel may still change an output voxel."""
        *finer, coarsest = self.blocks
        cells = 2 * coarsest
        for count in reversed(finer):
            cells = 4 * count + 2 * cells + 1  # the 1: both ends of a coarse cell
        return self.fold * (cells + 2) + self.fold - 1  # 2: the first and the last convolution

    def forward(self, state: State, t: Tensor, last: Estimate | None = None) -> dict[str, Tensor]:
        """state: image (B, 1, X, Y, Z) scaled to unit variance, and the context; t (B,). `last` is not looked at.

        Raises:
            ValueError: as `frame.beside`.
        """
        image = state["image"]
        time = self.time(t)
        h = self.body(self.enter(beside(state, self.given), self.fold, self.multiple), time)
        raw = crop(unfolded(self.leave(functional.silu(self.norm(h, time))), self.fold), image.shape[2:])
        return {"image": raw if self.anchor is None else raw + state.context[self.anchor]}


class Entrance(nn.Conv3d):
    """W_in * [image; given], folded: one number throughout is convolved on three cells an axis, and stretched."""

    def forward(self, beside: Sequence[Tensor], s: int, multiple: int) -> Tensor:  # type: ignore[override]
        """beside: as `frame.beside` has it, to be padded to a multiple and folded by s -> (B, width, x, y, z)."""
        weights = self.weight.unflatten(1, (s**3, -1)).split([each.shape[1] for each in beside], 2)
        numbers = [i for i, each in enumerate(beside) if i and each.shape[2:].numel() == 1]
        maps = [i for i in range(len(beside)) if i not in numbers]
        known = torch.cat([quick(beside[i]).permute(0, 2, 3, 4, 1) for i in maps], -1)
        cells = folded(pad(known.permute(0, 4, 1, 2, 3), multiple), s)
        weight = torch.cat([weights[i] for i in maps], 2).flatten(1, 2)
        h = functional.conv3d(cells, weight, self.bias, padding=1)
        if not numbers:
            return h
        weight = torch.cat([weights[i] for i in numbers], 2).sum(1)
        few = torch.cat([beside[i] for i in numbers], 1).expand(-1, -1, *(min(3, n) for n in h.shape[2:]))
        return h.add_(stretched(functional.conv3d(few, weight, padding=1), h.shape[2:]))


class Level(nn.Module):
    """Blocks at one resolution, and all coarser levels between them."""

    def __init__(self, width: int, blocks: Sequence[int]) -> None:
        super().__init__()
        count, *coarser = blocks
        self.before = nn.ModuleList(Block(width) for _ in range(count))
        self.coarser = Level(2 * width, coarser) if coarser else None
        if coarser:
            self.down, self.up = nn.Linear(8 * width, 2 * width), nn.Linear(2 * width, 8 * width)
            self.after = nn.ModuleList(Block(width) for _ in range(count))

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """h (B, width, x, y, z), of sizes that halve once a coarser level."""
        for block in self.before:
            h = block(h, time)
        if self.coarser is None:
            return h
        coarse = self.coarser(by_cell(self.down, folded(h, 2)), time)
        h = h + unfolded(by_cell(self.up, coarse), 2)
        for block in self.after:
            h = block(h, time)
        return h


class Block(nn.Module):
    """h + W_2 * silu(n(W_1 * h))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv3d(width, width, 3, padding=1) for _ in range(2))
        self.norm = TimedNorm(width)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """h (B, width, x, y, z) after the block."""
        return self.second(functional.silu(self.norm(self.first(h), time))).add_(h)


class TimedNorm(nn.Module):
    """Layer norm over the channels of each cell, whose scale and shift depend on the time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale_shift = nn.Linear(TIME, 2 * width)
        nn.init.zeros_(self.scale_shift.weight)
        nn.init.zeros_(self.scale_shift.bias)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """h (B, width, x, y, z) normalised."""
        scale, shift = self.scale_shift(time).to(h.dtype).chunk(2, -1)
        normed = at_once if h.device.type == "cuda" else one_by_one
        with torch.autocast(h.device.type, enabled=False):  # on a GPU autocast would leave float32, twice the memory
            return normed(h.permute(0, 2, 3, 4, 1), 1 + scale, shift).permute(0, 4, 1, 2, 3)


def at_once(cells: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Layer norm of cells (B, x, y, z, C), then scaled and shifted by (B, C): few kernels, for a GPU."""
    scale, shift = (each[:, None, None, None] for each in (scale, shift))
    return torch.addcmul(shift, functional.layer_norm(cells, cells.shape[-1:]), scale)


def one_by_one(cells: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """The same in one pass over each sample: less memory is read, for a processor."""
    each = zip(cells.split(1), scale, shift, strict=True)
    normed = [functional.layer_norm(one, one.shape[-1:], a, b) for one, a, b in each]
    return normed[0] if len(normed) == 1 else torch.cat(normed)


def quick(x: Tensor) -> Tensor:
    """In the precision that a convolution will take it in: less to move before."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def folded(x: Tensor, s: int) -> Tensor:
    """(B, C, s x, s y, s z) -> (B, s^3 C, x, y, z), channels last in memory, and best so before."""
    b, c, *sizes = x.shape
    split = [part for size in sizes for part in (size // s, s)]
    rows = x.permute(0, 2, 3, 4, 1).reshape(b, *split[:-1], s * c)
    return torch.cat([rows[:, :, i, :, j] for i, j in product(range(s), repeat=2)], -1).permute(0, 4, 1, 2, 3)


def unfolded(x: Tensor, s: int) -> Tensor:
    """The reverse of `folded`."""
    b, c, *sizes = x.shape
    cells = x.permute(0, 2, 3, 4, 1).reshape(b, *sizes, s, s, s, c // s**3)
    joined = cells.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(b, *(s * size for size in sizes), c // s**3)
    return joined.permute(0, 4, 1, 2, 3)


def stretched(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """(B, C, 3, 3, 3) -> (B, C, *sizes), channels last in memory: axes repeat their second cell; short ones stay."""
    x = x.permute(0, 2, 3, 4, 1)
    for axis, size in enumerate(sizes, start=1):
        if size > 3:
            first, middle, last = x.split(1, axis)
            x = torch.cat([first, middle.expand(*(size - 2 if a == axis else -1 for a in range(5))), last], axis)
    return x.permute(0, 4, 1, 2, 3)


def by_cell(layer: nn.Linear, x: Tensor) -> Tensor:
    """A linear layer on the channels of (B, C, x, y, z)."""
    return layer(x.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)
