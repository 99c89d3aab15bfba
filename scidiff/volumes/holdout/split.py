"""What a restorer is shown of an observation, and how its answer x is judged by the rest, in units of the noise:

    r(x) = mean over held-out i of |y_i - (A x)_i|^2 / sigma^2  +  c(x) / n
    c(x) = sum over blocks b of what was shown of max(|y_b - (A x)_b|^2 / sigma^2 - n_b - 3 sqrt(2 n_b), 0)

c is by how much x contradicts what it was shown, beyond what noise allows; n is how many numbers it was not shown, so
that n (r - 1) is about its whole error. Masks, resampling and k-space have c; elsewhere what is held out sees all of x.
Held-out entries are weighed in blocks of neighbours, as errors of neighbours are alike.

x harms if r(x) - r(x') > 1 standard error of the difference over the blocks, x' the classical answer. Both see the same
held-out noise, which cancels but for its product with x - x'. A tie is no harm; of answers equally good in truth, one
in six is called harmful.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from scidiff.engine.operator import Observation
from scidiff.store.errors import UserError

BLOCK = 8  # entries along an axis, and at most a quarter of it
FEWEST = 16, 4  # entries, and blocks of them, that say anything
FLOOR = 1e-6  # of the data's mean square: noise below is none
ALLOWED = 3.0  # deviations by which noise may exceed its mean in what was shown


class TooFew(UserError):
    """Nothing can be held out, so the answers cannot be judged."""


@dataclass(frozen=True)
class Verdict:
    """Whose answer predicts better what neither was shown.

    Attributes:
        harmless: ours is not worse than the classical answer by more than `deviation`; true if they were not judged.
        ours, classical: r of each, see above; NaN if not judged.
        deviation: standard error of their difference.
        held: how many numbers were held out, 0 if not judged.
        reason: why not judged, or nothing.
    """

    harmless: bool
    ours: float
    classical: float
    deviation: float
    held: int
    reason: str = ""

    @classmethod
    def none(cls, reason: str) -> "Verdict":
        """Not judged: the answer stands, and the user is told why."""
        return cls(True, math.nan, math.nan, math.nan, 0, reason)


@dataclass(frozen=True, eq=False)
class Split:
    """One observation in two.

    Attributes:
        kept: what a restorer may see.
        whole: what was measured, y (1, ..., I, J, K).
        held: bool, broadcasts to y[0]: what judges.
        shown: bool, likewise: what may not be contradicted; none where held-out entries see all of x.
        share: held out, of all that was measured.
    """

    kept: Observation
    whole: Observation
    held: Tensor
    share: float
    shown: Tensor | None = None

    def judge(self, x: Tensor) -> float:
        """r of an answer (1, 1, X, Y, Z): about 1 + error / noise, 1 if it is the truth."""
        return self._risk(x)[0]

    def compare(self, ours: Tensor, classical: Tensor) -> Verdict:
        """Judge two answers to `kept` by the rule above; one with NaN or infinite voxels harms."""
        (risk, row), (rival, other) = self._risk(ours), self._risk(classical)
        error = _standard_error(row - other, self.sizes(self.held))
        return Verdict(math.isfinite(risk) and not risk - rival > error, risk, rival, error, self.count)

    @property
    def count(self) -> int:
        """How many entries of y judge."""
        return int(self.held.expand(self.whole.y.shape[1:]).sum())

    def sizes(self, where: Tensor) -> Tensor:
        """Entries in each block."""
        return self._blocks(torch.ones_like(self.whole.y[0], dtype=torch.float32), where)

    def _risk(self, x: Tensor) -> tuple[float, Tensor]:
        """r, and the sums of its first term by block."""
        squares = self._squares(x)
        row = self._blocks(squares, self.held)
        return float(row.sum()) / self.count + self._contradiction(squares, x.numel()), row

    def _squares(self, x: Tensor) -> Tensor:
        """|y - A x|^2 / sigma^2 of one sample."""
        y = self.whole.y
        unit = max(float(self.whole.sigma) ** 2, FLOOR * float(y.abs().square().mean()))
        return (y - self.whole.operator(x.to(y.device)))[0].abs().square() / unit

    def _blocks(self, values: Tensor, where: Tensor) -> Tensor:
        """Sums over blocks of y's last three axes and over all coils."""
        grid = values.shape[-3:]
        values = torch.where(where, values, 0).reshape(-1, *grid).sum(0, dtype=torch.float64)
        tiles = _tiles(grid).to(values.device)
        return values.new_zeros(int(tiles.max()) + 1).index_add(0, tiles.flatten(), values.flatten())

    def _contradiction(self, squares: Tensor, numbers: int) -> float:
        """c / n; x has so many numbers, and k-space of several coils more."""
        if self.shown is None:
            return 0.0
        sizes, sums = self.sizes(self.shown), self._blocks(squares, self.shown)
        excess = (sums - sizes - ALLOWED * (2 * sizes).sqrt()).clamp(min=0)
        return float(excess.sum()) / (max(numbers, squares.numel()) - float(sizes.sum()))


def checked(split: Split) -> Split:
    """The split itself.

    Raises:
        TooFew: what it holds out is too little to judge by.
    """
    entries, blocks = FEWEST
    if split.count < entries or int((split.sizes(split.held) > 0).sum()) < blocks:
        raise TooFew("There are too few measurements to hold some out, so the result could not be checked on them.")
    return split


def _tiles(grid: torch.Size) -> Tensor:
    """The number of the block that each entry is in."""
    number = torch.zeros(grid, dtype=torch.int64)
    for axis, size in enumerate(grid):
        side = min(max(size // 4, 1), BLOCK)
        place = torch.arange(size) // side
        number = number * (int(place[-1]) + 1) + place.reshape([-1 if a == axis else 1 for a in range(3)])
    return number


def _standard_error(differences: Tensor, sizes: Tensor) -> float:
    """Of sum d_b / sum n_b, blocks b drawn from many: the ratio estimate's (Cochran 1977, chapter 2.11)."""
    count = int((sizes > 0).sum())
    rest = differences - sizes * (differences.sum() / sizes.sum())
    return float((count / max(count - 1, 1) * rest.square().sum()).sqrt() / sizes.sum())
