"""scidiff prepare: anybody's molecules or scans as a data set that scidiff train takes as it is.

Which of the two `input` holds follows from the files' endings alone, before anything of the other domain is loaded.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from scidiff.cli.config import folder, groups
from scidiff.cli.prepared import FILE
from scidiff.store.errors import UserError
from scidiff.store.unfinished import begin

MEANT_FOR = {
    "molecules": ("column", "elements", "charges", "fewest", "most", "fragments", "conformers", "remake", "seconds"),
    "volumes": ("modality", "slices", "labels", "ledger"),
}
"""Keys that mean something for one of the two alone."""

FREE = ("processes", "overwrite", "debug", "out")
"""Keys that the data set does not depend on."""

MOLECULES = (".smi", ".smiles", ".ism", ".sdf", ".sd", ".mol", ".xyz", ".extxyz", ".npz")
TABLES = (".csv", ".tsv", ".txt")  # molecules, unless scans lie beside them: BIDS has its participants in one
SCANS = (".nii", ".dcm", ".ima", ".hdr", ".img", ".mgh", ".mgz", ".mha", ".nrrd")


def run(config: DictConfig) -> None:
    """Prepare what `config.input` holds.

    Raises:
        UserError: no such file, kinds mixed, keys of the other domain, or as the domain's own half.
    """
    source, out = Path(config.input).expanduser(), Path(config.out).expanduser()
    domain = domain_of(source)
    _check_keys(config, domain)
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UserError(f"out={out} lies in the folder input={source}; choose a place outside of it.")
    try:
        import_module(f"scidiff.cli.prepare_{domain}").run(config, out)
    except KeyboardInterrupt:
        print(f"\nWhat was done is kept in {out}.unfinished; type the same again to go on with it.")
        raise


def domain_of(path: Path) -> str:
    """molecules or volumes, by the endings of files; a DICOM slice may have none.

    Raises:
        UserError: no such place, nothing known in it, both kinds, or a single scan.
    """
    if not path.exists():
        raise UserError(f"There is no file or folder {path}.")
    if path.is_file():
        if _is_scan(path):
            raise UserError(f"{path} is one scan; name a folder of them, five or more.")
        return "molecules"
    files = [each for each in path.rglob("*") if each.is_file() and not _hidden(each.relative_to(path))]
    scan, molecule = next(filter(_is_scan, files), None), next((f for f in files if _ending(f) in MOLECULES), None)
    if scan and molecule:
        raise UserError(
            f"{path} holds scans ({scan.relative_to(path)}) and molecules ({molecule.relative_to(path)}); name a folder"
            " of one kind."
        )
    if not scan and not molecule and not any(_ending(file) in TABLES for file in files):
        listed = f"molecules ({', '.join((*MOLECULES, *TABLES))}) nor scans (.nii, .nii.gz, DICOM)"
        raise UserError(f"The folder {path} {'holds neither ' + listed if files else 'is empty'}.")
    return "volumes" if scan else "molecules"


def open_folder(config: DictConfig, out: Path, files: Sequence[Path]) -> Path:
    """The folder to fill: a new one, or that of an interrupted run with the same settings and files."""
    settings = {key: value for key, value in OmegaConf.to_container(config).items() if key not in FREE}
    digest = hashlib.sha256()
    for file in files:
        facts = file.stat()
        digest.update(f"{file} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return begin(out, FILE, {**settings, "files": digest.hexdigest()}, config.overwrite)


def shares(config: DictConfig) -> list[float]:
    """Of training, validation and test.

    Raises:
        UserError: not three numbers that sum to 1.
    """
    try:
        found = [float(share) for share in config.shares]
    except (TypeError, ValueError):
        found = []
    if len(found) != 3 or min(found) < 0 or abs(sum(found) - 1) > 1e-6 or not found[0]:
        raise UserError(f"shares={config.shares}: expected those of training, validation and test, as [0.8,0.1,0.1].")
    return found


def cores(config: DictConfig) -> int:
    """Processes to work with."""
    if config.processes is not None:
        return config.processes
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def show(dropped: Mapping[str, int]) -> None:
    """What was dropped, the most frequent reason first."""
    if not dropped:
        return
    table = Table("dropped because", "records", box=None, header_style="bold", pad_edge=False)
    table.columns[1].justify = "right"
    for reason, count in sorted(dropped.items(), key=lambda item: -item[1]):
        table.add_row(reason, f"{count:,}")
    Console().print(table)


def typed(out: Path) -> str:
    """The folder as `data=` takes it: a name that a kind of data has is not mistaken for that."""
    return f"./{out}" if str(out) in groups()["data"] else str(out)


def _is_scan(path: Path) -> bool:
    if _ending(path) in SCANS:
        return True
    if path.suffix and not path.suffix[1:].isdigit():  # a unique identifier's last number is no ending
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _ending(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _check_keys(config: DictConfig, domain: str) -> None:
    """Refuse what was typed for the other domain."""
    usual = OmegaConf.load(folder() / "prepare.yaml")
    for other in set(MEANT_FOR) - {domain}:
        for key in MEANT_FOR[other]:
            if config[key] != usual[key]:
                kind = "scans" if other == "volumes" else other
                raise UserError(f"{key}= is for {kind}, which {config.input} does not hold; leave {key}= out.")
