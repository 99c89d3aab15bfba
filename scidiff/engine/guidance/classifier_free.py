"""Classifier-free guidance: push the estimate away from what an unlabelled denoiser says."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.state import State


@dataclass(frozen=True)
class ClassifierFree:
    """x^ = x^_free + scale (x^_given - x^_free), on means and on logits alike.

    Ho, Salimans 2022 (arxiv.org/abs/2207.12598): it leans towards p(x) p(y|x)^scale.
    Autoguidance (Karras et al. 2024, arxiv.org/abs/2406.02507) is the same with a weaker denoiser as `free`.

    Args:
        scale: 1 leaves the labelled estimate as it is.
        label: the context's entry that the free estimate does without.
        free: the denoiser of the free estimate; the guided one itself, without its label, when none is given.
    """

    scale: float = 1.0
    label: str = "label"
    free: Denoiser | None = None

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        def guided(state: State, moment: Moment) -> Estimate:
            given, free = denoiser(state, moment), self._free(denoiser)(state, moment)
            return Estimate({p: free[p] + self.scale * (given[p] - free[p]) for p in given.parts})

        return guided

    def _free(self, denoiser: Denoiser) -> Callable[[State, Moment], Estimate]:
        return self.free or (lambda state, moment: denoiser(self._unlabelled(state), moment))

    def _unlabelled(self, state: State) -> State:
        return replace(state, context={k: given for k, given in state.context.items() if k != self.label})
