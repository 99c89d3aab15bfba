"""The reference network: EDM's E(n)-equivariant graph network, by message passing over the complete graph.

With atoms' features h and positions x, d_ij = |x_i - x_j|, and a_ij what an edge knows from the start (its squared
length then, and its bond symbol), one of L layers is

    m_ij = MLP_e(h_i, h_j, d_ij^2, a_ij),   h_i <- h_i + MLP_h(h_i, 1 / N sum_j sigmoid(W m_ij) m_ij)
    x_i <- x_i + 1 / N sum_j (x_i - x_j) / (d_ij + 1) (R / L) tanh(MLP_x(h_i, h_j, d_ij^2, a_ij))

and the positions' output is what x moved. Hoogeboom, Satorras, Vignac, Welling 2022 (arxiv.org/abs/2203.17003), after
Satorras, Hoogeboom, Welling 2021 (arxiv.org/abs/2102.09844); all sizes are theirs for QM9. Ours are the bonds, so that
the network serves the same processes: one more input of every edge, and a small symmetric head.
"""

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import MessagePassing

from scidiff.engine.estimate import Estimate
from scidiff.engine.state import State
from scidiff.molecules.networks.pairs import pair_index, pair_map

HEAD = 64  # features of the bonds' head


class EGNN(nn.Module):
    """Raw output for positions (B, n, 3), atoms (B, n, K_a), charges (B, n, K_c) and bonds (B, n (n - 1) / 2, K_b).

    Args:
        atoms, charges, bonds: numbers of classes; each part's input may hold one more symbol, the mask.
        width: features an atom and a message. layers: L.
        reach: R, how far all layers together may push an atom along one edge, in the unit of the positions.
        divisor: N, what sums over neighbours are divided by.
    """

    def __init__(
        self,
        atoms: int,
        charges: int,
        bonds: int,
        width: int = 256,
        layers: int = 9,
        reach: float = 15.0,
        divisor: float = 1.0,
    ) -> None:
        super().__init__()
        self.classes = {"atoms": atoms, "charges": charges, "bonds": bonds}
        edge = bonds + 3  # squared lengths now and at first, and a bond symbol
        self.enter = nn.Linear(atoms + charges + 3, width)  # two symbols and the time
        self.features = nn.ModuleList(Features(width, edge, divisor) for _ in range(layers))
        self.points = nn.ModuleList(Points(width, edge, divisor, reach / layers) for _ in range(layers))
        self.leave = nn.Linear(width, atoms + charges)
        self.ends = nn.Linear(width, HEAD)
        self.bonds = nn.Sequential(nn.Linear(HEAD + edge, HEAD), nn.SiLU(), nn.Linear(HEAD, bonds))

    def forward(self, state: State, t: Tensor, last: Estimate | None = None) -> dict[str, Tensor]:
        """state.parts: positions (B, n, 3) float32 scaled to unit variance; the others int64. t: (B,).

        `last` is not looked at: EDM knows no self-conditioning.
        """
        start = state["positions"].float()
        edges, pairs = complete_graph(*start.shape[:2], start.device)
        symbols = self._symbols(state, "bonds")
        h, x = self._enter(state, t), start.flatten(0, 1)
        given = torch.cat([square(x[edges[0]] - x[edges[1]]), symbols.flatten(0, 1)[pairs]], -1)
        for features, points in zip(self.features, self.points, strict=True):
            h = features(h, x, edges, given)
            x = points(h, x, edges, given)
        return self._leave(h.unflatten(0, start.shape[:2]), x.view_as(start), start, symbols)

    def _symbols(self, state: State, part: str) -> Tensor:
        return functional.one_hot(state[part], self.classes[part] + 1).float()

    def _enter(self, state: State, t: Tensor) -> Tensor:
        """Features (B n, width), kept in float32 between the layers."""
        time = t[:, None, None].expand(*state["atoms"].shape, 1)
        given = torch.cat([self._symbols(state, "atoms"), self._symbols(state, "charges"), time], -1)
        return self.enter(given).float().flatten(0, 1)

    def _leave(self, h: Tensor, x: Tensor, start: Tensor, symbols: Tensor) -> dict[str, Tensor]:
        atoms, charges = self.leave(h).split([self.classes["atoms"], self.classes["charges"]], -1)
        i, j = pair_index(h.shape[1], h.device)
        ends = functional.silu(self.ends(h))
        lengths = [square(p[:, i] - p[:, j]) for p in (x, start)]
        moved = x - start
        return {
            "positions": moved - moved.mean(1, keepdim=True),
            "atoms": atoms,
            "charges": charges,
            "bonds": self.bonds(torch.cat([ends[:, i] + ends[:, j], *lengths, symbols], -1)),
        }


class Features(MessagePassing):
    """h_i <- h_i + MLP_h(h_i, 1 / N sum_j gated m_ij)."""

    def __init__(self, width: int, edge: int, divisor: float) -> None:
        super().__init__(aggr="sum")
        self.divisor = divisor
        self.edges = _two_layers(2 * width + edge, width)
        self.gate = nn.Linear(width, 1)
        self.atoms = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, h: Tensor, x: Tensor, edges: Tensor, given: Tensor) -> Tensor:
        """h (B n, width), x (B n, 3), edges (2, E) from sender to receiver, given (E, edge - 1)."""
        total = self.propagate(edges, h=h, x=x, given=given) / self.divisor
        return h + self.atoms(torch.cat([h, total], -1))

    def message(self, h_i: Tensor, h_j: Tensor, x_i: Tensor, x_j: Tensor, given: Tensor) -> Tensor:
        """The gated message of each edge: (E, width)."""
        m = self.edges(torch.cat([h_i, h_j, square(x_i - x_j), given], -1))
        return (m * self.gate(m).sigmoid()).float()


class Points(MessagePassing):
    """x_i <- x_i + 1 / N sum_j (x_i - x_j) / (d_ij + 1) reach tanh(MLP_x)."""

    def __init__(self, width: int, edge: int, divisor: float, reach: float) -> None:
        super().__init__(aggr="sum")
        self.divisor, self.reach = divisor, reach
        self.edges = _two_layers(2 * width + edge, width)
        self.push = nn.Linear(width, 1, bias=False)
        nn.init.xavier_uniform_(self.push.weight, gain=1e-3)  # at first nothing moves

    def forward(self, h: Tensor, x: Tensor, edges: Tensor, given: Tensor) -> Tensor:
        """As Features."""
        return x + self.propagate(edges, h=h, x=x, given=given) / self.divisor

    def message(self, h_i: Tensor, h_j: Tensor, x_i: Tensor, x_j: Tensor, given: Tensor) -> Tensor:
        """The push along each edge, float32: (E, 3)."""
        away = x_i - x_j
        length = square(away)
        push = self.push(self.edges(torch.cat([h_i, h_j, length, given], -1))).float().tanh()
        return away / ((length + 1e-8).sqrt() + 1) * self.reach * push


def square(vectors: Tensor) -> Tensor:
    """Squared lengths (..., 1) of vectors (..., 3)."""
    return vectors.square().sum(-1, keepdim=True)


@lru_cache(maxsize=64)
@torch.inference_mode(mode=False)  # kept: training may follow sampling
def complete_graph(count: int, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """All ordered pairs of atoms within each of `count` molecules of n atoms, whose rows lie behind one another.

    Returns:
        edges (2, E), sender and receiver; pairs (E,), the row of each edge's bond among count n (n - 1) / 2.
    """
    i, j = (~torch.eye(n, dtype=torch.bool, device=device)).nonzero(as_tuple=True)
    sample = torch.arange(count, device=device)[:, None]
    edges = torch.stack([(sample * n + end).flatten() for end in (j, i)])
    return edges, (sample * (n * (n - 1) // 2) + pair_map(n, device)[i, j]).flatten()


def _two_layers(given: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(given, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
