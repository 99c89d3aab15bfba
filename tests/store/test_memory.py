"""Memory that is freed and wanted again, as tensors are, costs no new pages once `keep_freed` was called."""

import ctypes
import subprocess
import sys

import pytest

ROUNDS = """
import ctypes, resource, sys
from scidiff.store.memory import keep_freed
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
if sys.argv[1] == "keep":
    keep_freed()
def once():
    blocks = [libc.malloc(4 << 20) for _ in range(8)]
    for block in blocks: libc.memset(block, 1, 4 << 20)
    for block in blocks: libc.free(block)
once(), once()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10): once()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


RELEASED = """
import ctypes
from pathlib import Path
from scidiff.store.memory import keep_freed, release_freed
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
held = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20
keep_freed()
blocks = [libc.malloc(4 << 20) for _ in range(16)]
for block in blocks: libc.memset(block, 1, 4 << 20)
for block in blocks: libc.free(block)
kept = held()
release_freed()
print(kept - held())
"""


def faults(what: str) -> int:
    """New pages in ten rounds of 32 MB."""
    return int(subprocess.run([sys.executable, "-c", ROUNDS, what], capture_output=True, check=True).stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only the GNU C library is told")
def test_freed_memory_is_kept():
    assert faults("keep") < 100 < 10_000 < faults("leave")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="only the GNU C library is told")
def test_and_given_back_when_asked():
    done = subprocess.run([sys.executable, "-c", RELEASED], capture_output=True, check=True)
    assert int(done.stdout) > 60  # MB, of 64
