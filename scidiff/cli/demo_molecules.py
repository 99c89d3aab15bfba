"""The molecules' half of scidiff demo: generated, written, drawn, and judged beside their training data."""

from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from scidiff.cli.evaluate import judge, write_metrics
from scidiff.cli.generate import draw, opened, sample, summary
from scidiff.cli.report_molecules import judged
from scidiff.molecules import evaluate, files
from scidiff.report.page import Section

FILES = ("molecules.sdf", "molecules.png", "metrics.json")
NEXT = (
    "More molecules:  scidiff generate n=1000 out=molecules.sdf",
    "Your own file:   scidiff evaluate input=yours.sdf",
)


def run(config: DictConfig, places: Mapping[str, Path], name: str) -> Section:
    """Generate `config.n` molecules with the model of this name; returns what the report says of them.

    Args:
        places: where each of FILES goes.
    """
    print(f"Molecules from noise: {config.n} with the model '{name}'. On the processor this takes a minute or two.\n")
    molecules, seconds = sample(opened(name, config), config)
    files.write_sdf(places["molecules.sdf"], molecules, config.overwrite)
    print(summary(molecules, seconds, config))
    print(f"Molecules: {places['molecules.sdf']}")
    draw(molecules, places["molecules.png"], config.overwrite)
    found = judge(molecules, name if name in evaluate.shipped() else None, evaluate.DEFAULT)
    write_metrics(places["metrics.json"], found.metrics, config.overwrite)
    print()
    Console().print(evaluate.table(found.metrics))
    print(f"Figures:   {places['metrics.json']}")
    return judged(molecules, found, {"model": name, **config})
