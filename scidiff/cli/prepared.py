"""What scidiff prepare leaves for scidiff train: data.yaml in the data set's folder, read by `data=<folder>`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

import scidiff
from scidiff.store.atomic import whole
from scidiff.store.errors import UserError

FILE = "data.yaml"
_KINDS = ("files", "scans")
_KEYS = {"kind", "source", "name", "licence", "elements", "charges", "intensity"}


def describe(folder: Path, kind: str, settings: Mapping[str, Any]) -> None:
    """Write data.yaml.

    Args:
        folder: of the data set.
        kind: which of configs/data it refines: files or scans.
        settings: keys of that configuration; `source` is counted from the folder.
    """
    text = OmegaConf.to_yaml(OmegaConf.create({"kind": kind, **settings}))
    heading = f"# Written by scidiff {scidiff.__version__}; read by scidiff train data=<this folder>.\n"
    with whole(folder / FILE, overwrite=True) as temporary:
        temporary.write_text(heading + text, encoding="utf-8")


def expanded(words: Sequence[str], known: Sequence[str]) -> list[str]:
    """The same words, `data=<prepared folder>` replaced by what its data.yaml says.

    Args:
        known: the names of data that need no folder.

    Raises:
        UserError: a folder that was not prepared, or whose data.yaml cannot be read.
    """
    return [new for word in words for new in _expanded(word, known)]


def _expanded(word: str, known: Sequence[str]) -> list[str]:
    key, _, value = word.partition("=")
    folder = Path(value.strip("'\"")).expanduser()
    if key != "data" or value in known or not folder.exists():
        return [word]
    if folder.is_file():
        raise UserError(f"{folder} is no data set yet: scidiff prepare input={folder} out=mine, then data=mine.")
    if not (folder / FILE).is_file():
        raise UserError(
            f"The folder {folder} has no {FILE}: make a data set of it with scidiff prepare input={folder} out=..., or"
            " name its kind: data=files (molecules) or data=scans, and data.source=<folder>."
        )
    settings = _settings(folder / FILE)
    kind, source = settings.pop("kind"), folder / str(settings.pop("source"))
    quoted = str(source).replace("'", "\\'")
    return [f"data={kind}", f"data.source='{quoted}'", *(f"data.{key}={_typed(settings[key])}" for key in settings)]


def _settings(path: Path) -> dict[str, Any]:
    """What the file says, once it is sure to say no more than `describe` writes: it may come from anybody."""
    try:
        text = path.read_text(encoding="utf-8")
        settings = OmegaConf.to_container(OmegaConf.create(text))
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{path} cannot be read. Prepare the data set again.") from error
    sound = isinstance(settings, dict) and {"kind", "source"} <= set(settings) <= _KEYS and "${" not in text
    if not sound or settings["kind"] not in _KINDS or Path(str(settings["source"])).name != settings["source"]:
        raise UserError(f"{path} is not as scidiff prepare writes it. Prepare the data set again.")
    return settings


def _typed(value: Any) -> str:
    """A value as it is typed on the command line."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_typed(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_typed, value)) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "\\'") + "'"
    return {None: "null", True: "true", False: "false"}[value] if isinstance(value, bool | None) else str(value)
