"""Tables as CSV, whole or not at all."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from scidiff.store.atomic import whole


def write_table(path: Path, heading: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    """Write a table in place of an older one.

    Raises:
        UserError: as `scidiff.store.atomic.whole`.
    """
    with whole(path, overwrite=True) as temporary, temporary.open("w", newline="", encoding="utf-8") as text:
        table = csv.writer(text, lineterminator="\n")
        table.writerows([heading] if heading else [])
        table.writerows(rows)
