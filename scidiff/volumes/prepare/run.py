"""From a folder of scans, as people have them, to one to learn from.

    train/sub-001/anat/sub-001_T1w.nii.gz    also below validation/ and test/; never one subject in two of them
    scans.csv                                what each file is

Names are BIDS's labels, or numbers; sessions and repetitions are numbered too, since dates are facts of a patient.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields
from itertools import count, repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from scidiff.store.errors import UserError
from scidiff.store.split import PARTS, split
from scidiff.store.table import write_table
from scidiff.volumes.prepare.find import Found
from scidiff.volumes.prepare.scan import Facts, convert

TABLE, PIECES = "scans.csv", "pieces"
LABELS = ("keep", "number")
COLUMNS = tuple(each.name for each in fields(Facts) if each.name != "dropped")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Scan:
    """A scan of the prepared folder."""

    found: Found
    facts: Facts
    part: str
    subject: str
    name: str

    @property
    def path(self) -> str:
        """Within the folder."""
        return f"{self.part}/{self.subject}/{'ct' if self.facts.modality == 'CT' else 'anat'}/{self.name}"


@dataclass(frozen=True)
class Prepared:
    """The scans of a prepared folder, and those that were left out with the reasons."""

    scans: list[Scan]
    dropped: list[tuple[Found, str]]


def prepare(
    scans: Sequence[Found],
    folder: Path,
    shares: Sequence[float],
    *,
    fewest: int = 8,
    modality: str | None = None,
    labels: str = "keep",
    seed: int = 0,
    processes: int = 1,
    progress: Progress | None = None,
) -> Prepared:
    """Fill a folder with scans and TABLE; goes on with what an interrupted run left in it.

    Args:
        folder: as `scidiff.store.unfinished.begin` gives it; its PIECES may be removed afterwards.
        shares: of train, validation and test.
        fewest, modality: as `convert` takes them.
        labels: keep BIDS's, or number all subjects.
        processes: how many work; 0 works in this one.

    Raises:
        UserError: nothing could be kept, the disk refuses, or a process was ended by the system.
    """
    if labels not in LABELS:
        raise UserError(f"labels={labels}: expected {' or '.join(LABELS)}.")
    (folder / PIECES).mkdir(exist_ok=True)
    paths = [folder / PIECES / f"{k:06}.nii.gz" for k in range(len(scans))]
    facts = []
    for each in _converted(scans, paths, fewest, modality, processes):
        facts.append(each)
        if progress:
            progress(len(facts), len(scans))
    kept = [k for k, each in enumerate(facts) if not each.dropped]
    if not kept:
        raise UserError(f"Of {len(scans)} scans none could be kept ({scans[0].place}: {facts[0].dropped}).")
    subjects = _subjects([scans[k] for k in kept], labels, seed)
    parts = split(np.array([subjects[scans[k].subject] for k in kept]), shares, seed)
    named = list(_named([(scans[k], facts[k], PARTS[part]) for k, part in zip(kept, parts, strict=True)], subjects))
    for k, scan in zip(kept, named, strict=True):
        (folder / scan.path).parent.mkdir(parents=True, exist_ok=True)
        if paths[k].exists():  # else moved before an interruption
            paths[k].replace(folder / scan.path)
    write_table(folder / TABLE, ("file", "part", "subject", *COLUMNS), _rows(named))
    return Prepared(named, [(scans[k], each.dropped) for k, each in enumerate(facts) if each.dropped])


def _converted(
    scans: Sequence[Found], paths: Sequence[Path], fewest: int, modality: str | None, processes: int
) -> Iterator[Facts]:
    """The facts of each scan, in order."""
    work = (convert, scans, paths, repeat(fewest), repeat(modality))
    if processes < 2 or len(scans) < 2:
        yield from map(*work)
        return
    with ProcessPoolExecutor(min(processes, len(scans)), get_context("spawn")) as pool:
        try:
            yield from pool.map(*work)
        except BrokenProcessPool as error:
            raise UserError(
                "A process that read scans was ended by the system, perhaps for want of memory. Type the same with"
                " processes=1: what is done is kept."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _subjects(scans: Sequence[Found], labels: str, seed: int) -> dict[str, str]:
    """What each subject is called: its BIDS label, or a number that no label has, in an order that tells nothing."""
    known = {scan.subject: scan.label for scan in scans if scan.label and labels == "keep"}
    others = sorted({scan.subject for scan in scans} - set(known))
    numbers = (f"sub-{k:03}" for k in count(1))
    free = (number for number in numbers if number not in set(known.values()))
    shuffled = np.random.default_rng(seed).permutation(len(others))
    return known | {others[k]: name for k, name in zip(shuffled, free, strict=False)}


def _named(kept: Sequence[tuple[Found, Facts, str]], subjects: dict[str, str]) -> Iterator[Scan]:
    """Each scan with its name; sessions and runs are numbered where there are several."""
    sessions = defaultdict(list)
    for found, _, _ in kept:
        if found.session not in sessions[found.subject]:
            sessions[found.subject].append(found.session)
    stems = []
    for found, facts, _ in kept:
        order = sessions[found.subject]
        session = f"_ses-{order.index(found.session) + 1}" if len(order) > 1 else ""
        stems.append((f"{subjects[found.subject]}{session}", facts.modality))
    often, runs = Counter(stems), Counter()
    for (found, facts, part), stem in zip(kept, stems, strict=True):
        runs[stem] += 1
        run = f"_run-{runs[stem]}" if often[stem] > 1 else ""
        yield Scan(found, facts, part, subjects[found.subject], f"{stem[0]}{run}_{stem[1]}.nii.gz")


def _rows(scans: Sequence[Scan]) -> Iterator[list[object]]:
    """The table of what each file is, by name: the order of the input's names would tell who comes first."""
    for scan in sorted(scans, key=lambda scan: scan.path):
        facts = [getattr(scan.facts, name) for name in COLUMNS]
        shown = [" ".join(map(str, fact)) if isinstance(fact, tuple | list) else fact for fact in facts]
        yield [scan.path, scan.part, scan.subject, *shown]
