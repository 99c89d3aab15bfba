"""Temperature: categorical estimates sharpened towards their most probable classes."""

from collections.abc import Mapping
from dataclasses import dataclass

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.state import State


@dataclass(frozen=True)
class Temperature:
    """p^(x_0) ~ p(x_0)^(1 / temperature), part by part: below 1 fewer rare classes, and less variety.

    Args:
        parts: temperature by categorical part; a part not named keeps its estimate.
    """

    parts: Mapping[str, float]

    def __post_init__(self) -> None:
        if any(value <= 0 for value in self.parts.values()):
            raise ValueError(f"temperatures must be above 0, not {dict(self.parts)}")

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        def sharpened(state: State, moment: Moment) -> Estimate:
            estimate = denoiser(state, moment)
            cooled = {part: estimate[part] / value for part, value in self.parts.items()}
            return Estimate({**estimate.parts, **cooled}, plain=estimate)

        return sharpened
