"""Making a `Reference` from a training set."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

import numpy as np

from scidiff.molecules.evaluate.census import Census
from scidiff.molecules.evaluate.pool import judge_all
from scidiff.molecules.evaluate.reference import Reference
from scidiff.molecules.evaluate.score import evaluate
from scidiff.molecules.molecule import Molecule
from scidiff.store.errors import UserError

_OF_ITSELF = ("edm/novelty", "novelty/novelty", "novelty/valid_unique_novel", "novelty/tanimoto")


def build(
    molecules: Collection[Molecule],
    name: str,
    sample: int = 10_000,
    seed: int = 0,
    processes: int = 1,
    progress: Callable[[int], None] | None = None,
    about: dict | None = None,
) -> Reference:
    """Boil a training set down.

    Args:
        molecules: the whole training set, bonds known; gone through twice.
        name: what to call it.
        sample: how many molecules, drawn at random, are scored under every protocol.
        seed: of that draw.
        processes: as `evaluate`'s.
        progress: called with the number of molecules dealt with so far, of len(molecules) + the sample's.
        about: anything to keep: source, licence.

    Raises:
        UserError: there are no molecules.
    """
    if not len(molecules):
        raise UserError(f"There are no molecules to build the reference '{name}' from.")
    smiles, edm_smiles, census = set(), set(), Census()
    for done, judgement in enumerate(judge_all(molecules, ("novelty", "edm"), processes), start=1):
        smiles.add(judgement.facts.get("novelty/smiles", ""))
        edm_smiles.add(judgement.facts.get("edm/smiles", ""))
        census.add(judgement.codes)
        if progress:
            progress(done)
    texts = (frozenset(each - {""}) for each in (smiles, edm_smiles))
    bare = Reference(name, len(molecules), *texts, census.counted(), {}, about or {})
    return _scored(bare, molecules, sample, seed, processes, progress)


def _scored(bare: Reference, molecules, sample: int, seed: int, processes: int, progress) -> Reference:
    """The same reference with its own scores; novelty against itself says nothing and is left out."""
    further = (lambda done: progress(len(molecules) + done)) if progress else None
    found = evaluate(_drawn(molecules, sample, seed), bare, processes=processes, progress=further)
    figures = {key: value for key, value in found.items() if isinstance(value, float)}
    scores = {key: value for key, value in figures.items() if not key.startswith(_OF_ITSELF)}
    about = bare.about | {"versions": found["versions"], "seed": seed}
    return replace(bare, scores=scores | {"n": found["n"]}, about=about)


def _drawn(molecules: Collection[Molecule], sample: int, seed: int) -> Iterator[Molecule]:
    """A random sample, in the set's own order."""
    drawn = np.zeros(len(molecules), dtype=bool)
    drawn[np.random.default_rng(seed).permutation(len(molecules))[:sample]] = True
    return (molecule for molecule, chosen in zip(molecules, drawn, strict=True) if chosen)
