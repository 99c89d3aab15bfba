"""Judging many records in other processes: see `scidiff.molecules.crew`. Records given up count as failed."""

from collections.abc import Iterable, Iterator

from scidiff.molecules.crew import Job, work
from scidiff.molecules.evaluate.judge import lean, unjudged
from scidiff.molecules.evaluate.judgement import Judgement

PATIENCE = 60.0


def judge_all(
    records: Iterable[object], protocols: tuple[str, ...], processes: int = 1, patience: float = PATIENCE
) -> Iterator[Judgement]:
    """Judge records in order, reading only a little ahead.

    Args:
        records: Molecules, and whatever stands for records that could not be read.
        protocols: names from `PROTOCOLS`.
        processes: how many processes judge; 0 judges in this one, without any guard.
        patience: seconds a single record may take.

    Raises:
        RuntimeError: a process cannot be started.
    """
    job = Job("scidiff.molecules.evaluate.judge:judge", protocols, _given_up, patience)
    return work(job, map(lean, records), processes)


def _given_up(record: object, what: str) -> Judgement:
    return unjudged(record, f"judging it {what}")
