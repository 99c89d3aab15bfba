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


def faults(what: str) -> int:
    """New pages in ten rounds of 32 MB."""
    return int(subprocess.run([sys.executable, "-c", ROUNDS, what], capture_output=True, check=True).stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only the GNU C library is told")
def test_freed_memory_is_kept():
    assert faults("keep") < 100 < 10_000 < faults("leave")
