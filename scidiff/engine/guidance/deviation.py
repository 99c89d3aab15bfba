"""Steps that keep the data's deviation, as guidance: DDIM on an estimate moved by what DDIM would lose."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.process import Gaussian, Process
from scidiff.engine.state import State


@dataclass(frozen=True)
class KeepDeviation:
    """Hold F over a step, not x^ = (alpha d^2 x_t + sigma d q F) / q^2 with q^2 = alpha^2 d^2 + sigma^2.

    x_t / q_t is then linear in the angle of (alpha d, sigma):  x_s = q_s (x_t / q_t + F a), a the angle from s to t.
    DDIM holds x^, which shrinks data of deviation d at every step, and with churn again and again; this is exact for
    N(0, d^2), whose F is 0, and becomes DDIM as d -> 0. F is the raw output of Karras' parameterisation
    (Karras et al. 2022, arxiv.org/abs/2206.00364, table 1). Only Gaussian parts with eta = 0 are moved, and not on the
    last step, to s = 0.

    Args:
        processes: by part.
        deviation: d, in the units of the parts.
    """

    processes: Mapping[str, Process]
    deviation: float = 1.0

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        def kept(state: State, moment: Moment) -> Estimate:
            estimate = denoiser(state, moment)
            if moment.s is None or not bool((moment.s > 0).all()):
                return estimate
            moved = {part: self._move(state, part, estimate, moment.t, moment.s) for part in self._smooth()}
            return Estimate({**estimate.parts, **moved}, plain=estimate.before_rule)

        return kept

    def _smooth(self) -> list[str]:
        return [part for part, process in self.processes.items() if isinstance(process, Gaussian) and not process.eta]

    def _move(self, state: State, part: str, estimate: Estimate, t: Tensor, s: Tensor) -> Tensor:
        """The x^ from which DDIM reaches x_s = b x^ + c x_t."""
        d, schedule = self.deviation, self.processes[part].schedule
        (alpha_t, sigma_t), (alpha_s, sigma_s) = schedule(t), schedule(s)
        q_t, q_s = (torch.hypot(alpha * d, sigma) for alpha, sigma in ((alpha_t, sigma_t), (alpha_s, sigma_s)))
        a = torch.atan2((sigma_t * alpha_s - sigma_s * alpha_t) * d, alpha_t * alpha_s * d**2 + sigma_t * sigma_s)
        b, c = q_s * q_t * a / (d * sigma_t), q_s / q_t * (1 - alpha_t * d * a / sigma_t)
        reach = alpha_s - alpha_t * sigma_s / sigma_t  # of DDIM: x_s = reach x^ + (sigma_s / sigma_t) x_t
        of_estimate, of_x = (state.spread(k / reach, part) for k in (b, c - sigma_s / sigma_t))
        return of_estimate * estimate[part] + of_x * state[part]
