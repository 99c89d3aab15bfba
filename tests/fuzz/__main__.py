"""The whole fuzz run: `python -m tests.fuzz` tries 12,000 broken files, `python -m tests.fuzz 50000 NIfTI` others.

Every input must be read or refused by a UserError within 10 seconds and 1 GiB of memory. Exit status 1 if one is not.
"""

import sys
import time

import torch

from tests.fuzz.bombs import BOMBS
from tests.fuzz.readers import READERS
from tests.fuzz.watch import watch


def run(total: int, names: list[str]) -> int:
    """Try `total` mutants, shared among the readers, and all bombs; how many defects there were."""
    found, tried, shares = 0, 0, sum(READERS[name].share for name in names)
    print(f"{'reader':22}{'inputs':>8}{'read':>8}{'refused':>9}{'defects':>9}{'seconds':>9}{'slowest':>9}")
    for name in names:
        start, mutants = time.perf_counter(), range(round(total * READERS[name].share / shares))
        tally = watch(name, [*BOMBS.get(name, {}), *mutants])
        count = len(mutants) + len(BOMBS.get(name, {}))
        defects, seconds = len(tally.defects), time.perf_counter() - start
        times = f"{seconds:9.0f}{tally.slowest:9.2f}"
        print(f"{name:22}{count:8,}{tally.read:8,}{tally.refused:9,}{defects:9,}{times}", flush=True)
        for what, often in tally.kinds().most_common():
            inputs = [str(which)[:40] for which, told in tally.defects.items() if told == what]
            print(f"  {often} x {what} (input {', '.join(inputs[:5])})", flush=True)
        found, tried = found + defects, tried + count
    print(f"{tried:,} inputs, {found:,} defects.")
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    words = sys.argv[1:]
    number = int(words.pop(0)) if words and words[0].isdigit() else 12_000
    sys.exit(bool(run(number, words or list(READERS))))
