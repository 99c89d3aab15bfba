"""The fast network: an E(3)-equivariant graph transformer on batches of molecules of one size.

Each atom carries invariant features h (d) and K points in space p^k = x + a^k; each ordered pair a small feature e (m).
One block, with learned linear maps W and g_ij^k = |p_i^k - p_j^k|:

    u_ij = silu(W_1 h_i + W_2 h_j + W_3 e_ij + W_4 g_ij)           pair message: sums, not a concatenation
    h_i  <- h_i + W_5 [softmax_j(q_i . k_j + W_6 u_ij) (v_j, u_ij)]
    a_i^k <- a_i^k + n^-1/2 sum_j w_ij^k (p_j^k - p_i^k) / (1 + g_ij^k) + gate_i^k (M a_i)^k,   w = W_7 u
    h_i  <- h_i + MLP(h_i, |a_i|),    e_ij <- e_ij + W_8 u_ij

Distances alone enter the invariants and vectors are only scaled and summed, so rotation, reflection, translation and
permutation are exact. In the manner of Semla (Irwin et al. 2024, arxiv.org/abs/2406.07266); pair tensors bound the
speed, so pair layers sum and never concatenate. `chiral` adds products a x (M' a), which see handedness: SE(3) only.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from scidiff.engine.estimate import Estimate
from scidiff.engine.state import State
from scidiff.engine.time import TimeFeatures
from scidiff.molecules.networks.pairs import pair_index, pair_map


class EquivariantTransformer(nn.Module):
    """Raw output for positions (B, n, 3), atoms (B, n, K_a), charges (B, n, K_c) and bonds (B, n (n - 1) / 2, K_b).

    Args:
        atoms, charges, bonds: numbers of classes; each part's input may hold one more symbol, the mask.
        width: d, features an atom. pair: m, features a pair. points: K. heads: of the attention. blocks: their number.
        self_conditioning: whether the last estimate is an input.
        chiral: add the cross products that tell mirror images apart.
    """

    # The weights that tell elements apart, and the axis that does; see scidiff.molecules.adopt.
    elements_on: ClassVar = {
        "entry.atoms.weight": 0,
        "entry.last.atoms.weight": 1,
        "exit.symbols.weight": 0,
        "exit.symbols.bias": 0,
    }

    def __init__(
        self,
        atoms: int,
        charges: int,
        bonds: int,
        width: int = 192,
        pair: int = 32,
        points: int = 8,
        heads: int = 8,
        blocks: int = 8,
        self_conditioning: bool = True,
        chiral: bool = False,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} cannot be divided among {heads} heads")
        self.entry = Entry(atoms, charges, bonds, width, pair, self_conditioning)
        self.blocks = nn.ModuleList(Block(width, pair, points, heads, chiral) for _ in range(blocks))
        self.exit = Exit(atoms, charges, bonds, width, pair, points)

    def forward(self, state: State, t: Tensor, last: Estimate | None = None) -> dict[str, Tensor]:
        """state.parts: positions (B, n, 3) float32 scaled to unit variance; the others int64. t: (B,)."""
        x = state["positions"]
        h, e, time = self.entry(state, t, last)
        a = x.new_zeros(len(x), self.exit.points, *x.shape[1:])
        for block in self.blocks:
            h, e, a = block(h, e, a, x, time)
        return self.exit(h, e, a, time)


class Entry(nn.Module):
    """Symbols, the time and the last estimate become features of atoms and pairs."""

    def __init__(self, atoms: int, charges: int, bonds: int, width: int, pair: int, self_conditioning: bool) -> None:
        super().__init__()
        self.atoms, self.charges = nn.Embedding(atoms + 1, width), nn.Embedding(charges + 1, width)
        self.bonds = nn.Embedding(bonds + 1, pair)
        self.sizes = nn.Linear(1, width)
        self.time = TimeFeatures(TIME)
        self.start = nn.Linear(TIME, width)
        self.distances = Radial(RADIAL)
        self.near = nn.Linear(RADIAL, pair)
        self.last = LastEstimate(atoms, charges, bonds, width, pair) if self_conditioning else None

    def forward(self, state: State, t: Tensor, last: Estimate | None) -> tuple[Tensor, Tensor, Tensor]:
        """Features of atoms (B, n, d), of pairs (B, n, n, m), and of the time (B, TIME)."""
        n = state["atoms"].shape[1]
        time = self.time(t)
        size = torch.full((1, 1, 1), n / 20, device=t.device)
        h = self.atoms(state["atoms"]) + self.charges(state["charges"]) + self.start(time)[:, None] + self.sizes(size)
        bonds, e = self.bonds(state["bonds"]), self.near(self.distances(pair_distances(state["positions"])))
        if self.last is not None and last is not None:
            more_h, more_bonds, more_e = self.last(last, self.distances)
            h, bonds, e = h + more_h, bonds + more_bonds, e + more_e
        pairs = (e + functional.pad(bonds, (0, 0, 0, 1))).to(e.dtype)  # half the memory where e is bfloat16
        return h, pairs.index_select(1, pair_map(n, t.device).flatten()).unflatten(1, (n, n)), time


class LastEstimate(nn.Module):
    """What the last estimate adds to the features: class probabilities, and distances between the estimated atoms."""

    def __init__(self, atoms: int, charges: int, bonds: int, width: int, pair: int) -> None:
        super().__init__()
        self.atoms, self.charges = nn.Linear(atoms, width), nn.Linear(charges, width)
        self.bonds, self.near = nn.Linear(bonds, pair), nn.Linear(RADIAL, pair)

    def forward(self, last: Estimate, radial: "Radial") -> tuple[Tensor, Tensor, Tensor]:
        """Additions to atoms (B, n, d), to bonds (B, P, m), and to pairs and the diagonal (B, P + 1, m)."""
        h = self.atoms(last["atoms"].softmax(-1)) + self.charges(last["charges"].softmax(-1))
        return h, self.bonds(last["bonds"].softmax(-1)), self.near(radial(pair_distances(last["positions"])))


class Block(nn.Module):
    """One round: pair messages, attention, points, atoms, pairs."""

    def __init__(self, width: int, pair: int, points: int, heads: int, chiral: bool) -> None:
        super().__init__()
        self.heads, self.points, self.pair = heads, points, pair
        self.before, self.between = TimedNorm(width), TimedNorm(width)
        self.atoms_in = nn.Linear(width, 3 * width + 2 * pair)
        self.pairs_in = nn.Linear(pair, pair, bias=False)
        self.near = nn.Linear(points, pair, bias=False)
        self.pairs_out = nn.Linear(pair, heads + points + pair)
        self.atoms_out = nn.Linear(width + heads * pair, width)
        self.mix = nn.Parameter(torch.eye(points) + 0.1 * torch.randn(points, points))
        self.gate = nn.Linear(width, points * (1 + chiral))
        self.cross = nn.Parameter(0.1 * torch.randn(2, points, points)) if chiral else None
        self.wide = nn.Linear(width + points, 4 * width)
        self.narrow = nn.Linear(2 * width, width)
        for layer in (self.pairs_out, self.atoms_out, self.narrow, self.gate):
            nn.init.normal_(layer.weight, std=0.2 / math.sqrt(layer.in_features))
            nn.init.zeros_(layer.bias)

    def forward(self, h: Tensor, e: Tensor, a: Tensor, x: Tensor, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """h (B, n, d), e (B, n, n, m) and a (B, K, n, 3) after the round; x (B, n, 3)."""
        p = x[:, None] + a
        g = distances(p)  # (B, K, n, n)
        normed = self.before(h, time)
        width = h.shape[-1]
        qkv, left, right = self.atoms_in(normed).split([3 * width, self.pair, self.pair], -1)
        u = functional.silu(self.summed(e, g, left, right))
        bias, weights, more = self.messages(u)
        h = h + self.attend(qkv, bias, u)
        a = self.move(a, p, g, weights, self.gate(normed).float())
        return h + self.think(h, a, time), e + more, a

    def summed(self, e: Tensor, g: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """u before its silu: each product is added to the sum of those before it as it is made."""
        u = (left[:, :, None] + right[:, None]).flatten(1, 2)
        near = self.near.weight.t().expand(len(e), -1, -1)
        u = torch.baddbmm(u, g.flatten(2).transpose(1, 2), near)
        return torch.addmm(u.flatten(0, 1), e.flatten(0, 2), self.pairs_in.weight.t()).view(e.shape)

    def messages(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The layer `pairs_out`: (B, heads, n, n) and (B, K, n, n), as they are used next, and (B, n, n, m).

        A softmax does not see what is added to all that it compares: the first have no offset.
        """
        few = self.heads + self.points
        weight, offset = self.pairs_out.weight, self.pairs_out.bias
        maps = (weight[:few] @ u.flatten(1, 2).transpose(1, 2)).unflatten(2, u.shape[1:3])
        bias, weights = maps.split([self.heads, self.points], 1)
        return bias, weights + offset[self.heads : few, None, None], functional.linear(u, weight[few:], offset[few:])

    def attend(self, qkv: Tensor, bias: Tensor, u: Tensor) -> Tensor:
        """Attention over atoms with a bias a pair (B, heads, n, n); the messages are values too."""
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).contiguous()
        logits = torch.add(bias, q @ k.transpose(-1, -2), alpha=1 / math.sqrt(q.shape[-1]))
        share = logits.float().softmax(-1).to(v.dtype)  # faster than in bfloat16
        from_atoms = (share @ v).transpose(1, 2).flatten(2)
        from_pairs = (share.transpose(1, 2) @ u).flatten(2)
        return self.atoms_out(torch.cat([from_atoms, from_pairs], -1))

    def move(self, a: Tensor, p: Tensor, g: Tensor, weights: Tensor, gate: Tensor) -> Tensor:
        """Shift the points along the differences to other atoms, and mix each atom's own vectors; float32."""
        with torch.autocast(a.device.type, enabled=False):
            w = weights / ((1 + g) * math.sqrt(a.shape[2]))
            pull = w @ p - w.sum(-1, keepdim=True) * p
            gates = gate.transpose(1, 2).unsqueeze(-1)
            mixed = torch.einsum("kl,blnx->bknx", self.mix, a)
            a_new = a + pull + gates[:, : self.points] * mixed
            if self.cross is not None:
                first, second = torch.einsum("ckl,blnx->cbknx", self.cross, a)
                a_new = a_new + gates[:, self.points :] * torch.linalg.cross(first, second)
        return a_new

    def think(self, h: Tensor, a: Tensor, time: Tensor) -> Tensor:
        """The atom's own update from its features and the lengths of its vectors."""
        lengths = (a.square().sum(-1) + 1e-6).sqrt().transpose(1, 2)
        value, gate = self.wide(torch.cat([self.between(h, time), lengths.to(h.dtype)], -1)).chunk(2, -1)
        return self.narrow(value * functional.silu(gate))


class Exit(nn.Module):
    """Features become raw output; bonds leave last, one an unordered pair."""

    def __init__(self, atoms: int, charges: int, bonds: int, width: int, pair: int, points: int) -> None:
        super().__init__()
        self.points, self.classes = points, (atoms, charges)
        self.norm = TimedNorm(width)
        self.shift = nn.Parameter(torch.randn(points) / points)
        self.symbols = nn.Linear(width, atoms + charges)
        self.ends = nn.Linear(width, pair, bias=False)
        self.hidden, self.bonds = nn.Linear(pair, 2 * pair), nn.Linear(2 * pair, bonds)

    def forward(self, h: Tensor, e: Tensor, a: Tensor, time: Tensor) -> dict[str, Tensor]:
        """The raw output of every part."""
        h = self.norm(h, time)
        atoms, charges = self.symbols(h).split(self.classes, -1)
        n = h.shape[1]
        i, j = pair_index(n, h.device)
        ends, e = self.ends(h), e.flatten(1, 2)
        pairs = e.index_select(1, n * i + j) + e.index_select(1, n * j + i)
        pairs = pairs + ends.index_select(1, i) + ends.index_select(1, j)
        bonds = self.bonds(functional.silu(self.hidden(pairs)))
        positions = (self.shift[:, None, None] * a).sum(1)  # not a product under autocast: it stays in float32
        return {
            "positions": positions - positions.mean(1, keepdim=True),
            "atoms": atoms,
            "charges": charges,
            "bonds": bonds,
        }


class TimedNorm(nn.Module):
    """Layer norm whose scale and shift depend on the time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale_shift = nn.Linear(TIME, 2 * width)
        nn.init.zeros_(self.scale_shift.weight)
        nn.init.zeros_(self.scale_shift.bias)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """h (B, n, d) normalised."""
        scale, shift = self.scale_shift(time).to(h.dtype)[:, None].chunk(2, -1)
        return torch.addcmul(shift, functional.layer_norm(h, h.shape[-1:]), 1 + scale)


class Radial(nn.Module):
    """Distances (...) -> (..., features): Gaussians of growing width from 0 to 12 units of the data's deviation."""

    def __init__(self, features: int) -> None:
        super().__init__()
        centres = 12 * torch.linspace(0, 1, features) ** 2
        self.register_buffer("centres", centres, persistent=False)
        self.register_buffer("widths", 0.1 + 0.25 * centres, persistent=False)

    def forward(self, distance: Tensor) -> Tensor:
        """One feature a centre."""
        return torch.exp(((distance.unsqueeze(-1) - self.centres) / self.widths).square().neg())


TIME, RADIAL = 64, 24


SMOOTH = 1e-4  # added to squared distances: no kink at zero


def distances(points: Tensor) -> Tensor:
    """All distances between points (..., n, 3): (..., n, n) float32, smooth at zero."""
    with torch.autocast(points.device.type, enabled=False):
        points = points.float()
        length = points.square().sum(-1)
        square = length.unsqueeze(-1) + length.unsqueeze(-2) - 2 * points @ points.transpose(-1, -2)
        return (square.clamp(min=0) + SMOOTH).sqrt()


def pair_distances(points: Tensor) -> Tensor:
    """The same once an unordered pair, and once for the diagonal: (B, n, 3) -> (B, P + 1)."""
    i, j = pair_index(points.shape[1], points.device)
    square = (points[:, i] - points[:, j]).float().square().sum(-1)
    return (functional.pad(square, (0, 1)) + SMOOTH).sqrt()
