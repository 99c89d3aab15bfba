"""What the network predicts, as rows of one table: x0 = c_skip x_t + c_out F(c_in x_t).

A loss on the estimate weighted by 1 / c_out^2 is each paper's own loss on F.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Coefficients = tuple[Tensor, Tensor, Tensor]


def clean(alpha: Tensor, sigma: Tensor, data: float) -> Coefficients:
    """F = x0."""
    return 0 * alpha, 1 + 0 * alpha, _unit(alpha, sigma, data)


def epsilon(alpha: Tensor, sigma: Tensor, data: float) -> Coefficients:
    """F = e = (x_t - alpha x0) / sigma. Ho et al. 2020 (arxiv.org/abs/2006.11239)."""
    return 1 / alpha, -sigma / alpha, _unit(alpha, sigma, data)


def score(alpha: Tensor, sigma: Tensor, data: float) -> Coefficients:
    """F = -e / sigma. Song et al. 2021 (arxiv.org/abs/2011.13456)."""
    return 1 / alpha, sigma**2 / alpha, _unit(alpha, sigma, data)


def v(alpha: Tensor, sigma: Tensor, data: float) -> Coefficients:
    """F = alpha e - sigma x0. Salimans, Ho 2022 (arxiv.org/abs/2202.00512)."""
    norm = alpha**2 + sigma**2
    return alpha / norm, -sigma / norm, _unit(alpha, sigma, data)


def flow(alpha: Tensor, sigma: Tensor, data: float) -> Coefficients:
    """F = e - x0, the velocity of the straight path. Liu et al. 2022 (arxiv.org/abs/2209.03003)."""
    norm = alpha + sigma
    return 1 / norm, -sigma / norm, _unit(alpha, sigma, data)


def karras(alpha: Tensor, sigma: Tensor, data: float) -> Coefficients:
    """F of unit variance whatever the noise. Karras et al. 2022 (arxiv.org/abs/2206.00364), table 1, for any alpha."""
    variance = (alpha * data) ** 2 + sigma**2
    return alpha * data**2 / variance, sigma * data / variance.sqrt(), _unit(alpha, sigma, data)


def _unit(alpha: Tensor, sigma: Tensor, data: float) -> Tensor:
    """c_in: brings x_t to unit variance."""
    return ((alpha * data) ** 2 + sigma**2).rsqrt()


TABLE: dict[str, Callable[[Tensor, Tensor, float], Coefficients]] = {
    row.__name__: row for row in (clean, epsilon, score, v, flow, karras)
}


@dataclass(frozen=True)
class Parameterization:
    """One row of the table.

    Args:
        row: clean, epsilon, score, v, flow or karras.
        data: standard deviation of the clean data.
    """

    row: str = "karras"
    data: float = 1.0

    def __post_init__(self) -> None:
        if self.row not in TABLE:
            raise ValueError(f"parameterization is one of {', '.join(TABLE)}, not {self.row}")

    def __call__(self, alpha: Tensor, sigma: Tensor) -> Coefficients:
        """(c_skip, c_out, c_in), each of alpha's shape."""
        return TABLE[self.row](alpha, sigma, self.data)
