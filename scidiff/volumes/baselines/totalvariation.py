"""Total variation in 3D, TV(x) = sum_v |(D x)_v|, D the forward differences along three axes, 0 across the last face.

prox_{w TV}(v) = x = v - D'p with the p of |p_v| <= w that minimises |v - D'p|^2, by the fast projected gradient
p <- P(q + D x / 12), 12 = |D|^2. Rudin, Osher, Fatemi 1992; Beck, Teboulle 2009 (doi 10.1109/TIP.2009.2028250).
A bound x >= lowest is kept inside, as theirs.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from scidiff.volumes.baselines.samples import size, where

CURVATURE = 12.0  # |D|^2: four for each axis
SLAB = 2**18  # voxels at a time, so that what is in between stays in the cache


def differences(x: Tensor, out: Tensor | None = None) -> Tensor:
    """D x of (B, 1, X, Y, Z): (B, 3, X, Y, Z), or of its first planes alone if `out` has not as many."""
    d = x.new_empty(len(x), 3, *x.shape[2:]) if out is None else out
    for axis in range(3):
        along = x[:, 0] if axis == 0 else x[:, 0, : d.shape[2]]
        n = along.shape[axis + 1] - 1
        rise = d[:, axis].narrow(axis + 1, 0, n)
        torch.sub(along.narrow(axis + 1, 1, n), along.narrow(axis + 1, 0, n), out=rise)
        d[:, axis].narrow(axis + 1, n, d.shape[axis + 2] - n).zero_()
    return d


def adjoint_differences(p: Tensor) -> Tensor:
    """D'p of (B, 3, X, Y, Z), which is 0 on the last faces: (B, 1, X, Y, Z)."""
    x = p.sum(1).neg_()
    for axis in range(3):
        n = p.shape[axis + 2] - 1
        x.narrow(axis + 1, 1, n).add_(p[:, axis].narrow(axis + 1, 0, n))
    return x[:, None]


def total_variation(x: Tensor) -> Tensor:
    """TV of every sample: (B, 1, 1, 1, 1)."""
    return lengths(differences(x)).flatten(1).sum(1).reshape(-1, 1, 1, 1, 1)


class TotalVariation:
    """(v, w) -> prox_{w TV}(v), the dual kept from call to call.

    Args:
        steps: of the projected gradient, at most. Called again and again with almost the same v, four follow the
            minimum within 1e-4 of the image's range.
        tolerance: stop when five steps change every image by less than this share of its size.
        lowest: a bound on x, or none.
    """

    def __init__(self, steps: int = 4, tolerance: float = 0.0, lowest: float | None = None) -> None:
        self.steps, self.tolerance, self.lowest = steps, tolerance, lowest
        self.p: Tensor | None = None

    def __call__(self, v: Tensor, w: Tensor) -> Tensor:
        """v (B, 1, X, Y, Z); w (B or 1, 1, 1, 1, 1)."""
        p = v.new_zeros(len(v), 3, *v.shape[2:]) if self.p is None else self.p
        q, new = p.clone(), torch.empty_like(p)
        age, x, going = 1.0, v, torch.ones_like(size(v), dtype=torch.bool)
        for step in range(1, self.steps + 1):
            older, age = age, (1 + (1 + 4 * age * age) ** 0.5) / 2
            self.climb(v, w, p, q, new, (older - 1) / age)
            p, q, new = new, p, q
            if self.tolerance and step % 5 == 0 and step < self.steps:
                last, x = x, where(going, self.primal(v, p), x)
                going = going & (size(x - last) > self.tolerance * size(x))  # each sample stops by itself
                if not bool(going.any()):
                    break
        self.p = p
        return where(going, self.primal(v, p), x)

    def climb(self, v: Tensor, w: Tensor, p: Tensor, q: Tensor, new: Tensor, momentum: float) -> None:
        """new <- P(q + D x / 12), x that of the dual q, and p, which is left, to where the next step starts."""
        x = self.primal(v, q)
        for begin, end in slabs(x):
            here, last = new[:, :, begin:end], p[:, :, begin:end]
            differences(x[:, :, begin : end + 1], here)
            into_ball(torch.add(q[:, :, begin:end], here, alpha=1 / CURVATURE, out=here), w)
            torch.lerp(last, here, 1 + momentum, out=last)

    def primal(self, v: Tensor, p: Tensor) -> Tensor:
        """x of a dual p."""
        x = torch.empty_like(v)
        for begin, end in slabs(v):
            before = min(begin, 1)  # D' looks back by a plane
            back = adjoint_differences(p[:, :, begin - before : end])[:, :, before:]
            here = torch.sub(v[:, :, begin:end], back, out=x[:, :, begin:end])
            if self.lowest is not None:
                here.clamp_(min=self.lowest)
        return x


def slabs(x: Tensor) -> Iterator[tuple[int, int]]:
    """First plane and last but one of parts of (B, 1, X, Y, Z) across its first axis."""
    count = x.shape[2]
    planes = max(SLAB * count // max(x.numel(), 1), 1)
    return ((begin, min(begin + planes, count)) for begin in range(0, count, planes))


def into_ball(p: Tensor, w: Tensor) -> Tensor:
    """Each vector of (B, 3, X, Y, Z) shortened to w at most, in place."""
    share = lengths(p)
    torch.maximum(share, w.clamp(min=torch.finfo(p.dtype).tiny), out=share)
    return p.mul_(torch.div(w, share, out=share))


def lengths(p: Tensor) -> Tensor:
    """|p_v| of (B, 3, X, Y, Z): (B, 1, X, Y, Z). Written out, as torch's own norm along an inner axis is slow."""
    square = p[:, :1].square()
    for axis in (1, 2):
        square.addcmul_(p[:, axis : axis + 1], p[:, axis : axis + 1])
    return square.sqrt_()
