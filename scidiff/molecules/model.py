"""A model of molecules: network, processes and how to sample, built from one configuration and kept in one file."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scidiff.engine.denoiser import NetworkDenoiser
from scidiff.engine.noise import Noise
from scidiff.engine.plan import Plan
from scidiff.engine.precision import fast_precision
from scidiff.engine.process import Process
from scidiff.engine.state import State
from scidiff.molecules.adopt import adopted
from scidiff.molecules.batch import Codec
from scidiff.molecules.lanes import side_by_side
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.sizes import SizeHistogram
from scidiff.molecules.vocabulary import Vocabulary
from scidiff.store.build import MODEL_ALLOWED, build
from scidiff.store.errors import UserError
from scidiff.store.model import save_model
from scidiff.store.weights import packed, revived

LEAD = "positions"  # the part whose noise the walk follows
WINDOW = 2048  # samples that are sorted by size together; more of them never wait in memory


@dataclass(frozen=True)
class MoleculeModel:
    """What generates molecules.

    Attributes:
        denoiser: the network in its wrapper.
        codec: molecules <-> states.
        sizes: how many atoms a molecule has.
        plan: the sampling that the model was judged with.
        header: everything known of the model, as in its file.
    """

    denoiser: NetworkDenoiser
    codec: Codec
    sizes: SizeHistogram
    plan: Plan
    header: Mapping[str, Any]

    @classmethod
    def create(cls, header: Mapping[str, Any]) -> "MoleculeModel":
        """Build from a header's `config` (network, process, parameterization, sampler), `vocabulary`, `scale`, `sizes`.

        Raises:
            UserError: something is missing, or names a class that a model file may not name.
        """
        try:
            config, words = header["config"], header["vocabulary"]
            vocabulary = Vocabulary(tuple(words["elements"]), tuple(words["charges"]), words["bonds"])
            sizes = SizeHistogram({int(n): int(count) for n, count in header["sizes"].items()})
            parts = {key: build(config[key], MODEL_ALLOWED) for key in ("network", "process", "parameterization")}
            plan = build(config["sampler"], MODEL_ALLOWED)
            codec = Codec(vocabulary, float(header["scale"]))
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise UserError(f"The model's header is incomplete: {error}.") from error
        denoiser = NetworkDenoiser(parts["network"], parts["process"], parts["parameterization"], fast_precision())
        return cls(denoiser, codec, sizes, plan, header)

    @classmethod
    def load(cls, path: str | Path) -> "MoleculeModel":
        """Read a model file.

        Raises:
            UserError: it is not a model of molecules, or its tensors do not fit its network.
        """
        return revived(path, "molecules", cls.create)

    def adopt(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> dict[str, Tensor]:
        """The weights of another model of molecules as this one has them: its elements, its unit of length.

        Raises:
            UserError: it measures lengths in another unit, and would see every molecule too large or too small.
        """
        its, own = MoleculeModel.create(header).codec, self.codec
        if not math.isclose(its.scale, own.scale, rel_tol=1e-3):
            units = f"Its unit of length is {its.scale:.4g} Angstrom, that of the data {own.scale:.4g}"
            raise UserError(f"{units}: set data.scale={its.scale:.6g} as well.")
        return adopted(tensors, getattr(self.network, "elements_on", {}), its.vocabulary, own.vocabulary)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the model file."""
        save_model(path, packed(self.network), dict(self.header), overwrite)

    @property
    def name(self) -> str:
        """What the model is called."""
        return str(self.header.get("name", "unnamed"))

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return self.denoiser.network  # type: ignore[return-value]

    @property
    def processes(self) -> Mapping[str, Process]:
        """The noise of each part."""
        return self.denoiser.processes

    def generate(self, n: int, seed: int = 0, **options: Any) -> list[Molecule]:
        """Draw n molecules; the options are those of `stream`."""
        return list(self.stream(n, seed, **options))

    def stream(
        self,
        n: int,
        seed: int = 0,
        batch: int = 128,
        sizes: int | list[int] | None = None,
        first: int = 0,
        progress: Callable[[int], None] | None = None,
        plan: Plan | None = None,
        **changes: Any,
    ) -> Iterator[Molecule]:
        """Draw molecules first, ..., first + n - 1 of the run named by `seed`, in this order.

        Args:
            n: how many.
            seed: sample i has the same noise in any batch.
            batch: molecules denoised together.
            sizes: atoms of every molecule, or one number each; drawn from the training set's histogram if none.
            progress: called with how many are done.
            plan: how to sample; the model's own plan if none.
            changes: what to change of the plan: steps, churn, eta, multistep, walk, ...

        Raises:
            UserError: n or batch below 1, a size below 1, sizes of another length, or a plan that cannot be.
        """
        sampler = self._plan(plan or self.plan, changes).sampler(self.processes, LEAD)
        atoms = self._sizes(n, seed, sizes, first, batch)

        def make(rows: np.ndarray, beat: Callable[..., None]) -> dict[int, Molecule]:
            state = self.codec.blank(int(atoms[rows[0]]), len(rows), self._device())
            noise = Noise.of(seed, torch.from_numpy(first + rows).to(self._device()))
            return dict(zip(rows.tolist(), self.codec.decode(self._sample(sampler, state, noise, beat)), strict=True))

        for start in range(0, n, WINDOW):
            end, made = min(start + WINDOW, n), {}
            batches = [start + rows for rows in batches_of_one_size(atoms[start:end], batch)]
            for some in side_by_side(make, batches, self._device()):
                made |= some
                if progress is not None:
                    progress(start + len(made))
            yield from (made[k] for k in range(start, end))

    def score(self, n: int, seed: int = 0) -> dict[str, float]:
        """How good molecules drawn now are, in figures by name."""
        from scidiff.molecules.evaluate import evaluate

        figures = evaluate(self.generate(n, seed=seed), None, protocols=("edm", "strict"))
        return {name: value for name, value in figures.items() if isinstance(value, int | float)}

    @torch.inference_mode()
    def _sample(self, sampler: Any, state: State, noise: Noise, beat: Callable[..., None]) -> State:
        return sampler(self.denoiser, state, noise, watch=beat)

    @staticmethod
    def _plan(plan: Plan, changes: Mapping[str, Any]) -> Plan:
        try:
            return replace(plan, **{key: value for key, value in changes.items() if value is not None})
        except (ValueError, TypeError) as error:
            raise UserError(f"These sampling settings cannot be: {error}.") from error

    def _sizes(self, n: int, seed: int, sizes: int | list[int] | None, first: int, batch: int) -> np.ndarray:
        if n < 1 or batch < 1:
            raise UserError(f"n and batch must be 1 or more, not {n} and {batch}.")
        if sizes is None:
            return self.sizes.draw(seed, np.arange(first, first + n))
        atoms = np.broadcast_to(np.asarray(sizes, dtype=np.int64), n) if np.size(sizes) in (1, n) else None
        if atoms is None or atoms.min() < 1:
            raise UserError(f"sizes must be one number of atoms, or {n} of them, each 1 or more.")
        return atoms

    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def batches_of_one_size(atoms: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Rows of equal size, the largest molecules first, at most `most` together."""
    for size in np.unique(atoms)[::-1]:
        rows = np.flatnonzero(atoms == size)
        yield from (rows[k : k + most] for k in range(0, len(rows), most))
