"""The scans' half of scidiff prepare: NIfTI files and DICOM series as a folder of NIfTI without their patients."""

from collections import Counter
from pathlib import Path

from omegaconf import DictConfig

from scidiff.cli.config import write_beside
from scidiff.cli.prepare import cores, open_folder, shares, show, typed
from scidiff.cli.prepared import describe
from scidiff.cli.progress import progress
from scidiff.store.atomic import claim
from scidiff.store.errors import UserError
from scidiff.store.split import PARTS
from scidiff.store.table import write_table
from scidiff.store.unfinished import abandon, finish
from scidiff.volumes.learning.scans import FEWEST
from scidiff.volumes.prepare.find import find
from scidiff.volumes.prepare.run import PIECES, TABLE, Prepared, prepare

_WINDOW = {"_target_": "scidiff.volumes.intensity.Window", "low": -1000.0, "high": 1000.0}


def run(config: DictConfig, out: Path) -> None:
    """Prepare, describe, and sum up.

    Raises:
        UserError: as `scidiff.volumes.prepare.run.prepare`, or `out` cannot be written.
    """
    if config.split is not None:
        raise UserError("split= is for molecules; scans are always divided by subject. Leave it out.")
    parts, ledger = shares(config), config.ledger and claim(config.ledger, config.overwrite)
    scans = find(Path(config.input).expanduser())
    place = open_folder(config, out, [file for scan in scans for file in scan.files])
    options = {"fewest": config.slices, "labels": config.labels, "seed": config.seed, "modality": config.modality}
    try:
        with progress("Preparing", len(scans), "scans") as tick:
            found = prepare(scans, place, parts, processes=cores(config), progress=tick, **options)
    except UserError:
        if not any((place / PIECES).glob("*.nii.gz")):
            abandon(out)
        raise
    kinds = Counter(scan.facts.modality for scan in found.scans)
    intensity = {"intensity": _WINDOW} if set(kinds) == {"CT"} else {}
    describe(
        place, "scans", {"name": config.name or out.name, "source": "train", "licence": config.licence, **intensity}
    )
    finish(out, scrap=[PIECES])
    write_beside(config, out)
    dropped = Path(f"{out}.dropped.csv")
    write_table(dropped, ("file", "reason"), ((scan.place, reason) for scan, reason in found.dropped))
    if ledger:
        write_table(ledger, ("file", "name"), ((scan.found.place, scan.path) for scan in found.scans))
    _tell(found, kinds, out, dropped)


def _tell(found: Prepared, kinds: Counter[str], out: Path, dropped: Path) -> None:
    subjects = len({scan.subject for scan in found.scans})
    print(f"{len(found.scans):,} scans of {subjects:,} subjects; {len(found.dropped):,} dropped.")
    show(Counter(reason.partition(":")[0] for _, reason in found.dropped))
    counts = Counter(scan.part for scan in found.scans)
    print(f"Split by subject: {', '.join(f'{part} {counts[part]:,}' for part in PARTS)}.")
    print(f"Kinds: {', '.join(f'{kind} {count:,}' for kind, count in kinds.most_common())}.")
    if len(kinds) > 1:
        print(f"A model learns one kind best: modality={kinds.most_common(1)[0][0]} keeps that alone.")
    if counts[PARTS[0]] < FEWEST:
        print(f"Training needs {FEWEST} scans or more: give shares=[1,0,0] to keep none for the test.")
    print("Names, dates and free text of the headers are gone. Faces are not: a head's surface shows who it is.")
    print(f"Data set: {out} (what each file is: {out / TABLE})")
    print(f"Dropped, and why: {dropped}; it tells the names of your files, as {out}.config.yaml does: keep them apart.")
    print(f"Next: scidiff train experiment=brain data={typed(out)}")
