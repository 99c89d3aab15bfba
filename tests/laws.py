"""Small laws whose exact clean estimate is known, so that every process, walk and guidance is checked by moments.

Each law draws clean states and gives the exact denoiser E[x_0 | x_t] (means) or ln p(x_0 | x_t) (logits) for its
processes. What a sampler then returns must have the law's own moments, up to its step size and 1 / sqrt(n).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.noise import Noise
from scidiff.engine.operator import Observation
from scidiff.engine.plan import Plan
from scidiff.engine.process import Categorical, Gaussian, Process
from scidiff.engine.state import State

NUMBERS = 4096  # samples of every law
Number = TypeVar("Number", float, Tensor)


def noise(seed: int = 0, count: int = NUMBERS) -> Noise:
    """A seed a sample."""
    return Noise.of(seed, torch.arange(count))


def shrink(alpha: Tensor, sigma: Tensor, deviation: float) -> Tensor:
    """The regression of x_0 on x_t for x_0 of this deviation: alpha s^2 / (alpha^2 s^2 + sigma^2)."""
    return alpha * deviation**2 / ((alpha * deviation) ** 2 + sigma**2)


def after_steps(process: Gaussian, deviation: Number, eta: float, times: list[float]) -> tuple[Number, Number]:
    """What a finite walk makes of a normal law N(m, deviation^2): mean error / m and deviation, exactly, in float64.

    Every step is linear in y = x - alpha m: down, y_s = (alpha_s k + r (1 - alpha_t k)) y_t + d e with
    d = eta sigma_s sqrt(1 - (alpha_t sigma_s / alpha_s sigma_t)^2) and r = sqrt(sigma_s^2 - d^2) / sigma_t;
    up, y_t = (alpha_t / alpha_s) y_s + sqrt(sigma_t^2 - (alpha_t sigma_s / alpha_s)^2) e.
    """
    curve = [tuple(float(c) for c in process.schedule(torch.tensor(t, dtype=torch.float64))) for t in times]
    mean, variance = -curve[0][0], curve[0][1] ** 2
    for (a, sigma), (b, tau) in pairwise(curve):
        if tau > sigma / max(a, 1e-300) * b:
            factor, fresh = b / a, tau**2 - (b * sigma / a) ** 2
        else:
            k = a * deviation**2 / ((a * deviation) ** 2 + sigma**2)
            fresh = (eta * tau) ** 2 * (1 - (a * tau / (b * sigma)) ** 2)
            factor = b * k + (tau**2 - fresh) ** 0.5 / sigma * (1 - a * k)
        mean, variance = factor * mean, factor**2 * variance + fresh
    return mean, variance**0.5


@dataclass(frozen=True)
class Normal:
    """x ~ N(mean, deviation^2), independent numbers (B, width)."""

    process: Gaussian
    mean: float = 0.4
    deviation: float = 0.3
    width: int = 8

    @property
    def processes(self) -> Mapping[str, Process]:
        return {"x": self.process}

    def blank(self) -> State:
        return State({"x": torch.zeros(NUMBERS, self.width)})

    def clean(self, draw: Noise) -> State:
        return State({"x": self.mean + self.deviation * draw.normal(torch.zeros(NUMBERS, self.width))})

    def denoiser(self, shift: float = 0.0) -> Denoiser:
        def exact(state: State, moment: Moment) -> Estimate:
            mean = self.mean + shift * ("label" in state.context)
            alpha, sigma = (state.spread(c, "x") for c in self.process.schedule(moment.t))
            return Estimate({"x": mean + shrink(alpha, sigma, self.deviation) * (state["x"] - alpha * mean)})

        return exact


@dataclass(frozen=True)
class Joint:
    """A class c ~ weights and a number x ~ N(means[c], deviation^2): parts that depend on one another."""

    number: Gaussian
    symbol: Categorical
    weights: tuple[float, ...] = (0.5, 0.3, 0.2)
    means: tuple[float, ...] = (-1.0, 0.2, 1.5)
    deviation: float = 0.25

    @property
    def processes(self) -> Mapping[str, Process]:
        return {"x": self.number, "c": self.symbol}

    def blank(self) -> State:
        return State({"x": torch.zeros(NUMBERS, 1), "c": torch.zeros(NUMBERS, 1, dtype=torch.int64)})

    def denoiser(self) -> Denoiser:
        def exact(state: State, moment: Moment) -> Estimate:
            alpha, sigma = (state.spread(c, "x") for c in self.number.schedule(moment.t))
            means = torch.tensor(self.means)
            spread = (alpha * self.deviation) ** 2 + sigma**2
            kept = state.spread(self.symbol.schedule(moment.t)[0], "c").unsqueeze(-1)
            same = torch.nn.functional.one_hot(state["c"], self.symbol.symbols)[..., : self.symbol.classes]
            seen = kept * same + (1 - kept) * self.symbol.pi()[state["c"]].unsqueeze(-1)
            logits = torch.log(torch.tensor(self.weights)) + torch.log(seen.clamp(min=1e-37))
            logits = logits - ((state["x"] - alpha * means) ** 2 / (2 * spread)).unsqueeze(1)
            each = means + shrink(alpha, sigma, self.deviation) * (state["x"] - alpha * means)
            return Estimate({"x": (logits[:, 0].softmax(-1) * each).sum(-1, keepdim=True), "c": logits})

        return exact


@dataclass(frozen=True)
class Cloud:
    """Points (B, n, 3) of zero mean: N(template, deviation^2) projected to zero centre of mass."""

    process: Gaussian
    deviation: float = 0.3
    template: Tensor = field(default_factory=lambda: torch.tensor([[1.0, 0, 0], [-1, 1, 0], [0, -1, 2], [0, 0, -2]]))

    @property
    def processes(self) -> Mapping[str, Process]:
        return {"x": self.process}

    def blank(self) -> State:
        return State({"x": torch.zeros(NUMBERS, *self.template.shape)})

    def denoiser(self) -> Denoiser:
        def exact(state: State, moment: Moment) -> Estimate:
            alpha, sigma = (state.spread(c, "x") for c in self.process.schedule(moment.t))
            centred = self.template - self.template.mean(0)
            return Estimate({"x": centred + shrink(alpha, sigma, self.deviation) * (state["x"] - alpha * centred)})

        return exact


@dataclass(frozen=True)
class Observed:
    """A small volume x ~ N(mean, deviation^2 I) of which y = A x + e was seen: a normal posterior, here dense.

    In the eigenvectors of A^T A its numbers are independent, so `after_steps` knows what a finite walk makes of each.
    """

    process: Gaussian
    observation: Observation
    shape: tuple[int, int, int]
    mean: float = 0.4
    deviation: float = 0.3

    @property
    def processes(self) -> Mapping[str, Process]:
        return {"image": self.process}

    def blank(self, count: int = NUMBERS) -> State:
        return State({"image": torch.zeros(count, 1, *self.shape)})

    def denoiser(self) -> Denoiser:
        """Of the prior: it knows nothing of y."""

        def exact(state: State, moment: Moment) -> Estimate:
            alpha, sigma = (state.spread(c, "image") for c in self.process.schedule(moment.t))
            return Estimate(
                {"image": self.mean + shrink(alpha, sigma, self.deviation) * (state["image"] - alpha * self.mean)}
            )

        return exact

    def matrix(self) -> Tensor:
        """A (measured real numbers, voxels), float64."""
        voxels = self.blank(1)["image"].numel()
        return real_rows(self.observation.operator(torch.eye(voxels).reshape(voxels, 1, *self.shape))).T

    def posterior(self, eta: float = 0.0, times: list[float] | None = None) -> tuple[Tensor, Tensor]:
        """Mean (voxels,) and covariance of x given y, or of what a walk makes of them, float64."""
        matrix, variance = self.matrix(), self.observation.sigma**2 / (1 + self.observation.y.is_complex())
        values, vectors = torch.linalg.eigh(matrix.T @ matrix)
        spread = 1 / (1 / self.deviation**2 + values / variance)
        pull = matrix.T @ real_rows(self.observation.y)[0] / variance + self.mean / self.deviation**2
        mean = spread * (vectors.T @ pull)
        if times is not None:
            drift, deviation = after_steps(self.process, spread.sqrt(), eta, times)
            mean, spread = mean * (1 + drift), deviation**2
        return vectors @ mean, vectors @ (spread[:, None] * vectors.T)


def real_rows(y: Tensor) -> Tensor:
    """(B, ...) measurements as (B, real numbers), float64."""
    return (torch.view_as_real(y) if y.is_complex() else y).flatten(1).double()


class Impulses:
    """Noise without chance: sample 0 gets none, every other sample one unit in one draw."""

    def __init__(self, voxels: int, draws: int) -> None:
        self.voxels, self.draws, self.drawn = voxels, draws, 0

    @property
    def count(self) -> int:
        return 1 + self.voxels * self.draws

    def normal(self, like: Tensor, owner=None) -> Tensor:
        values = torch.zeros(self.count, self.voxels)
        first = 1 + self.voxels * self.drawn
        values[first : first + self.voxels] = torch.eye(self.voxels)
        self.drawn += 1
        return values.reshape(like.shape)


def responses(law: Observed, plan: Plan) -> tuple[Tensor, Tensor]:
    """The exact mean and covariance of what a plan samples, without the 1 / sqrt(n) of drawing samples.

    With a Gaussian law and a linear operator a sampler is affine in its noise, so that single units of noise tell all.
    """
    voxels, times = law.blank(1)["image"].numel(), plan.times(law.process.schedule)()
    impulses = Impulses(voxels, draws=1 + sum(s > t or plan.eta > 0 for t, s in pairwise(times)))
    sampler = plan.sampler(law.processes, "image")
    found = sampler(law.denoiser(), law.blank(impulses.count), impulses)["image"].flatten(1).double()
    reach = found[1:] - found[0]
    return found[0], reach.T @ reach


def errors(found, wanted) -> tuple[float, float]:
    """Of the mean in deviations, and of the covariance relative to its variances: the worst of each."""
    (mean, covariance), (exact, spread) = found, wanted
    deviation = spread.diagonal().sqrt()
    scale = deviation[:, None] * deviation
    return float(((mean - exact) / deviation).abs().max()), float(((covariance - spread) / scale).abs().max())
