"""The one sampling loop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from scidiff.engine.constraint import Constraint
from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.noise import Noise
from scidiff.engine.process import Process
from scidiff.engine.state import State
from scidiff.engine.walk import Walk


@dataclass(frozen=True)
class Sampler:
    """Walk from noise to data: a step down is each part's reverse kernel, a step up its forward kernel.

    Args:
        processes: by part.
        walk: the times visited.
        guidance: wrappers of the denoiser, the innermost first.
        constraints: applied after each step.
    """

    processes: Mapping[str, Process]
    walk: Walk
    guidance: Sequence[Callable[[Denoiser], Denoiser]] = ()
    constraints: Sequence[Constraint] = ()

    def __call__(
        self, denoiser: Denoiser, state: State, noise: Noise, watch: Callable[[State, Estimate], None] | None = None
    ) -> State:
        """Sample. `state` gives shapes, owners and context, its values are not read; `watch` sees every step down."""
        with torch.autocast(state.device.type, enabled=False):  # the outermost keeps converted weights between steps
            return self._walk(denoiser, state, noise, watch)

    def _walk(
        self, denoiser: Denoiser, state: State, noise: Noise, watch: Callable[[State, Estimate], None] | None
    ) -> State:
        times = self.walk()
        state = self._hold(self.prior(state, noise), times[0], noise)
        return self.along(times, self.guided(denoiser), state, noise, watch)

    def guided(self, denoiser: Denoiser) -> Denoiser:
        """The denoiser in all its guidance."""
        for wrap in self.guidance:
            denoiser = wrap(denoiser)
        return denoiser

    def along(
        self,
        times: Sequence[float],
        denoiser: Denoiser,
        state: State,
        noise: Noise,
        watch: Callable[[State, Estimate], None] | None = None,
        last_t: torch.Tensor | None = None,
        last: Estimate | None = None,
    ) -> State:
        """From the state at times[0] to that at times[-1], by a guided denoiser; of the last estimate see Moment."""
        for now, then in pairwise(times):
            t, s = self._times(state, now), self._times(state, then)
            if then > now:
                state, last_t = self._up(state, t, s, noise), None
            else:
                last = denoiser(state, Moment(t, s, last_t, last))
                state, last_t = self._down(state, last, t, s, noise), t
                if watch is not None:
                    watch(state, last)
            state = self._hold(state, then, noise)
        return state

    def prior(self, state: State, noise: Noise) -> State:
        """Every part drawn from its law at t = 1."""
        return state.replace(**{part: kernel.prior(state, part, noise) for part, kernel in self.processes.items()})

    def _up(self, state: State, t: torch.Tensor, s: torch.Tensor, noise: Noise) -> State:
        return state.replace(**{p: kernel.forward(state, p, t, s, noise) for p, kernel in self.processes.items()})

    def _down(self, state: State, estimate: Estimate, t: torch.Tensor, s: torch.Tensor, noise: Noise) -> State:
        return state.replace(
            **{p: kernel.reverse(state, p, estimate[p], t, s, noise) for p, kernel in self.processes.items()}
        )

    def _hold(self, state: State, time: float, noise: Noise) -> State:
        for constraint in self.constraints:
            state = constraint(state, self._times(state, time), noise)
        return state

    @staticmethod
    def _times(state: State, time: float) -> torch.Tensor:
        return torch.full((len(state),), time, device=state.device)
