"""What generated molecules are held against: a training set, boiled down to two megabytes.

SMILES for novelty (ours, and EDM's by distance), a census of all geometries for the distributions, and the scores a
random sample of the training set gets itself under every protocol: the figures to reach, and rarely to pass.
One compressed .npz without pickles, SMILES and the rest as bytes packed by LZMA.
"""

import json
import lzma
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from scidiff.molecules.evaluate.tanimoto import Neighbours
from scidiff.store.arrays import read_arrays
from scidiff.store.atomic import whole
from scidiff.store.errors import UserError

FORMAT = 1
LARGEST = 2**26  # bytes of one part, unpacked: the SMILES of two million molecules
_PARTS = ("about", "smiles", "edm_smiles", "codes", "counts")


@dataclass(frozen=True)
class Reference:
    """A training set as the evaluator sees it.

    Attributes:
        name: what to call it.
        n: how many molecules it was built from.
        smiles: canonical SMILES, without stereo, of its strictly valid molecules.
        edm_smiles: SMILES by EDM's distances.
        census: sorted unique (k,) geometry codes and (k,) counts.
        scores: its own figures, by the names `evaluate` gives; "n" is the size of the sample they were made on.
        about: whatever else is known: source, licence, versions.
    """

    name: str
    n: int
    smiles: frozenset[str]
    edm_smiles: frozenset[str]
    census: tuple[np.ndarray, np.ndarray]
    scores: dict = field(default_factory=dict)
    about: dict = field(default_factory=dict)

    @cached_property
    def neighbours(self) -> Neighbours:
        """Fingerprints of all its molecules; four seconds for 100,000."""
        return Neighbours(sorted(self.smiles))

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write one compressed .npz, the same bytes for the same reference.

        Raises:
            UserError: it exists already or cannot be written.
        """
        about = {"format": FORMAT, "name": self.name, "n": self.n, "scores": self.scores, "about": self.about}
        parts = {
            "about": json.dumps(about, sort_keys=True).encode(),
            "smiles": "\n".join(sorted(self.smiles)).encode(),
            "edm_smiles": "\n".join(sorted(self.edm_smiles)).encode(),
            "codes": np.diff(self.census[0], prepend=0).astype("<i8").tobytes(),  # sorted: small steps pack well
            "counts": self.census[1].astype("<i8").tobytes(),
        }
        packed = {name: np.frombuffer(_pack(content), dtype=np.uint8) for name, content in parts.items()}
        with whole(path, overwrite) as temporary:
            np.savez(temporary, **packed)

    @classmethod
    def load(cls, path: str | Path) -> "Reference":
        """Read what `save` wrote.

        Raises:
            UserError: no such file, or it is not a reference.
        """
        try:
            arrays = read_arrays(path)
            parts = {name: _unpack(arrays[name].tobytes()) for name in _PARTS}
            about = json.loads(parts["about"])
            if about["format"] != FORMAT:
                raise UserError(
                    f"{path} was written by another version of scidiff. Build it again from the training set."
                )
            census = np.cumsum(np.frombuffer(parts["codes"], "<i8")), np.frombuffer(parts["counts"], "<i8")
            texts = (frozenset(parts[name].decode().split()) for name in ("smiles", "edm_smiles"))
            return cls(str(about["name"]), int(about["n"]), *texts, census, dict(about["scores"]), dict(about["about"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, MemoryError, lzma.LZMAError) as error:
            raise UserError(f"{path} is not a reference for evaluation. Build one from the training set.") from error


def _pack(content: bytes) -> bytes:
    return lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)


def _unpack(content: bytes) -> bytes:
    """Up to LARGEST bytes: a few kilobytes of LZMA can stand for gigabytes."""
    unpacker = lzma.LZMADecompressor()
    found = unpacker.decompress(content, LARGEST)
    if not unpacker.eof:
        raise ValueError("it does not end")
    return found
