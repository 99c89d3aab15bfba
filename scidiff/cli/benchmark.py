"""scidiff benchmark: every network side by side on this machine, forward and training, and a model's sampling.

All repeats are interleaved, so that whatever else the machine does slows all alike; a figure is their median. Each
network has its turn in a process of its own.
"""

import json
import platform
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from typing import Any

import torch
from omegaconf import DictConfig
from rich.console import Console

import scidiff
from scidiff.cli import benchmark_sizes
from scidiff.cli.benchmark_apart import Apart
from scidiff.cli.benchmark_networks import domain_of, labels
from scidiff.cli.benchmark_table import RIVALS, THINGS, network_of, summary, table
from scidiff.cli.benchmark_turns import here, interleaved, turn
from scidiff.cli.config import groups, write_beside
from scidiff.engine.precision import fast_precision
from scidiff.store.atomic import claim, whole
from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean

SIDE = {"cpu": 2048, "cuda": 8192}  # of the square matrices whose product is the machine's peak


def run(config: DictConfig) -> None:
    """Measure, show, and write the figures where `out` is given.

    Raises:
        UserError: there is no such model or network, or the figures cannot be written.
    """
    out = claim(config.out, config.overwrite) if config.out else None
    names, model = _names(config.networks), _model(config.model)
    contestants = _contestants(names, config)
    figures = measure(config, contestants, here(), model)
    for domain in THINGS:
        if rows := [label for label, each in contestants.items() if each.domain == domain]:
            Console().print(table(figures, domain, rows), "")
        if config.sizes and benchmark_sizes.DEFAULT[domain] in contestants:
            figures |= benchmark_sizes.measure(domain, config, here())
            Console().print(benchmark_sizes.table(figures, domain), "")
    print(summary(figures, config))
    if out:
        with whole(out, config.overwrite) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n")
        write_beside(config, out)
        print(f"Figures: {out}")


def measure(
    config: DictConfig, contestants: Mapping[str, Apart], device: torch.device, model: Any = None
) -> dict[str, Any]:
    """All figures, flat: "<network>/<figure>", "peak/<precision>" in FLOP/s, "sampling/molecules_per_second"."""
    products = {("peak", str(kind).removeprefix("torch.")): product(kind, device) for kind in _precisions()}
    jobs = {job: partial(turn, call, device) for job, call in products.items()}
    for name, each in contestants.items():
        jobs |= {(name, "forward"): partial(each.turn, "forward"), (name, "training"): partial(each.turn, "train")}
    if model is not None:
        model.network.to(device)
        options = {"seed": config.seed, "steps": config.steps, "batch": config.batch}
        sample = partial(model.generate, config.n, **options)
        jobs["sampling", "molecules_per_second"] = partial(turn, sample, device)
    seconds = interleaved(jobs, config.repeats)
    done = {name: each.count for name, each in contestants.items()}
    done |= {"peak": 2 * SIDE[device.type] ** 3, "sampling": config.n}
    figures = {f"{who}/{what}": done[who] / median(seconds[who, what]) for who, what in jobs}
    for name, each in contestants.items():
        facts = each.facts(figures[f"{name}/forward"], figures[f"peak/{each.arithmetic}"])
        figures |= {f"{name}/{key}": value for key, value in facts.items()}
        each.close()
    return figures | ratios(figures, contestants) | _where(device)


def ratios(figures: Mapping[str, Any], contestants: Mapping[str, Apart]) -> dict[str, float]:
    """How many times as much a second as its domain's rival, run in each way: "<network>/times_<rival>/<figure>"."""
    found = {}
    for name, each in contestants.items():
        rivals = [rival for rival in contestants if network_of(rival) == RIVALS[each.domain][0]]
        for rival in [] if name in rivals or network_of(name) != name else rivals:
            for what in ("forward", "training"):
                found[f"{name}/times_{rival}/{what}"] = figures[f"{name}/{what}"] / figures[f"{rival}/{what}"]
    return found


def product(kind: torch.dtype, device: torch.device) -> Callable[[], Any]:
    """The product of two large square matrices."""
    a, b = torch.randn(2, SIDE[device.type], SIDE[device.type], device=device).to(kind)
    return lambda: a @ b


def _names(chosen: Any) -> list[str]:
    known = groups()["network"]
    names = known if chosen is None else [chosen] if isinstance(chosen, str) else [str(name) for name in chosen]
    for name in names:
        if name not in known:
            raise UserError(f"There is no network '{name}'.{did_you_mean(name, known)} Choices: {', '.join(known)}.")
    return names


def _model(name: str | None) -> Any:
    model = None if name is None else scidiff.load(name)
    if model is not None and model.header["domain"] != "molecules":
        raise UserError(f"{name} is a model of {model.header['domain']}; only the sampling of molecules is measured.")
    return model


def _contestants(names: list[str], config: DictConfig) -> dict[str, Apart]:
    """Where no network was named, those that lack a package are left out, and it is said."""
    found: dict[str, Apart] = {}
    for name in sorted(names, key=domain_of):
        try:
            found |= {label: Apart(label, config) for label in labels(name)}
        except (ImportError, UserError) as error:
            if config.networks is not None:
                raise
            print(f"{name} is left out: {error}")
    return found


def _precisions() -> list[torch.dtype]:
    return [torch.float32] if fast_precision() is None else [torch.bfloat16, torch.float32]


def _where(device: torch.device) -> dict[str, Any]:
    processor = f"{platform.processor() or platform.machine()}, threads: {torch.get_num_threads()}"
    machine = torch.cuda.get_device_name() if device.type == "cuda" else processor
    return {"machine": machine, "versions": {"scidiff": scidiff.__version__, "torch": torch.__version__}}
