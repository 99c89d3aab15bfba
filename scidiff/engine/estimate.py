"""What passes between denoisers and samplers: the moment asked about, and the estimate of the clean data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from scidiff.engine.state import State


@dataclass(frozen=True)
class Estimate:
    """The clean data as far as it is known: a mean for each Gaussian part, logits for each categorical one.

    Attributes:
        parts: name -> (B, ...) mean or (B, ..., K) logits.
        plain: the same before a multistep rule moved it; itself when none did.
    """

    parts: Mapping[str, Tensor]
    plain: "Estimate | None" = None

    def __getitem__(self, part: str) -> Tensor:
        return self.parts[part]

    @property
    def before_rule(self) -> "Estimate":
        """The estimate that the network and the measurements gave."""
        return self.plain or self


@dataclass(frozen=True)
class Moment:
    """When the estimate is asked for.

    Attributes:
        t: (B,) times of the state.
        s: (B,) times that the sampler goes to next; none while training.
        last_t: (B,) times of the last estimate; none at the start and after every step up.
        last: the last estimate.
    """

    t: Tensor
    s: Tensor | None = None
    last_t: Tensor | None = None
    last: Estimate | None = None


Denoiser = Callable[[State, Moment], Estimate]
