"""The arrays of .npz and .npy files, whoever wrote them: nothing pickled is opened, and nothing larger than memory."""

import zipfile
import zlib
from collections.abc import Callable, Collection
from functools import partial
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from scidiff.store.errors import UserError
from scidiff.store.memory import free_memory, gigabytes

COPIES = 6  # of its arrays that reading a file takes: as text, in another format, put together
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, NotImplementedError, RuntimeError)
_BROKEN = (ValueError, TypeError, SyntaxError, TokenError, OverflowError, MemoryError)
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def names_in(path: str | Path) -> tuple[str, ...]:
    """The names of the arrays in an .npz file.

    Raises:
        UserError: no such file, or it is no .npz file.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())
    except (*_DAMAGED, *_BROKEN) as error:
        raise UserError(f"{path} is not an .npz file: damaged, cut short or of another kind.") from error


def read_arrays(path: str | Path, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name, or those of the given names.

    Raises:
        UserError: no such file, not an .npz, damaged, Python objects inside, or more than memory holds.
    """
    path, there = Path(path), names_in(path)
    wanted = there if names is None else [name for name in names if name in there]
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: _member(archive, name) for name in wanted}
            _check_memory(sum(member.file_size for member in members.values()), path)
            return {name: _array(partial(archive.open, member), member.file_size) for name, member in members.items()}
    except _DAMAGED as error:
        raise UserError(f"{path} is not a whole .npz file: it is damaged or cut short. Copy it again.") from error
    except _BROKEN as error:
        raise UserError(
            f"{path} is no .npz of plain arrays: it holds Python objects, which are not opened, or a broken array."
        ) from error


def read_array(path: str | Path) -> np.ndarray:
    """The array of an .npy file.

    Raises:
        UserError: no such file, not an .npy, damaged, Python objects inside, or more than memory holds.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        _check_memory(size, path)
        return _array(partial(path.open, "rb"), size)
    except (*_DAMAGED, *_BROKEN) as error:
        raise UserError(f"{path} is not a readable .npy file of plain numbers.") from error


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    return archive.getinfo(f"{name}.npy" if f"{name}.npy" in archive.NameToInfo else name)


def _check_memory(size: int, path: Path) -> None:
    free = free_memory()
    if free is not None and COPIES * size > free:
        raise UserError(f"{path} needs {gigabytes(COPIES * size)} of memory once unpacked; {gigabytes(free)} are free.")


def _array(opened: Callable[[], IO[bytes]], size: int) -> np.ndarray:
    """Read once its header is sure to promise what is there: numpy makes room for all of it before it looks."""
    with opened() as file:
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
        if not dtype.itemsize or prod(shape) * dtype.itemsize != size - file.tell():
            raise ValueError("its header promises another size")
    with opened() as file:
        return np.lib.format.read_array(file, allow_pickle=False)
