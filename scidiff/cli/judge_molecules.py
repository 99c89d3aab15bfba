"""The molecules' half of scidiff evaluate: a file of any tool, under every protocol."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from scidiff.cli import report, report_molecules
from scidiff.cli.evaluate import judge, publish
from scidiff.cli.progress import progress
from scidiff.molecules import card, evaluate, files
from scidiff.molecules.evaluate.protocols import choose
from scidiff.molecules.molecule import Molecule
from scidiff.store.atomic import whole
from scidiff.store.errors import UserError
from scidiff.store.model import load_model, save_model


def run(config: DictConfig, out: Path) -> None:
    """Read, judge, write the figures and show them; records that cannot be read count as failures and are named.

    Raises:
        UserError: no such file, an unknown protocol or reference, or the figures cannot be written.
    """
    protocols, page = _protocols(config), report.place(out, config)
    records = read(Path(config.input).expanduser())
    judged = judge(records, config.reference, protocols, config.processes)
    publish(config, out, judged.metrics, evaluate.table(judged.metrics))
    if page is not None:
        report.publish(
            page, Path(config.input).name, [report_molecules.judged(records, judged, config)], config.overwrite
        )
    if config.model is not None:
        print(f"Model card: {_tell_model(Path(config.model), config.input, judged.metrics)}")
    broken = [record for record in records if isinstance(record, files.Broken)]
    skipped = files.write_sidecar(config.input, broken, out.parent)
    if skipped:
        print(f"{len(broken)} of {len(records)} records could not be read; they count as failures. See {skipped}")


def read(path: Path) -> list[Molecule | files.Broken]:
    """All records of a file, the broken ones in their places."""
    records: list[Molecule | files.Broken] = []
    with progress("Reading", None, "records") as tick:
        for record in files.read(path):
            records.append(record)
            tick(len(records))
    return records


def _protocols(config: DictConfig) -> list[str]:
    asked = evaluate.DEFAULT if config.protocols is None else config.protocols
    names = [asked] if isinstance(asked, str) else list(asked)
    if not names:
        raise UserError(f"protocols=[] asks for nothing. There are: {', '.join(evaluate.PROTOCOLS)}.")
    return list(choose([*names, "relaxation"] if config.relax else names))


def _tell_model(path: Path, made: str, metrics: dict) -> Path:
    """Write the figures into the header of the model file that made the molecules, and its card beside it.

    Raises:
        UserError: the molecules have no configuration beside them, so that nobody knows how they were made.
    """
    beside = Path(f"{made}.config.yaml")
    if not beside.is_file():
        raise UserError(f"{made} has no {beside.name} beside it; model= wants molecules of scidiff generate.")
    how = OmegaConf.load(beside)
    tensors, header = load_model(path)
    sampling = {"steps": how.steps, "seed": how.seed}
    header = card.judged(header, metrics, sampling)
    save_model(path, tensors, header, overwrite=True)
    text = card.card(header, sum(tensor.numel() for tensor in tensors.values()))
    with whole(path.with_suffix(".md"), overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path.with_suffix(".md")
