"""Memory that is freed and wanted again, as tensors are, costs no new pages once `keep_freed` was called."""

import ctypes
import subprocess
import sys

import pytest

BLOCKS = """
import ctypes, resource, sys
from pathlib import Path
from scidiff.store.memory import keep_freed, release_freed
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
def once():
    blocks = [libc.malloc(4 << 20) for _ in range(8)]
    for block in blocks: libc.memset(block, 1, 4 << 20)
    for block in blocks: libc.free(block)
"""

ROUNDS = """
if sys.argv[1] == "keep":
    keep_freed()
once(), once()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10): once()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

RELEASED = """
held = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20
keep_freed()
once()
kept = held()
release_freed()
print(kept - held())
"""


def printed(words: str, *typed: str) -> int:
    """What a process of its own says."""
    return int(subprocess.run([sys.executable, "-c", BLOCKS + words, *typed], capture_output=True, check=True).stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only the GNU C library is told")
def test_freed_memory_is_kept():
    """Ten rounds of 32 MB: 8,192 pages of 4 kB each, or none."""
    kept, left = (printed(ROUNDS, what) for what in ("keep", "leave"))
    assert kept < 100 < 10_000 < left


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="only the GNU C library is told")
def test_and_given_back_when_asked():
    assert printed(RELEASED) > 28  # MB, of 32
