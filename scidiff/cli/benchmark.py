"""scidiff benchmark: every network side by side on this machine, forward and training, and a model's sampling.

All repeats are interleaved, so that whatever else the machine does slows all alike; a figure is their median.
"""

import json
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

import scidiff
from scidiff.cli.config import groups, read, write_beside
from scidiff.cli.progress import progress
from scidiff.engine.denoiser import NetworkDenoiser
from scidiff.engine.estimate import Moment
from scidiff.engine.noise import Noise
from scidiff.engine.objective import Objective
from scidiff.engine.precision import fast_precision
from scidiff.engine.state import State
from scidiff.molecules.batch import PARTS
from scidiff.store.atomic import claim, whole
from scidiff.store.build import build
from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean

SIDE = {"cpu": 2048, "cuda": 8192}  # of the square matrices whose product is the machine's peak
COLUMNS = {
    "parameters": ("parameters", 1e6, "{:.1f} M"),
    "forward": ("forward /s", 1, "{:,.3g}"),
    "training": ("training /s", 1, "{:,.3g}"),
    "gflop": ("GFLOP", 1, "{:.2g}"),
    "share": ("of the peak", 0.01, "{:.2g} %"),
    "memory": ("memory", 1e9, "{:.2f} GB"),
}


def run(config: DictConfig) -> None:
    """Measure, show, and write the figures where `out` is given.

    Raises:
        UserError: there is no such model or network, or the figures cannot be written.
    """
    out = claim(config.out, config.overwrite) if config.out else None
    names = _names(config.networks)
    model = None if config.model is None else scidiff.load(config.model)
    figures = measure(config, names, model)
    Console().print(table(figures, names), summary(figures, config), sep="\n")
    if out:
        with whole(out, config.overwrite) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n")
        write_beside(config, out)
        print(f"Figures: {out}")


def measure(config: DictConfig, names: list[str], model: Any = None) -> dict[str, Any]:
    """All figures, flat: "<network>/<figure>", "peak/<precision>" in FLOP/s, "sampling/molecules_per_second"."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    contestants = {name: Contestant.of(name, config, device) for name in names}
    jobs = {("peak", str(kind).removeprefix("torch.")): product(kind, device) for kind in _precisions()}
    for name, each in contestants.items():
        jobs |= {(name, "forward"): each.forward, (name, "training"): each.train}
    if model is not None:
        model.network.to(device)
        options = {"seed": config.seed, "steps": config.steps, "batch": config.batch}
        jobs["sampling", "molecules_per_second"] = lambda: model.generate(config.n, **options)
    seconds = interleaved(jobs, config.repeats, device)
    done = {"forward": config.batch, "training": config.batch, "molecules_per_second": config.n}
    work = 2 * SIDE[device.type] ** 3
    figures = {f"{who}/{what}": done.get(what, work) / median(seconds[who, what]) for who, what in jobs}
    peak = figures["peak/bfloat16" if fast_precision() else "peak/float32"]
    for name, each in contestants.items():
        figures |= {f"{name}/{key}": value for key, value in each.facts(figures[f"{name}/forward"], peak).items()}
    return figures | _where(device)


@dataclass(frozen=True)
class Contestant:
    """A network as `scidiff train` would build it, with one batch of noise.

    Attributes:
        denoiser: around the network. objective, optimizer: of its training, self-conditioning left out.
        state: the batch, on its device. noise: of the training.
    """

    denoiser: NetworkDenoiser
    objective: Objective
    optimizer: torch.optim.Optimizer
    state: State
    noise: Noise

    @classmethod
    def of(cls, name: str, config: DictConfig, device: torch.device) -> "Contestant":
        """Build it from configs/network/<name>.yaml for `batch` molecules of `atoms` atoms."""
        said: Any = OmegaConf.to_container(read("train", [f"network={name}", "objective.self_conditioning=0"]))
        torch.manual_seed(config.seed)
        network, processes, rows = (build(said[key]) for key in ("network", "process", "parameterization"))
        denoiser = NetworkDenoiser(network.to(device), processes, rows, fast_precision())
        objective = build(said["objective"], processes=processes, parameterizations=rows)
        noise = Noise.of(config.seed, torch.arange(config.batch, device=device))
        state = _batch(config.batch, config.atoms, device)
        return cls(denoiser, objective, build(said["optimizer"])(network.parameters()), state, noise)

    @torch.inference_mode()
    def forward(self) -> None:
        """One estimate of the batch."""
        self.denoiser(self.state, Moment(torch.full((len(self.state),), 0.5, device=self.state.device)))

    def train(self) -> None:
        """One step: noise, forward, backward, optimiser."""
        self.optimizer.zero_grad()
        losses = self.objective(self.denoiser, self.state, self.noise)
        torch.stack([loss.mean() for loss in losses.values()]).sum().backward()
        self.optimizer.step()

    def facts(self, speed: float, peak: float) -> dict[str, float]:
        """What is counted, not timed; `speed` in molecules a second makes the share of the machine's peak of it."""
        with FlopCounterMode(display=False) as counter:
            self.forward()
        flop = counter.get_total_flops() / len(self.state)
        parameters = sum(p.numel() for p in self.denoiser.network.parameters())  # type: ignore[attr-defined]
        memory = _peak_memory(self.train, self.state.device)
        return {"parameters": parameters, "gflop": flop / 1e9, "share": flop * speed / peak, "memory": memory}


def product(kind: torch.dtype, device: torch.device) -> Callable[[], Any]:
    """The product of two large square matrices."""
    a, b = torch.randn(2, SIDE[device.type], SIDE[device.type], device=device).to(kind)
    return lambda: a @ b


def interleaved(
    jobs: Mapping[tuple[str, str], Callable[[], Any]], repeats: int, device: torch.device
) -> dict[tuple[str, str], list[float]]:
    """Seconds of every job, `repeats` times around after one round that does not count."""
    seconds: dict[tuple[str, str], list[float]] = {job: [] for job in jobs}
    with progress("Measuring", len(jobs) * (repeats + 1), "timings") as tick:
        for done, (round_, (job, call)) in enumerate(_rounds(jobs, repeats), start=1):
            start = perf_counter()
            call()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if round_:
                seconds[job].append(perf_counter() - start)
            tick(done)
    return seconds


def _rounds(jobs: Mapping, repeats: int) -> Iterator[tuple[int, tuple]]:
    return ((round_, item) for round_ in range(repeats + 1) for item in jobs.items())


def table(figures: Mapping[str, Any], names: list[str]) -> Table:
    """A row a network; rates are molecules a second, GFLOP are a molecule's in one forward pass."""
    screen = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    screen.add_column("network", no_wrap=True)
    for heading, _, _ in COLUMNS.values():
        screen.add_column(heading, justify="right")
    for name in names:
        cells = [form.format(figures[f"{name}/{key}"] / unit) for key, (_, unit, form) in COLUMNS.items()]
        screen.add_row(name, *cells)
    return screen


def summary(figures: Mapping[str, Any], config: DictConfig) -> str:
    """The machine, its peak, and the sampling."""
    peaks = ", ".join(
        f"{value / 1e12:.3g} TFLOP/s in {key.removeprefix('peak/')}"
        for key, value in figures.items()
        if key.startswith("peak/")
    )
    lines = [f"\n{config.batch} molecules of {config.atoms} atoms on {figures['machine']}; matrix products: {peaks}"]
    if "sampling/molecules_per_second" in figures:
        speed = figures["sampling/molecules_per_second"]
        lines.append(f"{config.model} samples {speed:.3g} molecules/s ({config.n} molecules, {config.steps} steps)")
    return "\n".join(lines)


def _names(chosen: Any) -> list[str]:
    known = groups()["network"]
    names = known if chosen is None else [chosen] if isinstance(chosen, str) else [str(name) for name in chosen]
    for name in names:
        if name not in known:
            raise UserError(f"There is no network '{name}'.{did_you_mean(name, known)} Choices: {', '.join(known)}.")
    return names


def _precisions() -> list[torch.dtype]:
    return [torch.float32] if fast_precision() is None else [torch.bfloat16, torch.float32]


def _batch(count: int, atoms: int, device: torch.device) -> State:
    """Molecules of a state's layout, all symbols of class 0."""
    rows = {"atoms": atoms, "charges": atoms, "bonds": atoms * (atoms - 1) // 2}
    positions = torch.randn(count, atoms, 3, device=device)
    parts = {part: torch.zeros(count, rows[part], dtype=torch.int64, device=device) for part in PARTS if part in rows}
    return State({"positions": positions - positions.mean(1, keepdim=True), **parts})


def _peak_memory(call: Callable[[], None], device: torch.device) -> float:
    """Bytes: of the device while `call` runs; of the whole process where there is no device."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        call()
        return torch.cuda.max_memory_allocated()
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():  # only Linux tells
        return float("nan")
    reset.write_text("5")  # begin the high-water mark anew
    call()
    mark = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024.0 * int(mark.split()[1])


def _where(device: torch.device) -> dict[str, Any]:
    processor = f"{platform.processor() or platform.machine()}, threads: {torch.get_num_threads()}"
    machine = torch.cuda.get_device_name() if device.type == "cuda" else processor
    return {"machine": machine, "versions": {"scidiff": scidiff.__version__, "torch": torch.__version__}}
