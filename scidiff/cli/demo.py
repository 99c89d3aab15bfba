"""scidiff demo: everything the shipped models do, in minutes on a laptop."""

from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from scidiff.cli.config import write_beside
from scidiff.cli.evaluate import judge, write_metrics
from scidiff.cli.generate import draw, sample, summary
from scidiff.molecules import evaluate, files
from scidiff.store.atomic import claim

MODEL = "qm9"


def run(config: DictConfig) -> None:
    """Generate molecules with the shipped model, write and draw them, and judge them beside their training data.

    Raises:
        UserError: the folder cannot be written, or something in it exists and `overwrite` is false.
    """
    room = Path(config.out).expanduser()
    paths = {name: claim(room / name, config.overwrite) for name in ("molecules.sdf", "molecules.png", "metrics.json")}
    print(f"Molecules from noise: {config.n} with the model '{MODEL}'. On the processor this takes a minute or two.\n")
    molecules, seconds = sample(MODEL, config)
    files.write_sdf(paths["molecules.sdf"], molecules, config.overwrite)
    print(summary(molecules, seconds, config))
    print(f"Molecules: {paths['molecules.sdf']}")
    draw(molecules, paths["molecules.png"], config.overwrite)
    metrics = judge(molecules, MODEL if MODEL in evaluate.shipped() else None, evaluate.DEFAULT)
    write_metrics(paths["metrics.json"], metrics, config.overwrite)
    write_beside(config, room / "demo")
    print()
    Console().print(evaluate.table(metrics))
    print(f"Figures:   {paths['metrics.json']}")
    print("\nMore molecules:  scidiff generate n=1000 out=molecules.sdf")
    print("Your own file:   scidiff evaluate input=yours.sdf")
