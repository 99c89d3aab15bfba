"""Diffusion posterior sampling: a gradient step on |y - A x^(x_t)|, taken through the denoiser."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.operator import Observation
from scidiff.engine.schedule import Schedule
from scidiff.engine.state import State


@dataclass(frozen=True)
class Gradient:
    """x_s <- x_s - (scale / |y - A x^|) grad_{x_t} |y - A x^(x_t)|^2, said through the estimate.

    The reverse kernel of a Gaussian part moves by k = alpha_s - alpha_t sqrt(sigma_s^2 - d^2) / sigma_t for every unit
    of the estimate, so x^ moves by the step over k. The gradient is -2 J^T A^T (y - A x^) with J the denoiser's
    Jacobian: A is never differentiated. Chung et al. 2023 (arxiv.org/abs/2209.14687), algorithm 1, for any schedule.
    A heuristic: it reaches the observation, but its samples are not the posterior's, not even for Gaussian data.

    Args:
        observation: y, A and sigma_y (sigma_y is not used).
        schedule: of the part's process.
        scale: zeta, in the units of x_t; 0.3 to 1 as published for data in [-1, 1].
        eta: of the sampler's reverse kernel; 1 is the published DDPM.
        part: which part is observed; dense.
    """

    observation: Observation
    schedule: Schedule
    scale: float = 1.0
    eta: float = 1.0
    part: str = "image"

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        def guided(state: State, moment: Moment) -> Estimate:
            estimate, slope, length = self._slope(denoiser, state, moment)
            step = 2 * self.scale / (self._reach(moment) * length).clamp(min=1e-30)
            moved = estimate[self.part] + state.spread(step, self.part) * slope
            return Estimate({**estimate.parts, self.part: moved})

        return guided

    @torch.inference_mode(mode=False)
    @torch.enable_grad()
    def _slope(self, denoiser: Denoiser, state: State, moment: Moment) -> tuple[Estimate, Tensor, Tensor]:
        """The estimate, J^T A^T (y - A x^), and |y - A x^| (B,)."""
        state, moment = _ordinary(state, moment)
        x_t = state[self.part].requires_grad_()
        estimate = denoiser(state, moment)
        x = estimate[self.part]
        with torch.no_grad():
            misfit = self.observation.y - self.observation.operator(x)
            pull = self.observation.operator.adjoint(misfit)
        (slope,) = torch.autograd.grad(x, x_t, pull)
        kept = Estimate({part: value.detach() for part, value in estimate.parts.items()})
        return kept, slope, misfit.abs().flatten(1).square().sum(1).sqrt()

    def _reach(self, moment: Moment) -> Tensor:
        """k = d x_s / d x^: (B,)."""
        s = torch.zeros_like(moment.t) if moment.s is None else moment.s
        (alpha_s, sigma_s), (alpha_t, sigma_t) = self.schedule(s), self.schedule(moment.t)
        kept = (alpha_t / alpha_s * sigma_s / sigma_t) ** 2
        left = sigma_s * (1 - self.eta**2 * (1 - kept).clamp(min=0)).clamp(min=0).sqrt()  # sqrt(sigma_s^2 - d^2)
        return alpha_s - alpha_t * left / sigma_t


def _ordinary(state: State, moment: Moment) -> tuple[State, Moment]:
    """Copies that autograd may use: tensors made in inference mode may not be saved for a backward pass."""
    context = {key: given.clone() if isinstance(given, Tensor) else given for key, given in state.context.items()}
    state = replace(state, parts={part: x.detach().clone() for part, x in state.parts.items()}, context=context)
    last = moment.last and Estimate({part: value.clone() for part, value in moment.last.before_rule.parts.items()})
    return state, replace(moment, t=moment.t.clone(), last=last)
