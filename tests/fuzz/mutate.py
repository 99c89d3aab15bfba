"""Broken files out of good ones: each mutation is a function of its number, so that a finding can be made again.

Bytes are flipped, cut, doubled and spliced; whole numbers in headers lie about sizes; numbers in text become extreme.
A packed file is broken half the time before it is packed, so that the damage gets past the checksum.
"""

import gzip
import io
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

EXTREMES = (
    b"1e400", b"-1e400", b"nan", b"inf", b"-1", b"0", b"1", b"2", b"9" * 40, b"9223372036854775808", b"-2147483649",
    b"999999999", b"65536", b"1e9", b"0.5", b"", b"-", b"null", b"true", b"'x'", b"[]", b"{}", b"object", b"\xff",
    b"\0", b"|O", b"<U999999999",
)  # fmt: skip
LIES = (0, 1, -1, 2, 7, 255, 256, 32767, -32768, 65535, 2**31 - 1, -(2**31), 2**32 - 1, 2**62, 2**63 - 1)
_NUMBER = re.compile(rb"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")


def mutant(seeds: Sequence[Path], number: int) -> tuple[Path, bytes]:
    """The seed that the `number`-th input was made of, and its content."""
    random = np.random.default_rng(number)
    path = seeds[number % len(seeds)]
    content, other = path.read_bytes(), seeds[int(random.integers(len(seeds)))].read_bytes()
    for _ in range(int(random.integers(1, 4))):
        content = _broken(content, other, random)
    return path, content


def _broken(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """Broken once: inside of its packing, where it has one, or outside."""
    inside = bool(random.integers(3))
    if inside and content[:2] == b"\x1f\x8b":
        try:
            return gzip.compress(_once(gzip.decompress(content), _unpacked(other), random), 1)
        except (OSError, EOFError, ValueError, gzip.zlib.error):
            return _once(content, other, random)
    if inside and zipfile.is_zipfile(io.BytesIO(content)):
        try:
            return _in_zip(content, other, random)
        except Exception:  # a zip broken before
            return _once(content, other, random)
    return _once(content, other, random)


def _unpacked(content: bytes) -> bytes:
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def _in_zip(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """One member broken or dropped, and all packed again with right checksums."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = sorted(members)[int(random.integers(len(members)))]
    if random.integers(8):
        members[chosen] = _once(members[chosen], other, random)
    else:
        del members[chosen]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _once(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    how = _WAYS[int(random.integers(len(_WAYS)))]
    return how(content, other, random) if content else other


def _place(content: bytes, random: np.random.Generator) -> int:
    """Anywhere, half the time near the beginning, where headers are."""
    end = len(content) if random.integers(2) else min(len(content), 400)
    return int(random.integers(end))


def flip(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """A few bits."""
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 9))):
        changed[_place(content, random)] ^= 1 << int(random.integers(8))
    return bytes(changed)


def cut(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """The end missing."""
    return content[: _place(content, random)]


def drop(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """A piece missing."""
    start = _place(content, random)
    return content[:start] + content[start + int(random.integers(1, 200)) :]


def double(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """A piece many times."""
    start = _place(content, random)
    piece = content[start : start + int(random.integers(1, 200))]
    return content[:start] + piece * int(random.integers(2, 50)) + content[start:]


def splice(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another."""
    return content[: _place(content, random)] + other[_place(other or b"\0", random) :]


def lie(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """A whole number of a header is another: sizes, counts, offsets, lengths, kinds."""
    value, width = LIES[int(random.integers(len(LIES)))], (1, 2, 4, 8)[int(random.integers(4))]
    start = _place(content, random) // width * width
    number = (value % 256**width).to_bytes(width, ("little", "big")[int(random.integers(2))])
    return content[:start] + number + content[start + width :]


def exaggerate(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """A number in text is extreme, or no number."""
    found = [match.span() for match in _NUMBER.finditer(content[:100_000])]
    if not found:
        return flip(content, other, random)
    start, end = found[int(random.integers(len(found)))]
    return content[:start] + EXTREMES[int(random.integers(len(EXTREMES)))] + content[end:]


_WAYS: tuple[Callable[[bytes, bytes, np.random.Generator], bytes], ...] = (
    flip, flip, cut, drop, double, splice, lie, lie, exaggerate, exaggerate, exaggerate,
)  # fmt: skip
