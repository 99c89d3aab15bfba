"""Self-conditioning: the network sees its last estimate, or none."""

from dataclasses import dataclass, replace

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.state import State


@dataclass(frozen=True)
class SelfConditioning:
    """Chen, Zhang, Hinton 2022 (arxiv.org/abs/2208.04202): with `on` false the denoiser always starts afresh."""

    on: bool = True

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        def conditioned(state: State, moment: Moment) -> Estimate:
            return denoiser(state, moment if self.on else replace(moment, last=None))

        return conditioned
