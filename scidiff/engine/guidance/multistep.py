"""DPM-Solver++(2M) as guidance: DDIM on an estimate extrapolated from the last two."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.process import Gaussian, Process
from scidiff.engine.schedule import noise_ratio
from scidiff.engine.state import State


@dataclass(frozen=True)
class Multistep:
    """x^ <- x^_t + (x^_t - x^_last) / (2 r), r = h_last / h, h = ln(alpha_s / sigma_s) - ln(alpha_t / sigma_t).

    Lu et al. 2022 (arxiv.org/abs/2211.01095), algorithm 2. Only Gaussian parts with eta = 0 are extrapolated; the first
    step, the last one (to s = 0) and the one after a step up are not.
    """

    processes: Mapping[str, Process]

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        def stepped(state: State, moment: Moment) -> Estimate:
            estimate = denoiser(state, moment)
            plain = estimate.before_rule
            if moment.last is None or moment.last_t is None or moment.s is None or not bool((moment.s > 0).all()):
                return estimate
            last = moment.last.before_rule
            moved = {part: self._extrapolate(state, part, plain, last, moment) for part in self._smooth()}
            return Estimate({**estimate.parts, **moved}, plain=plain)

        return stepped

    def _smooth(self) -> list[str]:
        return [part for part, process in self.processes.items() if isinstance(process, Gaussian) and not process.eta]

    def _extrapolate(self, state: State, part: str, now: Estimate, last: Estimate, moment: Moment) -> Tensor:
        log_last, log_t, log_s = (
            torch.log(noise_ratio(self.processes[part].schedule, time))
            for time in (moment.last_t, moment.t, moment.s)
            if time is not None
        )
        weight = state.spread((log_t - log_s) / (2 * (log_last - log_t)), part)
        weight = torch.where(torch.isfinite(weight), weight, 0)  # the first of all times may have alpha = 0
        return now[part] + weight * (now[part] - last[part])
