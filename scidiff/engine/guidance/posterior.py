"""Measurement posteriors: the estimate E[x_0 | x_t] moved towards E[x_0 | x_t, y] for an observation y = A x + e.

x^ <- x^ + (A^T A + w_t I)^-1 A^T (y - A x^): the x nearest to both, argmin |y - A x|^2 + w_t |x - x^|^2.
The methods differ in w_t alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.operator import Observation, solve
from scidiff.engine.schedule import Schedule, noise_ratio
from scidiff.engine.state import State


@dataclass(frozen=True)
class MomentMatching:
    """x^ <- x^ + r_t^2 A^T (sigma_y^2 + r_t^2 A A^T)^-1 (y - A x^), with r_t^2 the variance of the estimate's error.

    r_t^2 = sigma_t^2 s^2 / (alpha_t^2 s^2 + sigma_t^2) for data of deviation s, which makes it the exact posterior mean
    of Gaussian data. w_t = sigma_y^2 / r_t^2 (complex noise: sigma_y^2 / 2).
    Song, Vahdat, Mardani, Kautz 2023 (openreview.net/forum?id=9_gsMA8MRKQ), without their Jacobian, which on such data
    is the identity's multiple r_t^2 alpha_t / sigma_t^2; Rozet et al. 2024 (arxiv.org/abs/2405.13712) for the name.

    Args:
        observation: y, A and sigma_y.
        schedule: of the part's process.
        deviation: s in the units of the part; or sigma_t / alpha_t (B,) -> r_t (B,), as measured on held-out data.
        part: which part is observed; dense.
        steps: conjugate gradient steps at each evaluation.
        tolerance: relative residual at which they stop.

    Raises:
        ValueError: s is not above 0.
    """

    observation: Observation
    schedule: Schedule
    deviation: float | Callable[[Tensor], Tensor] = 1.0
    part: str = "image"
    steps: int = 10
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if not callable(self.deviation) and self.deviation <= 0:
            raise ValueError(f"the data's deviation must be above 0, not {self.deviation}")

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        def matched(state: State, moment: Moment) -> Estimate:
            weight = self.observation.variance / self.spread(moment.t)
            return _nearest(self, denoiser(state, moment), weight)

        return matched

    def spread(self, t: Tensor) -> Tensor:
        """r_t^2: (B,)."""
        if callable(self.deviation):
            return self.deviation(noise_ratio(self.schedule, t)) ** 2
        alpha, sigma = self.schedule(t)
        return (sigma * self.deviation) ** 2 / ((alpha * self.deviation) ** 2 + sigma**2)


@dataclass(frozen=True)
class Proximal:
    """x^ <- argmin |y - A x|^2 / sigma_y^2 + scale (alpha_t / sigma_t)^2 |x - x^|^2, the data step of DiffPIR.

    w_t = scale sigma_y^2 (alpha_t / sigma_t)^2. Zhu et al. 2023 (arxiv.org/abs/2305.08995), algorithm 1, whose noising
    step is the sampler's. scale = 0 is DDNM, x^ + A^+ (y - A x^), which believes every measurement:
    Wang, Yu, Zhang 2023 (arxiv.org/abs/2212.00490), algorithm 1.

    Args:
        observation: y, A and sigma_y.
        schedule: of the part's process.
        scale: lambda, 0 or more, tuned by its authors to a few units; 1 is MomentMatching with s -> infinity.
        part: which part is observed; dense.
        steps: conjugate gradient steps at each evaluation.
        tolerance: relative residual at which they stop.

    Raises:
        ValueError: a negative scale.
    """

    observation: Observation
    schedule: Schedule
    scale: float = 7.0
    part: str = "image"
    steps: int = 10
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if self.scale < 0:
            raise ValueError(f"the scale of a proximal step must be 0 or more, not {self.scale}")

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        def nearest(state: State, moment: Moment) -> Estimate:
            alpha, sigma = self.schedule(moment.t)
            weight = self.scale * self.observation.variance * (alpha / sigma) ** 2
            return _nearest(self, denoiser(state, moment), weight)

        return nearest


def _nearest(guide: MomentMatching | Proximal, estimate: Estimate, weight: Tensor) -> Estimate:
    """The estimate moved by (A^T A + w I)^-1 A^T (y - A x^); other parts are left as they are."""
    observation, x = guide.observation, estimate[guide.part]
    move = solve(observation.operator, observation.mismatch(x), weight, guide.steps, tolerance=guide.tolerance)
    return Estimate({**estimate.parts, guide.part: x + move})
