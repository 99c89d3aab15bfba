"""The keys of every verb: their types, their meaning, examples. The defaults stand in configs/<verb>.yaml."""

from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar


def key(meaning: str, least: float | None = None) -> Any:
    """A key of a verb: what it means, and the smallest value it may have."""
    return field(default="???", metadata={"meaning": meaning, "least": least})


OVERWRITE = "write over files that exist already"
DEBUG = "show the traceback of an error"
SEED = "the same seed gives the same result"
STEPS = "denoising steps: 20 is a draft, 50 the default, 100 the best"


@dataclass
class Demo:
    """See what scidiff does: generate molecules with a shipped model, draw them, and judge them."""

    examples: ClassVar = ("scidiff demo", "scidiff demo n=25 out=look")
    out: str = key("folder for the molecules, the picture and the metrics")
    n: int = key("number of molecules", least=1)
    steps: int = key(STEPS, least=1)
    seed: int = key(SEED, least=0)
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


@dataclass
class Generate:
    """Generate molecules in 3D, with bonds, charges and hydrogens, and write them to a file."""

    examples: ClassVar = (
        "scidiff generate",
        "scidiff generate model=qm9 n=1000 out=molecules.sdf.gz",
        "scidiff generate model=runs/mine/model.safetensors n=20 steps=100 seed=7 out=best.sdf",
        "scidiff generate n=50 sizes=19 out=nineteen_atoms.xyz",
    )
    model: str = key("name of a shipped model (see scidiff models) or a model file")
    n: int = key("number of molecules", least=1)
    out: str = key("file to write: .sdf or .xyz, or either with .gz")
    steps: int = key(STEPS, least=1)
    seed: int = key(f"{SEED}; molecule 37 is the same in any batch", least=0)
    sizes: Any = key(
        "atoms in each molecule, hydrogens counted: one number, a list of n, or null for the training data's"
    )
    batch: int | None = key("molecules at a time; null chooses", least=1)
    churn: float | None = key("noise put back before each step: 0 is none, null the model's own choice", least=0)
    temperature: float | None = key(
        "of atoms, charges and bonds: below 1 sounder molecules of less variety; null as churn"
    )
    picture: bool = key("also draw the first molecules, beside out")
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


@dataclass
class Evaluate:
    """Judge the molecules of any tool's SDF or XYZ file under every protocol, beside the training data's own score."""

    examples: ClassVar = (
        "scidiff evaluate input=molecules.sdf",
        "scidiff evaluate input=theirs.sdf.gz reference=mine.sdf out=judged.json",
        "scidiff evaluate input=frames.xyz protocols=[edm]",
    )
    input: str = key("molecules to judge: .sdf, .mol or .xyz, also with .gz; an XYZ has no bonds and gets edm's only")
    reference: Any = key("what to compare with: qm9, a molecule file, or null for nothing")
    out: str = key("JSON file for the figures")
    protocols: Any = key("a list of protocols, or null for all")
    processes: int | None = key("judging processes; null uses every core", least=0)
    relax: bool = key("also relax with GFN2-xTB (slow; needs pip install 'scidiff[xtb]')")
    model: str | None = key("model file that made the molecules: its header and its card get the figures; null is none")
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


@dataclass
class Models:
    """List the models that are shipped: what they were trained on and how good they are."""

    examples: ClassVar = ("scidiff models", "scidiff models model=qm9", "scidiff models model=mine.safetensors")
    model: str | None = key("show all that is known of this model; null lists the shipped ones")
    debug: bool = key(DEBUG)


@dataclass
class Benchmark:
    """Measure how fast this machine runs and trains each network, and how fast a model generates, as a table."""

    examples: ClassVar = (
        "scidiff benchmark",
        "scidiff benchmark n=500 steps=20 out=speed.json",
        "scidiff benchmark model=null networks=[transformer] atoms=25",
    )
    model: str | None = key("name of a shipped model or a model file to sample from; null samples from none")
    networks: Any = key("a list of networks, or null for all")
    n: int = key("molecules to sample", least=1)
    steps: int = key(STEPS, least=1)
    batch: int = key("molecules at a time", least=1)
    atoms: int = key("atoms of each molecule that the networks are given", least=1)
    repeats: int = key("how often each is timed; the median counts", least=1)
    seed: int = key(SEED, least=0)
    out: str | None = key("JSON file for the figures; null writes none")
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


@dataclass
class Train:
    """Train a model from a configuration."""

    examples: ClassVar = (
        "scidiff train experiment=qm9",
        "scidiff train experiment=qm9 trainer=gpu seed=1",
        "scidiff train --config-dir my_configs experiment=mine",
        "scidiff train --multirun experiment=qm9 seed=0,1,2",
    )
    name: str = key("name of the model")
    recipe: Any = key("name of the recipe, kept in the model file")
    out: str = key("folder of the run: checkpoints, metrics and the finished model")
    resume: str | None = key("folder of an interrupted run to continue")
    seed: int = key(SEED, least=0)
    steps: int = key("optimiser steps in all", least=1)
    batch: int = key("molecules a step", least=1)
    save_every: int = key("steps between model files", least=1)
    score_every: int = key("steps between samples drawn and scored; 0 is never", least=0)
    score_n: int = key("molecules in such a sample", least=1)
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


VERBS: dict[str, type] = {
    "demo": Demo,
    "generate": Generate,
    "evaluate": Evaluate,
    "models": Models,
    "train": Train,
    "benchmark": Benchmark,
}
NOT_YET = ("reconstruct", "prepare")


def keys_of(verb: str) -> dict[str, Field]:
    """The typed keys of a verb, by name."""
    return {each.name: each for each in fields(VERBS[verb])}
