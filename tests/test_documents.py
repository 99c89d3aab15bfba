"""Every command and every block of Python in README.md and docs/ is run, on small files and with small numbers.

They run one after another in one folder, in the order of the pages, so that what one writes the next may read; the
tables below say what is exchanged or added. A block of YAML or Python that begins with a path is put there
(`my_configs/...`), or is the module of that path (`scidiff/...`).
"""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import nibabel
import numpy as np
import pytest
import torch
from small import NETWORKS, sixty, write_heads
from volumes.heads import head
from volumes.tiny import tiny_model

from scidiff.cli.config import read
from scidiff.cli.main import main
from scidiff.molecules import files
from scidiff.volumes.learning import bank
from scidiff.volumes.operators.kspace import KSpace
from scidiff.volumes.operators.radon import Radon, views
from scidiff.volumes.operators.sampling import sampling
from scidiff.volumes.trial import parallel

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FIXTURE = ROOT / "datasets" / "qm9" / "fixture.npz"
SHAPE = (20, 24, 18)
SMILES = ("CCO", "c1ccccc1C", "CC(=O)[O-].[Na+]", "CCCN", "CCCS", "CC#N", "C1CCC1", "CCCF", "CC(C)O", "OCC1CC1")

NOT_RUN = {
    "scidiff demo": "takes half a minute of a quiet machine: make demo; tests/cli/test_demo.py",
    "relax=true": "needs the extra xtb: tests/molecules/evaluate/test_relaxation.py",
    "hydra/launcher": "needs a cluster: tests/cli/test_sweep.py",
}
"""What stands in a command -> why it is read and checked, but not run."""

INSTEAD = {
    "trainer=gpu": "trainer=cpu",  # there is no GPU
    "batch=auto": "batch=4",
    "steps=1000000": "steps=2",
    "trainer=ddp": "trainer=cpu",  # processes are started by tests of training
    "<raw QM9 folder>": str(FIXTURE),
    "$((10240 * SLURM_ARRAY_TASK_ID))": "10240",
    "$SLURM_ARRAY_TASK_ID": "1",
    "devices=2": "devices=1",  # processes are started by tests/cli/test_devices.py
    "accelerator=gpu": "accelerator=cpu",
}
"""What is typed -> what is run."""

TRANSFORMER, UNET = ({f"network.{k}": v for k, v in NETWORKS[name].items()} for name in ("transformer", "unet3d"))
SCANS = {"data.draws": 1, "data.patch": 16}
TINY = {"n": 2, "steps": 1, "batch": 2, "atoms": 5, "side": 16, "repeats": 1}
SMALLER = {
    "benchmark": {**TINY, "model": "null", "networks": "[unet3d]"},
    "generate": {"n": 2, "steps": 2},
    "reconstruct sampled": {"samples": 2},
    "prepare": {"processes": 0},
    "evaluate model": {"protocols": "[denoise-0.1]", "side": "null"},
    "train molecules": {**TRANSFORMER, "steps": 2, "batch": 4},
    "train scans": {**UNET, **SCANS, "steps": 2, "batch": 2},
    "train once": {"steps": 2, "batch": 4},
    "train resumed": {"steps": "MORE"},
}
"""Kind of command -> keys that get another value."""

ADDED = {
    "evaluate molecules": {"protocols": "[strict]", "processes": 0},
    "train scans": {"data.tasks": "[denoise]"},
    "train qm9": {**TRANSFORMER, "steps": 2, "batch": 4, "data.source": FIXTURE, "data.split": "test"},
}
"""Kind of command -> keys that are set where nothing was typed."""

PYTHON = {"generate(100": "generate(2, steps=2", "samples=8": "samples=2"}
"""The same for blocks of Python."""


KINDS = {
    "reconstruct": {"sampled": "samples="},
    "evaluate": {"audit": "memorisation", "model": "calibrate=", "scans": "nii|truths", "molecules": ""},
    "train": {"resumed": "resume=", "scans": "brain|ct_|scans", "once": "network=once", "qm9": "qm9", "molecules": ""},
}
"""Verbs whose commands differ -> kind -> what is typed in it."""


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of every fenced block."""
    yield from re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[str]:
    """What is typed after a prompt, wherever it stands in the line, its remark cut off."""
    for line in text.splitlines():
        if found := re.search(r"\bscidiff [a-z][^\"#]*", line):
            yield found[0].strip()


def steps() -> Iterator[tuple[str, str, str]]:
    """Page, kind and text of all there is to run, every command once."""
    seen = set()
    for page in PAGES:
        for language, text in blocks(page):
            found = [("command", each) for each in commands(text)] if language in ("", "sh") else [(language, text)]
            for kind, each in found:
                if kind in ("command", "python", "yaml") and each not in seen:
                    seen.add(each)
                    yield page.name, kind, each


def kind_of(command: str) -> str:
    """Which line of the tables is a command's."""
    verb = command.split()[1]
    marks = KINDS.get(verb, {})
    return next((f"{verb} {kind}" for kind, mark in marks.items() if re.search(mark, command)), verb)


def words(command: str, number: int) -> list[str]:
    """What is run for a command."""
    for typed, better in INSTEAD.items():
        command = command.replace(typed, better)
    kind, (_, verb, *rest) = kind_of(command), shlex.split(command)
    smaller = {key: number if value == "MORE" else value for key, value in SMALLER.get(kind, {}).items()}
    keys = [word.partition("=")[0] for word in rest]
    added = {key: value for key, value in ADDED.get(kind, {}).items() if key not in keys}
    if verb != "models" and kind != "train resumed":
        added["overwrite"] = "true"
    kept = [word for word, key in zip(rest, keys, strict=True) if key not in smaller]
    return [verb, *kept, *(f"{key}={value}" for key, value in (smaller | added).items())]


def lay_out(folder: Path) -> None:
    """Every input that the pages name."""
    some = [replace(sixty().molecule(k), properties={}) for k in range(12)]
    for name in ("molecules.sdf", "mine.sdf", "theirs.sdf", "million.sdf.gz"):
        files.write_sdf(folder / name, some)
    files.write_xyz(folder / "frames.xyz", some)
    (folder / "molecules.smi").write_text("\n".join(SMILES))
    for name, column in (("assay", "structure"), ("molecules", "smiles")):
        rows = "\n".join(f"{k},{each}" for k, each in enumerate(SMILES))
        (folder / f"{name}.csv").write_text(f"id,{column}\n{rows}")
    lay_out_scans(folder)
    tiny_model(tasks=["denoise"]).save(folder / "mine.safetensors")
    for name, count in {"study": 5, "ct_folder": 3, "held_out": 2, "more": 2}.items():
        write_heads(folder / name, count, SHAPE)


def lay_out_scans(folder: Path) -> None:
    truth, draw = head(SHAPE), torch.Generator().manual_seed(0)
    noisy, holes = truth + 0.1 * np.random.default_rng(0).normal(size=SHAPE).astype("f4"), np.zeros(SHAPE, "f4")
    holes[8:11, 9:12, 8:10] = 1
    scans = {"scan": noisy, "good": truth, "restored": noisy, "truth": truth, "holes": holes, "brain": truth > 0.3}
    scans |= {"thick": truth.reshape(20, 24, 6, 3).mean(3)}
    rooms = {"restored": noisy, "truths": truth, "classical": noisy}
    scans |= {f"{room}/{name}": scan for room, scan in rooms.items() for name in "ab"}
    for name, scan in scans.items():
        path = folder / f"{name}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        size = np.diag([1.0, 1.0, 3.0 if name == "thick" else 1.0, 1.0])
        nibabel.Nifti1Image(np.asarray(scan, dtype="f4"), size).to_filename(path)
    x, mask = torch.from_numpy(truth)[None, None], sampling(SHAPE, 2, (1,), seed=0)
    y = KSpace(mask, (0, 1))(x)[0, 0]
    y = y + 0.01 * mask * torch.randn(y.shape, dtype=y.dtype, generator=draw)
    np.savez(folder / "kspace.npz", kspace=y.numpy(), mask=mask.numpy(), axes=[0, 1], centred=True, coils=False)
    sinogram = Radon(SHAPE[:2], views(24))(x)[0, 0] + 0.05 * torch.randn(1, generator=draw)
    np.savez(folder / "sinogram.npz", sinogram=sinogram.numpy(), angles=views(24), shape=SHAPE[:2])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where all of it happens."""
    folder, known = tmp_path_factory.mktemp("documents"), set(sys.modules)
    lay_out(folder / "inputs")
    yield folder
    for name in {name for name in sys.modules if getattr(sys.modules[name], "__file__", "") == "<a page>"} - known:
        del sys.modules[name]


ALL = list(steps())


def test_every_page_has_something_to_run():
    found = {page for page, kind, _ in ALL if kind in ("command", "python")}
    assert found >= {"README.md", "idea.md", "command_line.md", "train_your_own.md", "add_your_own.md", "metrics.md"}


@pytest.mark.parametrize("number", range(len(ALL)), ids=lambda number: f"{ALL[number][0]}-{number}")
def test_it_runs(number, place, monkeypatch, capfd):
    _, kind, text = ALL[number]
    monkeypatch.chdir(place)
    monkeypatch.setattr(bank, "workers", lambda count, space: 1)  # to start processes takes seconds
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))
    shutil.copytree(place / "inputs", place, dirs_exist_ok=True)
    if kind == "command":
        type_in(text, number, capfd)
    elif path := re.match(r"(?:# @package _global_\n)?# (\S+/\S+\.(?:py|yaml))\n", text):
        put(place, path[1], text)
    else:
        for typed, better in PYTHON.items():
            text = text.replace(typed, better)
        exec(compile(text, "<a page>", "exec"), {"__name__": "page"})


def type_in(command: str, number: int, capfd) -> None:
    """Run it, or read it where it cannot be run."""
    if any(mark in command for mark in NOT_RUN):
        verb, *rest = shlex.split(command)[1:]
        read(
            verb, [word for word in rest if not re.match(r"--|hydra|[\w.]+=[^\[]*,", word)]
        )  # a sweep's words have commas
        return
    status = main(words(command, number))
    assert status == 0, f"{command}\nas {words(command, number)}\n{capfd.readouterr()}"


def put(place: Path, path: str, text: str) -> None:
    """A file, or a module of scidiff that is nowhere on the disk."""
    if path.endswith(".yaml"):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
        return
    module = ModuleType(path.removesuffix(".py").replace("/", "."))
    module.__file__ = "<a page>"
    sys.modules[module.__name__] = module
    exec(compile(text, path, "exec"), module.__dict__)
