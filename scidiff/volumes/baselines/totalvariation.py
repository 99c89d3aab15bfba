"""Total variation in 3D, TV(x) = sum_v |(D x)_v|, D the forward differences along three axes, 0 across the last face.

prox_{w TV}(v) = x = v - D'p with the p of |p_v| <= w that minimises |v - D'p|^2, by the fast projected gradient
p <- P(q + D x / 12), 12 = |D|^2. Rudin, Osher, Fatemi 1992; Beck, Teboulle 2009 (doi 10.1109/TIP.2009.2028250).
A bound x >= lowest is kept inside, as theirs.
"""

import torch
from torch import Tensor

from scidiff.volumes.baselines.samples import size

CURVATURE = 12.0  # |D|^2: four for each axis


def differences(x: Tensor) -> Tensor:
    """D x of (B, 1, X, Y, Z): (B, 3, X, Y, Z)."""
    d = x.new_zeros(len(x), 3, *x.shape[2:])
    for axis in range(3):
        n = x.shape[axis + 2] - 1
        torch.sub(x[:, 0].narrow(axis + 1, 1, n), x[:, 0].narrow(axis + 1, 0, n), out=d[:, axis].narrow(axis + 1, 0, n))
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
        steps: of the projected gradient, at most.
        tolerance: stop when five steps change every image by less than this share of its size.
        lowest: a bound on x, or none.
    """

    def __init__(self, steps: int = 10, tolerance: float = 0.0, lowest: float | None = None) -> None:
        self.steps, self.tolerance, self.lowest = steps, tolerance, lowest
        self.p: Tensor | None = None

    def __call__(self, v: Tensor, w: Tensor) -> Tensor:
        """v (B, 1, X, Y, Z); w (B or 1, 1, 1, 1, 1)."""
        p = v.new_zeros(len(v), 3, *v.shape[2:]) if self.p is None else self.p
        q, age, x, going = p, 1.0, v, torch.ones_like(size(v), dtype=torch.bool)
        for step in range(1, self.steps + 1):
            new = into_ball(differences(self.primal(v, q)).div_(CURVATURE).add_(q), w)
            older, age = age, (1 + (1 + 4 * age * age) ** 0.5) / 2
            q, p = torch.lerp(p, new, 1 + (older - 1) / age), new
            if step == self.steps or (self.tolerance and step % 5 == 0):
                last, x = x, torch.where(going, self.primal(v, p), x)
                going = going & (size(x - last) > self.tolerance * size(x))  # each sample stops by itself
                if not bool(going.any()):
                    break
        self.p = p
        return x

    def primal(self, v: Tensor, p: Tensor) -> Tensor:
        """x of a dual p."""
        x = v - adjoint_differences(p)
        return x if self.lowest is None else x.clamp_(min=self.lowest)


def into_ball(p: Tensor, w: Tensor) -> Tensor:
    """Each vector of (B, 3, X, Y, Z) shortened to w at most, in place."""
    return p.mul_(w / torch.maximum(lengths(p), w.clamp(min=torch.finfo(p.dtype).tiny)))


def lengths(p: Tensor) -> Tensor:
    """|p_v| of (B, 3, X, Y, Z): (B, 1, X, Y, Z). Written out, as torch's own norm along an inner axis is slow."""
    square = p[:, :1].square()
    for axis in (1, 2):
        square.addcmul_(p[:, axis : axis + 1], p[:, axis : axis + 1])
    return square.sqrt_()
