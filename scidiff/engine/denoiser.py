"""The only place where a network is called: its raw output becomes an estimate of the clean data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from scidiff.engine.estimate import Estimate, Moment
from scidiff.engine.parameterization import Parameterization
from scidiff.engine.process import Gaussian, Process
from scidiff.engine.state import State

Network = Callable[[State, Tensor, Estimate | None], Mapping[str, Tensor]]


@dataclass(frozen=True)
class NetworkDenoiser:
    """x0 = c_skip x_t + c_out F(c_in x_t, t) for Gaussian parts, logits = F for categorical ones.

    Args:
        network: (state with scaled parts, t (B,), last estimate or none) -> raw output by part.
        processes: by part.
        parameterizations: by Gaussian part.
        precision: the network's arithmetic, as torch.autocast takes it; the rest is float32.
    """

    network: Network
    processes: Mapping[str, Process]
    parameterizations: Mapping[str, Parameterization] = field(default_factory=dict)
    precision: torch.dtype | None = None

    def __call__(self, state: State, moment: Moment) -> Estimate:
        rows = {part: self.coefficients(state, part, moment.t) for part in self.parameterizations}
        scaled = state.replace(**{part: c_in * state[part] for part, (_, _, c_in) in rows.items()})
        last = moment.last.before_rule if moment.last is not None else None
        with torch.autocast(state.device.type, dtype=self.precision, enabled=self.precision is not None):
            raw = self.network(scaled, moment.t, last)
        return Estimate({part: self._estimate(state, part, raw[part].float(), rows) for part in self.processes})

    def coefficients(self, state: State, part: str, t: Tensor) -> tuple[Tensor, ...]:
        """c_skip, c_out and c_in shaped for the rows of `part`."""
        alpha, sigma = self.processes[part].schedule(t)
        return tuple(state.spread(c, part) for c in self.parameterizations[part](alpha, sigma))

    def _estimate(self, state: State, part: str, raw: Tensor, rows: Mapping[str, tuple[Tensor, ...]]) -> Tensor:
        if part not in rows:
            return raw
        c_skip, c_out, _ = rows[part]
        process = self.processes[part]
        estimate = c_skip * state[part] + c_out * raw
        return process.subspace.project(estimate, state, part) if isinstance(process, Gaussian) else estimate
