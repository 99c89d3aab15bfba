"""The arrays of an .npz file, and what is wrong with them in the user's words. Nothing pickled is ever opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes

from scidiff.store.arrays import names_in
from scidiff.store.arrays import read_arrays as stored
from scidiff.store.errors import UserError
from scidiff.volumes.files.checks import check_affine
from scidiff.volumes.operators.check import by


@dataclass(frozen=True)
class Arrays:
    """What a file holds, and what the caller gave instead.

    Attributes:
        path: of the file.
        found: arrays by their name in the format.
        names: all names in the file.
    """

    path: Path
    found: Mapping[str, np.ndarray]
    names: tuple[str, ...]

    def need(self, name: str, what: str) -> np.ndarray:
        """An array that must be there.

        Raises:
            UserError: it is not.
        """
        if name not in self.found:
            raise UserError(f"{self.path} has no array '{name}' ({what}); it holds {', '.join(self.names) or 'none'}.")
        return self.found[name]

    def get(self, name: str) -> np.ndarray | None:
        """An array that may be there."""
        return self.found.get(name)

    def number(self, name: str, default: float | None = None) -> float | None:
        """One number above 0.

        Raises:
            UserError: several, or not above 0.
        """
        if name not in self.found:
            return default
        value = self.found[name]
        if value.size != 1 or np.iscomplexobj(value) or not float(value.item()) > 0:
            raise UserError(f"The {name} of {self.path} must be one number above 0, not {_short(value)}.")
        return float(value.item())

    def flag(self, name: str) -> bool | None:
        """True or false.

        Raises:
            UserError: neither.
        """
        if name not in self.found:
            return None
        value = self.found[name]
        if value.size != 1 or value.item() not in (0, 1):
            raise UserError(f"'{name}' of {self.path} must be true or false, not {_short(value)}.")
        return bool(value.item())

    def several(self, name: str, counts: Sequence[int]) -> tuple[float, ...] | None:
        """So many numbers above 0.

        Raises:
            UserError: another count, or one not above 0.
        """
        if name not in self.found:
            return None
        value = self.found[name].ravel()
        if len(value) not in counts or np.iscomplexobj(value) or not (value > 0).all():
            wanted = " or ".join(map(str, counts))
            raise UserError(f"The {name} of {self.path} must be {wanted} numbers above 0, not {_short(value)}.")
        return tuple(float(v) for v in value)

    def whole(self, name: str, counts: Sequence[int]) -> tuple[int, ...] | None:
        """So many whole numbers, 0 or above.

        Raises:
            UserError: another count, or others.
        """
        if name not in self.found:
            return None
        value = self.found[name].ravel()
        if len(value) not in counts or np.iscomplexobj(value) or not ((value >= 0) & (value == np.floor(value))).all():
            wanted = " or ".join(map(str, counts))
            raise UserError(f"The {name} of {self.path} must be {wanted} whole numbers, not {_short(value)}.")
        return tuple(int(v) for v in value)

    def affine(self) -> np.ndarray | None:
        """(4, 4), if the file has one.

        Raises:
            UserError: of another shape, singular, or of other voxel sizes than `spacing` says.
        """
        if "affine" not in self.found:
            return None
        affine = self.found["affine"]
        if affine.shape != (4, 4) or np.iscomplexobj(affine):
            raise UserError(f"The affine of {self.path} must be 4 x 4 real numbers, not {by(affine.shape)}.")
        check_affine(affine.astype(np.float64), self.path)
        spacing = self.several("spacing", (1, 2, 3))
        if spacing and len(spacing) == 3 and not np.allclose(voxel_sizes(affine), spacing, rtol=1e-3):
            raise UserError(f"The affine and the spacing of {self.path} disagree on the size of a voxel; keep one.")
        return affine.astype(np.float64)


def read_arrays(path: str | Path, names: Mapping[str, Sequence[str]], given: Mapping[str, Any]) -> Arrays:
    """Read what the format knows.

    Args:
        path: of an .npz file.
        names: of the format -> what else files call them.
        given: what replaces the file's; None leaves it.

    Raises:
        UserError: there is no such file, it is not an .npz or damaged, an array is of objects or words, NaN.
    """
    path = Path(path).expanduser()
    there = names_in(path)
    chosen = {alias.lower(): alias for alias in reversed(there)}  # whatever the case; the first of a name wins
    alias = {name: next((chosen[each] for each in (name, *names[name]) if each in chosen), None) for name in names}
    content = stored(path, [each for each in alias.values() if each])
    found = {name: content[each] for name, each in alias.items() if each}
    found |= {name: np.asarray(value) for name, value in given.items() if value is not None}
    for name, array in found.items():
        check_numbers(array, name, path)
    return Arrays(path, found, there)


def check_numbers(array: np.ndarray, name: str, path: Path) -> None:
    """Refuse words, dates and broken numbers.

    Raises:
        UserError: not numbers, none at all, NaN or infinite ones.
    """
    if array.dtype.kind not in "biufc" or not array.size:
        raise UserError(f"'{name}' of {path} is not numbers: {array.dtype}, {by(array.shape) or 'one value'}.")
    broken = array.size - int(np.isfinite(array).sum())
    if broken:
        raise UserError(f"'{name}' of {path} has {broken:,} of {array.size:,} numbers that are NaN or infinite.")


def _short(value: np.ndarray) -> str:
    shown = ", ".join(f"{v:g}" for v in value.ravel()[:4].tolist()) if value.dtype.kind != "c" else "complex numbers"
    return shown + (" ..." if value.size > 4 else "")
