"""How to sample, in the words of a configuration: a plan becomes a Sampler once the processes are known."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from scidiff.engine.constraint import Constraint
from scidiff.engine.estimate import Denoiser
from scidiff.engine.guidance.deviation import KeepDeviation
from scidiff.engine.guidance.multistep import Multistep
from scidiff.engine.guidance.self_conditioning import SelfConditioning
from scidiff.engine.guidance.temperature import Temperature
from scidiff.engine.process import Categorical, Gaussian, Process
from scidiff.engine.sampler import Sampler
from scidiff.engine.schedule import Schedule
from scidiff.engine.walk import Churn, Karras, Walk


@dataclass(frozen=True)
class Plan:
    """DDIM is churn = eta = 0; DDPM eta = 1; DPM-Solver++(2M) multistep; Karras' stochastic sampler churn > 0.

    Args:
        walk: what makes the walk from `steps` and, if it asks for one, the leading part's `schedule`.
        steps: evaluations of the denoiser.
        churn: gamma, how far each step first goes back up; between the noise levels `churn_from` and `churn_to`.
        eta: noise put back by each step down, 0 to 1.
        temperature: of the classes drawn; below 1 fewer rare ones, fewer errors and less variety.
        surest: of masked classes, let the surest settle first rather than any.
        multistep: extrapolate from the last two estimates; wants churn = eta = 0.
        deviation: of the data, which every step then keeps; 0 is plain DDIM, which shrinks it. Wants eta = 0.
        self_conditioning: let the network see its last estimate.
        guidance: further wrappers of the denoiser, the innermost first.
    """

    walk: Callable[..., Walk] = Karras
    steps: int = 50
    churn: float = 0.0
    churn_from: float = 0.0
    churn_to: float = math.inf
    eta: float = 0.0
    temperature: float = 1.0
    surest: bool = False
    multistep: bool = False
    deviation: float = 0.0
    self_conditioning: bool = True
    guidance: Sequence[Callable[[Denoiser], Denoiser]] = ()

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be 1 or more, not {self.steps}")
        if self.churn < 0 or not 0 <= self.eta <= 1:
            raise ValueError(f"churn must be 0 or more and eta between 0 and 1, not {self.churn} and {self.eta}")
        if self.temperature <= 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature}")
        if self.multistep and (self.churn or self.eta):
            raise ValueError("multistep extrapolates a deterministic path: set churn=0 and eta=0")
        if self.deviation < 0 or (self.deviation and (self.multistep or self.eta)):
            raise ValueError("deviation must be 0 or more, and wants multistep=false and eta=0")

    def sampler(self, processes: Mapping[str, Process], lead: str, constraints: Sequence[Constraint] = ()) -> Sampler:
        """The sampler of these processes; the walk follows the schedule of the part `lead`."""
        processes = {part: self._sampled(process) for part, process in processes.items()}
        guidance = [SelfConditioning(self.self_conditioning), *self.guidance]
        classes = [part for part, process in processes.items() if isinstance(process, Categorical)]
        if self.temperature != 1 and classes:
            guidance.append(Temperature(dict.fromkeys(classes, self.temperature)))
        if self.multistep:
            guidance.append(Multistep(processes))
        if self.deviation:
            guidance.append(KeepDeviation(processes, self.deviation))
        return Sampler(processes, self.times(processes[lead].schedule), guidance, constraints)

    def _sampled(self, process: Process) -> Process:
        if isinstance(process, Gaussian):
            return replace(process, eta=self.eta)
        if isinstance(process, Categorical) and process.noise == "absorbing":
            return replace(process, surest=self.surest)
        return process

    def times(self, schedule: Schedule) -> Walk:
        """The walk, churned if asked."""
        wanted = {"schedule": schedule} if "schedule" in inspect.signature(self.walk).parameters else {}
        walk = self.walk(steps=self.steps, **wanted)
        return Churn(walk, schedule, self.churn, self.churn_from, self.churn_to) if self.churn else walk
