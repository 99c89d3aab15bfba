"""One network a task, in one model: trained apart, each from the same first weights, they share nothing afterwards.

With little training this gives more than one network for all tasks, whose steps go mostly to the loudest of them.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from scidiff.engine.estimate import Estimate
from scidiff.engine.state import State


class Experts(nn.Module):
    """The network of the state's task, `state.context["task"]`.

    Args:
        networks: task -> network of the part image.
        default: the task whose network answers all others, the prior too.

    Raises:
        ValueError: there is no network for `default`.
    """

    def __init__(self, networks: Mapping[str, nn.Module], default: str = "denoise") -> None:
        super().__init__()
        if default not in networks:
            raise ValueError(f"the networks are for {', '.join(networks)}, none for {default}")
        self.networks, self.default = nn.ModuleDict(networks), default

    def of(self, task: str) -> nn.Module:
        """The network of a task."""
        return self.networks[task if task in self.networks else self.default]

    def forward(self, state: State, t: Tensor, last: Estimate | None = None) -> dict[str, Tensor]:
        """As the network of the task."""
        return self.of(state.context["task"])(state, t, last)
