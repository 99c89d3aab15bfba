"""A model is one .safetensors file: its tensors, and a JSON header under the metadata key "scidiff".

Reading one runs nothing from it: no pickle anywhere, and the header is data until `scidiff.store.build` meets it with
`MODEL_ALLOWED`. The layout (https://github.com/huggingface/safetensors): eight bytes with the length of a JSON table,
the table, then the bytes of the tensors.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scidiff.store.atomic import whole
from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
ENDING = ".safetensors"
SHIPPED = Path(__file__).parents[1] / "shipped"
LONGEST_TABLE = 100_000_000  # bytes; the safetensors library draws the same line


def save_model(path: str | Path, tensors: Mapping[str, "Tensor"], header: dict, overwrite: bool = False) -> Path:
    """Write a model file whole or not at all.

    Args:
        path: a name ending in .safetensors.
        tensors: any shapes and devices, by name.
        header: plain JSON values, with at least `domain` and `config`; `format` is added.

    Raises:
        UserError: another ending, an incomplete header, or the file cannot be written.
    """
    from safetensors.torch import save

    if Path(path).suffix != ENDING:
        raise UserError(f"{path}: the name of a model file ends in {ENDING}.")
    header = {"format": FORMAT, **header}
    _check_header(header, path)
    metadata = {"scidiff": json.dumps(header)}
    with whole(path, overwrite) as temporary:
        temporary.write_bytes(save({name: _plain(tensor) for name, tensor in tensors.items()}, metadata))
    return Path(path)


def _plain(tensor: "Tensor") -> "Tensor":
    return tensor.detach().cpu().clone().contiguous()  # the file format knows no shared or strided memory


def load_model(path: str | Path) -> tuple[dict[str, "Tensor"], dict]:
    """Read a model file: its tensors (on the CPU) by name, and its header.

    Raises:
        UserError: as `read_header`, or tensors that contradict their table.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path)
    try:
        return load_file(path), header
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{path} is not a scidiff model file: {error}.") from error


def read_header(path: str | Path) -> dict:
    """Read the header alone, checking that the file is complete.

    Raises:
        UserError: no such file, truncated, not a scidiff model file, or written by a newer scidiff.
    """
    try:
        table = _read_table(Path(path))
        metadata = table["__metadata__"]["scidiff"]
        header = json.loads(metadata)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is not a scidiff model file.") from error
    _check_header(header, path)
    return header


def _read_table(path: Path) -> dict[str, Any]:
    """The table of a safetensors file, once its sizes have been held against the file's."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > LONGEST_TABLE or file.read(1) not in (b"{", b""):
            raise ValueError
        _check_complete(path, size, 8 + length)
        file.seek(8)
        table = json.loads(file.read(length))
    ends = [entry["data_offsets"][1] for name, entry in table.items() if name != "__metadata__"]
    _check_complete(path, size, 8 + length + max(ends, default=0))
    return table


def _check_complete(path: Path, size: int, expected: int) -> None:
    if size < expected:
        raise UserError(f"{path} is truncated: {size:,} bytes where {expected:,} or more are needed. Copy it again.")


def _check_header(header: Any, path: str | Path) -> None:
    kinds = {"format": int, "domain": str, "config": dict}
    if not isinstance(header, dict):
        raise UserError(f"{path} is not a scidiff model file: its header is not a mapping.")
    for key, kind in kinds.items():
        if not isinstance(header.get(key), kind) or isinstance(header.get(key), bool):
            raise UserError(f"{path} is not a scidiff model file: its header lacks a proper '{key}'.")
    if header["format"] > FORMAT:
        raise UserError(
            f"{path} was written by a newer scidiff (format {header['format']}; this one reads up to {FORMAT}). "
            "Upgrade scidiff to use it."
        )


def find_model(name_or_path: str | Path) -> Path:
    """The file of a shipped model's name, or the path itself.

    Raises:
        UserError: neither; the message lists what is shipped.
    """
    names = [path.stem for path in _shipped_files()]
    if str(name_or_path) in names:
        return SHIPPED / f"{name_or_path}{ENDING}"
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    kind = "file" if path.suffix or len(path.parts) > 1 else "model or file"
    known = f"Shipped models: {', '.join(names)}." if names else "No models are shipped with this copy."
    raise UserError(f"There is no {kind} '{name_or_path}'.{did_you_mean(str(name_or_path), names)} {known}")


def shipped() -> list[tuple[str, dict]]:
    """The names and headers of the models that travel with the package, by name."""
    return [(path.stem, read_header(path)) for path in _shipped_files()]


def _shipped_files() -> list[Path]:
    return sorted(SHIPPED.glob(f"*{ENDING}"))
