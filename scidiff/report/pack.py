"""Bytes inside a page: gzip, then base64, which is what a browser unpacks by itself."""

import base64
import gzip
import json
from typing import Any


def pack(content: bytes) -> str:
    """Text that holds the bytes; the same text for the same bytes."""
    return base64.b64encode(gzip.compress(content, compresslevel=7, mtime=0)).decode()


def pack_json(content: Any) -> str:
    """The same for plain values, as compact JSON; a value that is no number in JSON (NaN) is refused."""
    return pack(json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode())


def unpack(text: str) -> bytes:
    """What `pack` was given."""
    return gzip.decompress(base64.b64decode(text))
