"""How one part of a state is noised and how it goes back: exact kernels, no network, no order of accuracy."""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from scidiff.engine.noise import Noise
from scidiff.engine.schedule import Schedule
from scidiff.engine.state import State
from scidiff.engine.subspace import Full, Subspace


class Process(Protocol):
    """Kernels of one part. t, s are (B,) times; every result is laid out as state[part]."""

    schedule: Schedule

    def prior(self, state: State, part: str, noise: Noise) -> Tensor:
        """Draw x_1."""
        ...

    def forward(self, state: State, part: str, s: Tensor, t: Tensor, noise: Noise) -> Tensor:
        """Draw x_t given x_s, t >= s."""
        ...

    def reverse(self, state: State, part: str, estimate: Tensor, t: Tensor, s: Tensor, noise: Noise) -> Tensor:
        """Draw x_s given x_t and the clean estimate, s < t."""
        ...

    def error(self, estimate: Tensor, state: State, part: str) -> Tensor:
        """How far the estimate is from the clean state: (B,)."""
        ...


@dataclass(frozen=True)
class Gaussian:
    """x_t = alpha_t x_0 + sigma_t e on a subspace.

    forward  x_t = a x_s + sqrt(sigma_t^2 - a^2 sigma_s^2) e,  a = alpha_t / alpha_s
    reverse  x_s = alpha_s x^ + sqrt(sigma_s^2 - d^2) (x_t - alpha_t x^) / sigma_t + d e,
             d^2 = eta^2 sigma_s^2 (1 - a^2 sigma_s^2 / sigma_t^2)
    eta = 0 is DDIM (Song, Meng, Ermon 2021, arxiv.org/abs/2010.02502), eta = 1 the DDPM posterior.
    """

    schedule: Schedule
    subspace: Subspace = field(default_factory=Full)
    eta: float = 0.0

    def prior(self, state: State, part: str, noise: Noise) -> Tensor:
        """sigma(1) times noise: the law at t = 1 up to the little signal that is left."""
        _, sigma = self._curve(torch.ones(len(state), device=state.device), state, part)
        return sigma * self._draw(state, part, noise)

    def forward(self, state: State, part: str, s: Tensor, t: Tensor, noise: Noise) -> Tensor:
        """Draw x_t given x_s = state[part], t >= s."""
        (alpha_s, sigma_s), (alpha_t, sigma_t) = self._curve(s, state, part), self._curve(t, state, part)
        ratio = alpha_t / alpha_s
        spread = (sigma_t**2 - (ratio * sigma_s) ** 2).clamp(min=0).sqrt()
        return ratio * state[part] + spread * self._draw(state, part, noise)

    def reverse(self, state: State, part: str, estimate: Tensor, t: Tensor, s: Tensor, noise: Noise) -> Tensor:
        """Draw x_s given x_t = state[part] and the clean estimate, s < t."""
        (alpha_s, sigma_s), (alpha_t, sigma_t) = self._curve(s, state, part), self._curve(t, state, part)
        kept = (alpha_t / alpha_s * sigma_s / sigma_t) ** 2
        fresh = self.eta * sigma_s * (1 - kept).clamp(min=0).sqrt()
        direction = (state[part] - alpha_t * estimate) / sigma_t
        x_s = alpha_s * estimate + (sigma_s**2 - fresh**2).clamp(min=0).sqrt() * direction
        return x_s + fresh * self._draw(state, part, noise) if self.eta else x_s

    def error(self, estimate: Tensor, state: State, part: str) -> Tensor:
        """Mean squared error against the clean state: (B,)."""
        return state.mean_by_sample((estimate - state[part]) ** 2, part)

    def _curve(self, t: Tensor, state: State, part: str) -> tuple[Tensor, Tensor]:
        alpha, sigma = self.schedule(t)
        return state.spread(alpha, part), state.spread(sigma, part)

    def _draw(self, state: State, part: str, noise: Noise) -> Tensor:
        return self.subspace.project(noise.normal(state[part], state.owner.get(part)), state, part)


@dataclass(frozen=True)
class Categorical:
    """q(x_t | x_0) = k_t [x_t = x_0] + (1 - k_t) pi(x_t), k = alpha, for classes 0 ... K - 1 held as int64.

    reverse  p(x_s | x_t) ~ q(x_t | x_s) (k_s w(x_s) + (1 - k_s) pi(x_s) sum w),  w(x_0) = p^(x_0) / q(x_t | x_0):
    the posterior averaged over the estimate p^, in closed form for any pi.
    Austin, Johnson, Ho, Tarlow, van den Berg 2021 (arxiv.org/abs/2107.03006).

    Args:
        classes: K.
        noise: "uniform" (pi = 1 / K), "marginal" (pi = `marginal`) or "absorbing" (pi is a mask, class K).
        marginal: K frequencies of the classes, for "marginal".
        surest: of absorbing noise, as many rows settle in a step down as else would on average, but those whose
            estimate is surest. Rows settled together then contradict one another less; as the choice does not look at
            what is drawn, one row at a time would still draw the exact law.
            Chang et al. 2022 (arxiv.org/abs/2202.04200), who choose after drawing.
    """

    schedule: Schedule
    classes: int
    noise: str = "absorbing"
    marginal: tuple[float, ...] = ()
    surest: bool = False

    def __post_init__(self) -> None:
        if self.noise not in ("uniform", "marginal", "absorbing"):
            raise ValueError(f"noise is uniform, marginal or absorbing, not {self.noise}")
        if self.noise == "marginal" and len(self.marginal) != self.classes:
            raise ValueError(f"marginal needs {self.classes} frequencies, got {len(self.marginal)}")
        if self.surest and self.noise != "absorbing":
            raise ValueError(f"only under absorbing noise do rows settle, the surest first, not under {self.noise}")

    @property
    def symbols(self) -> int:
        """K, or K + 1 with the mask."""
        return self.classes + (self.noise == "absorbing")

    def pi(self, device: torch.device | None = None) -> Tensor:
        """The law at t = 1: (symbols,)."""
        if self.noise == "absorbing":
            return functional.one_hot(torch.tensor(self.classes, device=device), self.symbols).float()
        weights = torch.tensor(self.marginal or (1.0,) * self.classes, device=device)
        return weights / weights.sum()

    def prior(self, state: State, part: str, noise: Noise) -> Tensor:
        """Draw from pi."""
        if self.noise == "absorbing":
            return torch.full_like(state[part], self.classes)
        uniform = noise.uniform(state[part], state.owner.get(part))
        return pick(self.pi(state.device).expand(*uniform.shape, -1), uniform)

    def forward(self, state: State, part: str, s: Tensor, t: Tensor, noise: Noise) -> Tensor:
        """Keep each row with probability k_t / k_s, else draw it from pi."""
        kept = state.spread(self._kept(t) / self._kept(s), part)
        return torch.where(
            noise.uniform(state[part], state.owner.get(part)) < kept, state[part], self.prior(state, part, noise)
        )

    def reverse(self, state: State, part: str, estimate: Tensor, t: Tensor, s: Tensor, noise: Noise) -> Tensor:
        """Draw x_s given x_t = state[part] and the clean estimate's logits (..., K)."""
        if self.surest:
            return self._settle(state, part, estimate.float().softmax(-1), t, s, noise)
        return pick(self.posterior(state, part, estimate, t, s), noise.uniform(state[part], state.owner.get(part)))

    def _settle(self, state: State, part: str, clean: Tensor, t: Tensor, s: Tensor, noise: Noise) -> Tensor:
        """Draw the surest of the masked rows, (k_s - k_t) / (1 - k_t) of them, rounded up or down by chance."""
        x, masked = state[part], state[part] == self.classes
        order = state.rank(torch.where(masked, clean.amax(-1), -1.0), part)
        share = (self._kept(s) - self._kept(t)) / (1 - self._kept(t))
        count = state.sum_by_sample(masked, part) * share + noise.per_sample()
        drawn = pick(clean, noise.uniform(x, state.owner.get(part)))
        return torch.where(masked & (order < state.spread(count.floor(), part)), drawn, x)

    def posterior(self, state: State, part: str, estimate: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """p(x_s | x_t) up to a factor: (..., symbols)."""
        k_t, k_s = (state.spread(self._kept(time), part).unsqueeze(-1) for time in (t, s))
        pi = self.pi(state.device)
        now = functional.one_hot(state[part], self.symbols).to(pi.dtype)
        arrival = pi[state[part]].unsqueeze(-1)  # pi(x_t)
        clean = functional.pad(estimate.float().softmax(-1).clamp(min=1e-30), (0, self.symbols - self.classes))
        likelihood = k_t * now + (1 - k_t) * arrival  # q(x_t | x_0) for every x_0
        weight = torch.where(likelihood > 0, clean / likelihood, 0)  # no support given x_t: dropped, not divided
        step = k_t / k_s
        passing = step * now + (1 - step) * arrival  # q(x_t | x_s) for every x_s
        return passing * (k_s * weight + (1 - k_s) * pi * weight.sum(-1, keepdim=True))

    def error(self, estimate: Tensor, state: State, part: str) -> Tensor:
        """Mean cross entropy of the clean rows: (B,)."""
        logits = estimate.float().flatten(0, -2)
        loss = functional.cross_entropy(logits, state[part].flatten(), reduction="none")
        return state.mean_by_sample(loss.reshape(state[part].shape), part)

    def _kept(self, t: Tensor) -> Tensor:
        return self.schedule(t)[0]


def pick(weights: Tensor, uniform: Tensor) -> Tensor:
    """Draw a class from unnormalised weights (..., K) with one uniform (...) each, by the inverse of their sums."""
    sums = weights.double().cumsum(-1)
    return (sums < uniform.unsqueeze(-1) * sums[..., -1:]).sum(-1)
