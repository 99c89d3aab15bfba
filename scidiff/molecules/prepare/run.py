"""From files of molecules to a prepared set: read, screen, leave out repeats, build, keep in shards, split, merge.

Each step takes its records one by one from the step before, in order, so that memory does not grow with their number
but for the numbers by which repeats are known.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from scidiff.molecules.crew import Job, work
from scidiff.molecules.files import Broken
from scidiff.molecules.gather import PREPARED
from scidiff.molecules.prepare.build import Outcome, failed, keys
from scidiff.molecules.prepare.policy import Policy
from scidiff.molecules.prepare.screen import SEVERAL, Candidate, number, unscreened
from scidiff.molecules.prepare.shelf import Shelf
from scidiff.molecules.prepare.source import Raw, Source
from scidiff.molecules.vocabulary import Vocabulary
from scidiff.store.errors import UserError
from scidiff.store.split import split
from scidiff.store.table import write_table

DROPPED = "dropped.csv"
_SHARD = 128  # records: what an interruption may cost
_SCREENING = 10.0  # seconds that reading and checking a record may take
_SCREENERS = 8  # builders that one screening process keeps busy

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Prepared:
    """What a prepared set holds.

    Attributes:
        records: how many were read.
        parts: (N,) 0 train, 1 validation, 2 test.
        sizes: (N,) atoms.
        made: (N,) see `scidiff.molecules.prepare.build`.
        vocabulary: the elements and charges that occur.
        dropped: records left out, by kind of reason.
    """

    records: int
    parts: np.ndarray
    sizes: np.ndarray
    made: np.ndarray
    vocabulary: Vocabulary
    dropped: Mapping[str, int]


def prepare(
    source: Source,
    policy: Policy,
    shares: Sequence[float],
    folder: Path,
    processes: int = 1,
    progress: Progress | None = None,
) -> Prepared:
    """Fill a folder with PREPARED and DROPPED; goes on with the shards that an interrupted run left in it.

    Args:
        shares: of train, validation and test.
        folder: as `scidiff.store.unfinished.begin` gives it.
        processes: how many work; 0 works in this one, without any guard.
        progress: called with records done and records in all.

    Raises:
        UserError: a file that cannot be read, a salt where those are refused, or nothing could be kept.
    """
    total, shelf = source.count(), Shelf(folder)
    if not total:
        raise UserError(f"{source.path} holds no record of a molecule.")
    for done in _fill(shelf, source, policy, processes):
        if progress:
            progress(min(done, total), total)
    if not len(shelf.column("made")):
        first = next(shelf.dropped(), None)
        why = f" ({first[0]}, record {first[1]}: {first[3]})" if first else ""
        raise UserError(f"Of {total:,} records in {source.path} none could be kept{why}.")
    return _finish(shelf, folder, total, shares, policy.seed)


def _fill(shelf: Shelf, source: Source, policy: Policy, processes: int) -> Iterator[int]:
    """Add the missing shards; yields how many records are done."""
    seen, kept, before = shelf.seen(), shelf.kept(), shelf.count * _SHARD
    yield before
    outcomes = _outcomes(islice(source.records(), before, None), policy, processes, seen)
    outcomes = (_within(outcome, kept, policy.conformers) for outcome in outcomes)
    shard: list[Outcome] = []
    for done, outcome in enumerate(outcomes, start=before + 1):
        shard.append(outcome)
        if len(shard) == _SHARD:
            shelf.add(shard)
            shard = []
        yield done
    if shard:
        shelf.add(shard)


def _outcomes(records: Iterable[Raw | Broken], policy: Policy, processes: int, seen: Counter[int]) -> Iterator[Outcome]:
    """What becomes of each record, in order."""
    here = "scidiff.molecules.prepare"
    screen = Job(f"{here}.screen:screen", policy, unscreened, _SCREENING)
    slow = partial(_slow, policy=policy)
    build = Job(f"{here}.build:build", policy, slow, policy.seconds)
    screened = work(screen, records, -(-processes // _SCREENERS))
    return work(build, _without_repeats(screened, policy, seen), processes)


def _slow(candidate: Candidate | Broken, what: str, policy: Policy) -> Outcome:
    return failed(candidate, policy, f"no conformer: building it {what}")


def _without_repeats(
    screened: Iterable[Candidate | Broken], policy: Policy, seen: Counter[int]
) -> Iterator[Candidate | Broken]:
    """The same, repeats turned away before anything is built of them.

    Raises:
        UserError: several fragments, where those are refused.
    """
    for item in screened:
        if isinstance(item, Candidate):
            mine = keys(item, policy.conformers)
            if seen[mine[0]] >= policy.conformers:
                item = item.dropped(f"duplicate: {item.smiles} came before")
            else:
                seen.update(mine)
        elif policy.fragments == "refuse" and item.reason.startswith(SEVERAL):
            raise UserError(
                f"{item.file}, record {item.record}: {item.reason}. fragments=largest keeps the largest organic one,"
                " fragments=drop leaves the record out."
            )
        yield item


def _within(outcome: Outcome, kept: Counter[int], most: int) -> Outcome:
    """The same without structures of molecules of which there are enough: the input may not have said all of them."""
    fresh = []
    for structure in outcome.structures:
        key = number(structure.smiles)
        if kept[key] < most:
            kept[key] += 1
            fresh.append(structure)
    if fresh or not outcome.structures:
        return replace(outcome, structures=tuple(fresh))
    first = outcome.structures[0]
    return replace(outcome, structures=(), dropped=first.origin.dropped(f"duplicate: {first.smiles} came before"))


def _finish(shelf: Shelf, folder: Path, total: int, shares: Sequence[float], seed: int) -> Prepared:
    """Split, merge, name what was dropped, and sum up."""
    parts = split(shelf.column("group"), shares, seed)
    made = shelf.column("made")
    shelf.merge(folder / PREPARED, {"split": parts, "made": made})
    dropped: Counter[str] = Counter(row[3].partition(":")[0] for row in shelf.dropped())
    write_table(folder / DROPPED, ("file", "record", "name", "reason"), shelf.dropped())
    sizes = np.concatenate([np.diff(shard["offsets"]) for shard in shelf])
    numbers, charges = (
        {int(value) for shard in shelf for value in np.unique(shard[name])}
        for name in ("atomic_numbers", "formal_charges")
    )
    return Prepared(total, parts, sizes, made, Vocabulary.covering(sorted(numbers), sorted(charges)), dict(dropped))
