"""Files written whole or not at all: a temporary name in the same folder, then a rename."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scidiff.store.errors import UserError


def claim(path: str | Path, overwrite: bool = False) -> Path:
    """Check, before any work is done, that `path` may be written later.

    Raises:
        UserError: it exists and `overwrite` is false, it is a folder, or its folder cannot be written.
    """
    path = Path(path).expanduser()
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder; name a file to write.")
        if path.exists() and not overwrite:
            raise UserError(f"{path} exists already. Choose another name or add overwrite=true.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from error
    return path


@contextmanager
def whole(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path with the same ending; on success it is renamed to `path`, on failure it is removed.

    Raises:
        UserError: as `claim`, or the disk is full while writing.
    """
    path = claim(path, overwrite)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
