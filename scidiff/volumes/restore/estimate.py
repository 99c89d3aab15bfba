"""Answers of a model to one problem, in units of [0, 1].

    mean      x = x^ + s D(0, t = 1), one evaluation, then the x nearest to it and to the measurements:
              argmin |A x - y|^2 / sigma^2 + |x - x_net|^2 / (k s)^2
    sample    x = x^ + s r, r drawn with the same pull towards the measurements at every step
    prior     x = s r with nothing told to the network: measurements enter through guidance alone, any operator

k, how much of the classical answer's error is left after the network, is measured on held-out scans task by task:
`Calibration`. k = 0 takes the network's word.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scidiff.engine.estimate import Denoiser, Moment
from scidiff.engine.guidance.gradient import Gradient
from scidiff.engine.guidance.posterior import MomentMatching, Proximal
from scidiff.engine.noise import Noise
from scidiff.engine.operator import Observation, solve
from scidiff.engine.plan import Plan
from scidiff.engine.process import Process
from scidiff.engine.state import State
from scidiff.volumes.problem import Problem, nothing

PART = "image"
GUIDANCE = ("moment", "diffpir", "ddnm", "dps")
CG_STEPS = 5


@dataclass(frozen=True)
class Restorer:
    """What answers, and how.

    Args:
        denoiser: of the part image.
        processes: of the same.
        plan: how samples are drawn.
    """

    denoiser: Denoiser
    processes: Mapping[str, Process]
    plan: Plan

    @torch.inference_mode()
    def mean(self, problem: Problem, observation: Observation, unit: float, trust: float) -> Tensor:
        """One evaluation: (1, 1, X, Y, Z).

        Args:
            unit: s. trust: k.
        """
        state = problem.state(unit)
        r = self.denoiser(state, Moment(torch.ones(1)))[PART]
        return nearest(problem.estimate + unit * r, observation, trust * unit)

    @torch.inference_mode()
    def sample(
        self, problem: Problem, observation: Observation, unit: float, trust: float, seed: int, number: int
    ) -> Tensor:
        """Sample `number` of the posterior: (1, 1, X, Y, Z)."""
        guidance = []
        if trust:
            seen = shifted(observation, problem.estimate, unit)
            guidance = [MomentMatching(seen, self.processes[PART].schedule, trust, PART, CG_STEPS)]
        r = self._draw(problem.state(unit), replace(self.plan, guidance=guidance), seed, number)
        return problem.estimate + unit * r

    @torch.inference_mode()
    def prior(
        self, observation: Observation, like: Tensor, unit: float, seed: int, number: int, guidance: str = "moment"
    ) -> Tensor:
        """A sample by the prior and guidance alone: (1, 1, X, Y, Z).

        Raises:
            ValueError: no such guidance.
        """
        seen = shifted(observation, torch.zeros_like(like), unit)
        plan = replace(self.plan, guidance=[guide(guidance, seen, self.processes)], eta=1.0, multistep=False)
        return unit * self._draw(nothing(like).state(unit), plan, seed, number)

    def _draw(self, state: State, plan: Plan, seed: int, number: int) -> Tensor:
        noise = Noise.of(seed, torch.tensor([number]))
        return plan.sampler(self.processes, PART)(self.denoiser, state, noise)[PART].detach()


def guide(name: str, seen: Observation, processes: Mapping[str, Process]) -> Callable[[Denoiser], Denoiser]:
    """A measurement posterior by name."""
    schedule = processes[PART].schedule
    if name == "moment":
        return MomentMatching(seen, schedule, 1.0, PART, CG_STEPS)
    if name == "diffpir":
        return Proximal(seen, schedule, part=PART, steps=CG_STEPS)
    if name == "ddnm":
        return Proximal(seen, schedule, 0.0, PART, CG_STEPS)
    if name == "dps":
        return Gradient(seen, schedule, part=PART)
    raise ValueError(f"the guidance is one of {', '.join(GUIDANCE)}, not {name}")


def shifted(observation: Observation, estimate: Tensor, unit: float) -> Observation:
    """What is observed of r where x = x^ + s r: (y - A x^) / s = A r + e / s."""
    y = (observation.y - observation.operator(estimate)) / unit
    return Observation(y, observation.operator, observation.sigma / unit)


def nearest(x: Tensor, observation: Observation, error: float) -> Tensor:
    """argmin |A x' - y|^2 / sigma^2 + |x' - x|^2 / error^2 (a complex sigma^2 halved): (1, 1, X, Y, Z)."""
    if not error:
        return x
    weight = observation.variance / error**2
    return x + solve(observation.operator, observation.mismatch(x), weight, 2 * CG_STEPS)
