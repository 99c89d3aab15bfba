"""A folder that is made in pieces: called `<out>.unfinished` until it is whole, then renamed.

Whoever asks for the same once more, after an interruption, finds the pieces that are there already.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scidiff.store.atomic import whole
from scidiff.store.errors import UserError

_SETTINGS = ".settings.json"


def begin(out: Path, mark: str, settings: Mapping[str, Any], overwrite: bool = False) -> Path:
    """The folder to fill, empty or with what an interrupted run of the same settings left in it.

    Args:
        out: what it will be called when it is whole.
        mark: a file that every finished folder of this kind holds; a folder without it is not written over.
        settings: all that the content depends on, as JSON holds it.
        overwrite: replace a finished folder, or one that was begun with other settings.

    Raises:
        UserError: `out` is there already, or something else was begun, or the disk refuses.
    """
    if out.exists() and not overwrite:
        raise UserError(f"{out} exists already. Choose another name or add overwrite=true.")
    if out.exists() and not (out / mark).is_file():
        raise UserError(f"{out} holds no {mark}: it is something else than is to be written, and is left alone.")
    return resume(out, settings, overwrite)


def resume(out: Path, settings: Mapping[str, Any], overwrite: bool = False) -> Path:
    """The folder of pieces for `out`, which may become a file: empty, or as an interrupted run left it.

    Raises:
        UserError: something else was begun, or the disk refuses.
    """
    folder = _unfinished(out)
    settings = json.loads(json.dumps(settings))
    try:
        if folder.exists() and not _same(folder, settings, overwrite):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot write {folder}: {error.strerror or error}.") from error
    with whole(folder / _SETTINGS, overwrite=True) as temporary:
        temporary.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return folder


def finish(out: Path, scrap: Sequence[str] = ()) -> None:
    """Give the folder its name; an older one of that name goes only then, and so do the folders `scrap` within it.

    Raises:
        UserError: the disk refuses.
    """
    folder, old = _unfinished(out), out.with_name(f"{out.name}.old")
    try:
        if out.exists():
            out.rename(old)
        folder.rename(out)
        for each in (old, *(out / name for name in scrap)):
            shutil.rmtree(each, ignore_errors=True)
        (out / _SETTINGS).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"Cannot rename {folder} to {out}: {error.strerror or error}.") from error


def abandon(out: Path) -> None:
    """Remove what was begun, where nothing can come of it."""
    shutil.rmtree(_unfinished(out), ignore_errors=True)


def _unfinished(out: Path) -> Path:
    return out.with_name(f"{out.name}.unfinished")


def _same(folder: Path, settings: Mapping[str, Any], overwrite: bool) -> bool:
    """Whether the folder was begun with the same settings; another one is an error, unless it may be replaced."""
    try:
        before = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = None
    if before == settings:
        return True
    if before is None and any(folder.iterdir()):
        raise UserError(f"{folder} is in the way, and not ours to remove. Move it away, or choose another out=.")
    if before is not None and not overwrite:
        changed = sorted(key for key in {*before, *settings} if before.get(key) != settings.get(key))
        raise UserError(
            f"{folder} was begun with another {' and '.join(changed)}. Say the same to go on with it, choose another"
            " out=, or add overwrite=true to begin anew."
        )
    return False
