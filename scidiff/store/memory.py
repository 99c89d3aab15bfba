"""How much memory is free: to the machine, to the group a cluster or a container put us in, and to this process."""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""Set to 1 before torch is imported, it has tensors of 2 MB and more on large pages: up to a fifth faster for scans."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h numbers them
_GROUPS = Path("/sys/fs/cgroup")
_sharers = 1


def free_memory() -> int | None:
    """Bytes to be had without swapping, and without being ended for it; none where the system does not tell."""
    known = [bytes_ for bytes_ in (_of_machine(), _of_group(), _of_process()) if bytes_ is not None]
    return max(min(known), 0) // _sharers if known else None


def share(processes: int) -> int:
    """From now on this process is one of so many alike, and has its part of what is free; how many there were."""
    global _sharers
    _sharers, before = processes, _sharers
    return before


def keep_freed() -> None:
    """Keep what tensors free for those that follow: to ask the system anew takes up to a tenth of a network's time.

    Only the GNU C library knows the word; elsewhere nothing happens.
    """
    _call("mallopt", _MMAP_THRESHOLD, 2**25)  # what is larger goes back at once, as by default
    _call("mallopt", _TRIM_THRESHOLD, 2**31 - 1)


def release_freed() -> None:
    """Give it all back, before what is needed is measured."""
    _call("malloc_trim", 0)


def _call(name: str, *values: int) -> None:
    with suppress(AttributeError, OSError, TypeError):
        getattr(ctypes.CDLL(None), name)(*values)


def ran_out(name: str, words: str) -> bool:
    """Whether an error of this name and these words, perhaps another process's, says that memory is full."""
    return "MemoryError" in name + words.partition(":")[0] or "t allocate memory" in words


def gigabytes(count: int) -> str:
    """As '1.2 GB'."""
    return f"{count / 1e9:,.1f} GB"


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return _whole_machine()


def _whole_machine() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _of_group() -> int | None:
    """What control group version 2 leaves; pages of files that it may drop count as free."""
    try:
        place = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
        folder = _GROUPS / place.lstrip("/")
        most, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
        facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return most - used + int(facts["inactive_file"])
    except (OSError, ValueError, KeyError):  # no such groups, or "max": no limit
        return None


def _of_process() -> int | None:
    """What `ulimit -v` leaves."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ModuleNotFoundError, OSError):  # a system without such limits
        return None
    return None if limit == resource.RLIM_INFINITY else limit - taken
