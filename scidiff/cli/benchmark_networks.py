"""What scidiff benchmark measures: each network as `scidiff train` would build it, with one batch of its domain."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch.utils.flop_counter import FlopCounterMode

from scidiff.cli.config import folder, read
from scidiff.engine.denoiser import NetworkDenoiser
from scidiff.engine.estimate import Moment
from scidiff.engine.noise import Noise
from scidiff.engine.objective import Objective
from scidiff.engine.precision import fast_precision
from scidiff.engine.state import State
from scidiff.store.build import build
from scidiff.store.memory import release_freed

SAME_SIZE = {
    "monai": (
        "network.widths=[32,32,32,32]",
        "network.blocks=2",
        "network.attention=[false,false,true,true]",
        "network.head=8",
        "network.groups=32",
    )
}
"""Words that give a network as many parameters as the default one of its domain, to compare a voxel with a voxel.

MONAI's is otherwise at its every default, up to scans of 64^3: its attention takes a matrix of all pairs of cells.
Of larger scans the matrix needs more memory than most machines have, and its attention is streamed, which is faster.
"""

WHOLE_MATRIX = 64  # voxels along an axis

PADDED = {"egnn": (29 / 18, 25 / 18)}
"""Networks that their own code runs in float32 on batches of 64 padded molecules: how much larger these are in sampling
and in training. EDM's samples QM9 with room for its largest, 29 atoms, and trains with room for the largest of a batch,
25 atoms on average; the mean is 18 (Hoogeboom et al. 2022, arxiv.org/abs/2203.17003, and the code published with it).
"""

OWN_BATCH = 64  # of such a network


@dataclass(frozen=True)
class Domain:
    """What the networks of a domain are measured on.

    Attributes:
        words: typed after scidiff train to have its processes and its objective.
        batch: (benchmark's keys, the network's configuration, device) -> a batch of noise.
        count: (benchmark's keys) -> how many things, whose rate is told, are in it.
        slow: also in float32 where that is not what scidiff works in, as others' networks are run by default.
    """

    words: tuple[str, ...]
    batch: Callable[[DictConfig, Mapping[str, Any], torch.device], State]
    count: Callable[[DictConfig], int]
    slow: bool


def molecules(config: DictConfig, network: Mapping[str, Any], device: torch.device) -> State:
    """Molecules of a state's layout, all symbols of class 0."""
    return _molecules(config.batch, config.atoms, device)


def _molecules(count: int, atoms: int, device: torch.device) -> State:
    from scidiff.molecules.batch import PARTS

    rows = {"atoms": atoms, "charges": atoms, "bonds": atoms * (atoms - 1) // 2}
    positions = torch.randn(count, atoms, 3, device=device)
    parts = {part: torch.zeros(count, rows[part], dtype=torch.int64, device=device) for part in PARTS if part in rows}
    return State({"positions": positions - positions.mean(1, keepdim=True), **parts})


def volumes(config: DictConfig, network: Mapping[str, Any], device: torch.device) -> State:
    """One volume, and all that the network is given beside it, numbers as numbers: see `scidiff.volumes.problem`."""
    from scidiff.volumes.problem import NUMBERS

    sides = {name: 1 if name in NUMBERS else config.side for name in network["given"]}
    given = {name: torch.randn(1, n, *3 * [sides[name]], device=device) for name, n in network["given"].items()}
    return State({"image": torch.randn(1, 1, *3 * [config.side], device=device)}, context=given)


DOMAINS = {
    "molecules": Domain(("objective.self_conditioning=0",), molecules, lambda c: c.batch, False),
    "volumes": Domain(("experiment=brain", "optimizer=adamw"), volumes, lambda c: c.side**3, True),
}


def domain_of(name: str) -> str:
    """The domain of configs/network/<name>.yaml: the room that its class lives in."""
    return str(OmegaConf.load(folder() / "network" / f"{name}.yaml")._target_).split(".")[1]


def labels(name: str) -> list[str]:
    """A network as scidiff runs it by its name, in float32, where that is another, by <name>-float32, and as its
    authors' code runs it, see PADDED, by <name>-padded.
    """
    slow = DOMAINS[domain_of(name)].slow and fast_precision() is not None
    return [name, *([f"{name}-float32"] if slow else []), *([f"{name}-padded"] if name in PADDED else [])]


def own_way(label: str) -> bool:
    """Whether it is somebody else's network as their own code runs it."""
    name, _, way = label.partition("-")
    return bool(way) and (name in PADDED or name in SAME_SIZE)


@dataclass(frozen=True)
class Contestant:
    """A network, its training, self-conditioning left out, and one batch of noise.

    Attributes:
        domain: whose network it is.
        denoiser: around the network.
        objective, optimizer: of its training.
        state: the batch, on its device.
        noise: of the training.
        count: molecules or voxels in the batch.
        sampled: the batch of the forward pass, where it is another one.
    """

    domain: str
    denoiser: NetworkDenoiser
    objective: Objective
    optimizer: torch.optim.Optimizer
    state: State
    noise: Noise
    count: int
    sampled: State | None = None

    @classmethod
    def called(cls, label: str, config: DictConfig, device: torch.device) -> "Contestant":
        """The contestant of one of `labels`."""
        name, _, way = label.partition("-")
        if way == "padded":
            return cls.padded(name, config, device)
        return cls.of(name, config, device, None if way else fast_precision())

    @classmethod
    def padded(cls, name: str, config: DictConfig, device: torch.device) -> "Contestant":
        """See PADDED."""
        count = min(OWN_BATCH, config.batch)
        sampled, trained = (_molecules(count, round(times * config.atoms), device) for times in PADDED[name])
        noise = Noise.of(config.seed, torch.arange(count, device=device))
        own = cls.of(name, config, device, None)
        return replace(own, state=trained, sampled=sampled, noise=noise, count=count)

    @classmethod
    def of(cls, name: str, config: DictConfig, device: torch.device, precision: torch.dtype | None) -> "Contestant":
        """Build it from configs/network/<name>.yaml."""
        domain = domain_of(name)
        what = DOMAINS[domain]
        typed = [*what.words, f"network={name}", *SAME_SIZE.get(name, ())]
        if name == "monai":
            typed.append(f"network.streamed={config.side > WHOLE_MATRIX}")
        said: Any = OmegaConf.to_container(read("train", typed))
        torch.manual_seed(config.seed)
        network, processes, rows = (build(said[key]) for key in ("network", "process", "parameterization"))
        denoiser = NetworkDenoiser(network.to(device), processes, rows, precision)
        objective = build(said["objective"], processes=processes, parameterizations=rows)
        optimizer, state = build(said["optimizer"])(network.parameters()), what.batch(config, said["network"], device)
        noise = Noise.of(config.seed, torch.arange(len(state), device=device))
        return cls(domain, denoiser, objective, optimizer, state, noise, what.count(config))

    @property
    def arithmetic(self) -> str:
        """The precision's name."""
        return str(self.denoiser.precision or torch.float32).removeprefix("torch.")

    @torch.inference_mode()
    def forward(self) -> None:
        """One estimate of the batch."""
        state = self.state if self.sampled is None else self.sampled
        self.denoiser(state, Moment(torch.full((len(state),), 0.5, device=state.device)))

    def train(self) -> None:
        """One step: noise, forward, backward, optimiser."""
        self.optimizer.zero_grad()
        losses = self.objective(self.denoiser, self.state, self.noise)
        torch.stack([loss.mean() for loss in losses.values()]).sum().backward()
        self.optimizer.step()

    def facts(self, speed: float, peak: float) -> dict[str, float]:
        """What is counted, not timed; `speed` in things a second makes the share of the machine's peak of it."""
        with FlopCounterMode(display=False) as counter:
            self.forward()
        flop = counter.get_total_flops() / self.count
        parameters = sum(p.numel() for p in self.denoiser.network.parameters())  # type: ignore[attr-defined]
        memory = peak_memory(self.train, self.state.device)
        return {"parameters": parameters, "gflop": flop / 1e9, "share": flop * speed / peak, "memory": memory}


def peak_memory(call: Callable[[], None], device: torch.device) -> float:
    """Bytes: of the device while `call` runs; of the whole process where there is no device."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        call()
        return torch.cuda.max_memory_allocated()
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():  # only Linux tells
        return float("nan")
    release_freed()
    reset.write_text("5")  # begin the high-water mark anew
    call()
    mark = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024.0 * int(mark.split()[1])
