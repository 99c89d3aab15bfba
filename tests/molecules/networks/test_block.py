"""One block of the transformer is its equations, written out pair by pair; scidiff.molecules.networks.transformer."""

import math

import pytest
import torch
from torch.nn import functional

from scidiff.molecules.networks.transformer import SMOOTH, TIME, Block

WIDTH, PAIR, POINTS, HEADS, N = 12, 6, 3, 2, 4


@pytest.fixture
def block() -> Block:
    """Every weight is moved off its first value, so that none hides as zero or one."""
    torch.manual_seed(0)
    made = Block(WIDTH, PAIR, POINTS, HEADS, chiral=False)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return made


def normed(norm, h, time):
    scale, shift = norm.scale_shift(time).chunk(2, -1)
    return (1 + scale) * (h - h.mean()) / (h.var(unbiased=False) + 1e-5).sqrt() + shift


def written_out(block, h, e, a, x, time):
    """h (n, d), e (n, n, m) and a (K, n, 3) of one molecule after the block."""
    p, pairs, n = x + a, block.pairs_out, len(h)
    rows = [block.atoms_in(normed(block.before, each, time)) for each in h]
    q, k, v, left, right = zip(*(row.split([WIDTH, WIDTH, WIDTH, PAIR, PAIR]) for row in rows), strict=True)
    new_h, new_e, new_a = [], e.clone(), a.clone()
    for i in range(n):
        g = [((p[:, i] - p[:, j]).square().sum(-1) + SMOOTH).sqrt() for j in range(n)]
        sums = [block.pairs_in.weight @ e[i, j] + block.near.weight @ g[j] + left[i] + right[j] for j in range(n)]
        u = [functional.silu(each) for each in sums]
        bias, w, more = zip(*(pairs(each).split([HEADS, POINTS, PAIR]) for each in u), strict=True)
        heard_atoms, heard_pairs = [], []
        for head in range(HEADS):
            part = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
            likes = torch.stack([q[i][part] @ k[j][part] / math.sqrt(WIDTH / HEADS) + bias[j][head] for j in range(n)])
            share = likes.exp() / likes.exp().sum()
            heard_atoms.append(sum(share[j] * v[j][part] for j in range(n)))
            heard_pairs.append(sum(share[j] * u[j] for j in range(n)))
        changed = h[i] + block.atoms_out(torch.cat(heard_atoms + heard_pairs))
        pull = sum(w[j][:, None] * (p[:, j] - p[:, i]) / (1 + g[j][:, None]) for j in range(n)) / math.sqrt(n)
        gate = block.gate(normed(block.before, h[i], time))
        new_a[:, i] = a[:, i] + pull + gate[:, None] * (block.mix @ a[:, i])
        lengths = (new_a[:, i].square().sum(-1) + 1e-6).sqrt()
        value, opens = block.wide(torch.cat([normed(block.between, changed, time), lengths])).chunk(2)
        new_h.append(changed + block.narrow(value * functional.silu(opens)))
        new_e[i] = e[i] + torch.stack(more)
    return torch.stack(new_h), new_e, new_a


def test_a_block_is_its_equations(block):
    h, e, a = torch.randn(2, N, WIDTH), torch.randn(2, N, N, PAIR), torch.randn(2, POINTS, N, 3)
    x, time = torch.randn(2, N, 3), torch.randn(2, TIME)
    with torch.no_grad():
        made = block(h, e, a, x, time)
        for sample in range(2):
            expected = written_out(block, h[sample], e[sample], a[sample], x[sample], time[sample])
            for ours, theirs in zip(made, expected, strict=True):
                torch.testing.assert_close(ours[sample], theirs, rtol=1e-4, atol=1e-4)
