"""Does a generator repeat its training molecules more than fresh molecules of the same law would?

T the training molecules, H those held out of the same data, G the distinct sound molecules generated; molecules are the
same when their canonical SMILES without stereo are. Nobody can ask a finite set for a fresh draw, so H plays that part
in three ways, and what is in both T and H is left out:

    graphs        G meets k of T and l of H. A generator that knows the law but not which molecules were held out meets
                  them in proportion to |T| and |H|, be its law as narrow as it may.
    coordinates   the same of those met to COPY Angstrom: RMSD of the heavy atoms to a conformer in the data, aligned,
                  symmetry and mirror image allowed for. And: are the RMSD of those in T smaller than of those in H?
    neighbours    Morgan similarity to the nearest in T of what in G is not in T, beside that of as many in H, of the
                  same numbers of heavy atoms where there are: nearest neighbours against a held-out control, after
                  Meehan et al. 2020 (https://arxiv.org/abs/2004.05675) and Alaa et al. 2022
                  (https://arxiv.org/abs/2102.08921). G in T is counted above: data sets hold no molecule twice, so
                  nothing of H could ever be as near.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdMolAlign

from scidiff.molecules.chemistry import canonical_smiles
from scidiff.molecules.crew import Job, work
from scidiff.molecules.evaluate import strict
from scidiff.molecules.evaluate.judge import lean
from scidiff.molecules.evaluate.subject import Subject
from scidiff.molecules.evaluate.tanimoto import Neighbours
from scidiff.molecules.molecule import Molecule
from scidiff.store.errors import UserError
from scidiff.store.nearer import Hits, Nearer, hits, nearer

COPY = 0.1  # Angstrom; what is left when a structure is relaxed twice
_PATIENCE = 60.0  # seconds a molecule may take
_CONFORMERS = 20  # of one molecule in the data that are looked at
_MATCHES = 2000  # ways to lay a molecule on itself that are tried

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Known:
    """A set of molecules by their graphs.

    Attributes:
        name: what to call it.
        rows: canonical SMILES without stereo -> which molecules have it.
        molecule: number -> Molecule; none where no coordinates are at hand.
    """

    name: str
    rows: Mapping[str, Sequence[int]]
    molecule: Callable[[int], Molecule] | None = None

    @classmethod
    def of(
        cls,
        name: str,
        molecules: Sequence[object],
        texts: Iterable[str] | None = None,
        processes: int = 1,
        progress: Progress | None = None,
    ) -> "Known":
        """Find every molecule's graph; those that are not sound are left out.

        Args:
            molecules: Molecules, or what stands for records that could not be read.
            texts: their SMILES, where they are known: read ten times as fast as a structure, in this process.
            processes: as `scidiff.molecules.crew.work`.
            progress: called with the number done so far.
        """
        rows: dict[str, list[int]] = defaultdict(list)
        job = Job(f"{__name__}:graph", None, _nothing, _PATIENCE)
        graphs = work(job, map(lean, molecules), processes) if texts is None else map(graph, texts)
        for number, smiles in enumerate(graphs):
            if smiles:
                rows[smiles].append(number)
            if progress:
                progress(number + 1)
        return cls(name, rows, lambda number: molecules[number])

    @cached_property
    def neighbours(self) -> Neighbours:
        """Fingerprints of all."""
        return Neighbours(self.rows)

    def nearest(self, smiles: str) -> float:
        """Similarity of the nearest; exactly 1 for what is in the set."""
        return 1.0 if smiles in self.rows else self.neighbours.nearest(smiles)

    def conformers(self, smiles: str) -> list[Molecule]:
        """Its structures, _CONFORMERS at most."""
        if self.molecule is None:
            return []
        return [replace(self.molecule(row), properties={}) for row in self.rows.get(smiles, ())[:_CONFORMERS]]


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        sound, distinct: molecules generated that are strictly sound, and how many different ones.
        identical: share of the distinct ones whose graph is in the training set.
        control_identical: the same of the held-out set.
        graphs, copies: training molecules met beside held-out ones; `copies` with their coordinates, none where the
            data's are not known.
        rmsd: whether those in training are met more closely; none where nothing is to be compared.
        distances: RMSD in Angstrom to the nearest conformer, of those in training and of those held out.
        neighbours: whether the new ones are nearer to training than held-out ones are; none without new ones.
        nearest: similarity to the nearest in training of the new ones and of the held-out ones beside them.
    """

    sound: int
    distinct: int
    identical: float
    control_identical: float
    graphs: Hits
    copies: Hits | None
    rmsd: Nearer | None
    distances: tuple[np.ndarray, np.ndarray]
    neighbours: Nearer | None
    nearest: tuple[np.ndarray, np.ndarray]


def audit(
    generated: Known, train: Known, held: Known, processes: int = 1, progress: Progress | None = None, seed: int = 0
) -> Audit:
    """Hold generated molecules against training and held-out ones.

    Args:
        processes: for laying molecules on one another.
        progress: called with the number of neighbours looked for so far.
        seed: of the draw among held-out molecules.

    Raises:
        UserError: no sound molecule generated, or none in training or held out that the other set lacks.
    """
    made = set(generated.rows)
    in_train, in_held = (set(one.rows) - set(other.rows) for one, other in ((train, held), (held, train)))
    _check(generated, train, held, in_train, in_held)
    met = [sorted(made & part) for part in (in_train, in_held)]
    new = sorted(made - set(train.rows))
    distances = [_distances(generated, data, each, processes) for data, each in zip((train, held), met, strict=True)]
    near = [_nearest(train, each, progress) for each in (new, matched(new, sorted(in_held), seed))]
    told = train.molecule is not None and held.molecule is not None
    closer = nearer(-distances[0], -distances[1]) if all(map(len, distances)) else None
    return Audit(
        sound=sum(map(len, generated.rows.values())),
        distinct=len(made),
        identical=len(made & set(train.rows)) / len(made),
        control_identical=1 - len(in_held) / len(held.rows),
        graphs=hits(len(met[0]), len(met[1]), len(in_train), len(in_held)),
        copies=hits(*((d < COPY).sum().item() for d in distances), len(in_train), len(in_held)) if told else None,
        rmsd=closer,
        distances=(distances[0], distances[1]),
        neighbours=nearer(*near) if all(map(len, near)) else None,
        nearest=(near[0], near[1]),
    )


def matched(asked: Sequence[str], control: Sequence[str], seed: int = 0) -> list[str]:
    """As many control molecules as were asked for, drawn without repeats, each as large as one of these.

    Where no control molecule of a size is left, the nearest size serves; where none is left at all, fewer come back.
    """
    pools: dict[int, list[str]] = defaultdict(list)
    for k in np.random.default_rng(seed).permutation(len(control)):
        pools[_size(control[k])].append(control[k])
    found = []
    for size in map(_size, asked[: len(control)]):
        nearest = min(pools, key=lambda other: (abs(other - size), other))
        found.append(pools[nearest].pop())
        if not pools[nearest]:
            del pools[nearest]
    return found


def graph(record: object, setup: None = None) -> str:
    """Canonical SMILES without stereo of a Molecule or of a SMILES; empty where it is not strictly sound."""
    with rdBase.BlockLogs():
        if isinstance(record, str):
            mol = Chem.MolFromSmiles(record)
            if mol is None:
                return ""
            Chem.RemoveStereochemistry(mol)  # else the hydrogen of [H]/N=C stays an atom
            return canonical_smiles(mol, stereo=False)
        if not isinstance(record, Molecule) or not len(record) or record.bonds is None:
            return ""
        subject = Subject(record)
        return "" if strict.reason(subject) else canonical_smiles(subject.sound, stereo=False)


def distance(pair: tuple[Sequence[Molecule], Sequence[Molecule]], setup: None = None) -> float:
    """Least RMSD of the heavy atoms, Angstrom, between structures of one molecule; infinite where none can be told."""
    ours, theirs = ([_heavy(each) for each in side] for side in pair)
    found = [_rmsd(mol, other) for mol in ours for other in theirs]
    return min(found, default=float("inf"))


def _rmsd(mol: Chem.Mol, other: Chem.Mol) -> float:
    mirror = Chem.Mol(mol)
    mirror.GetConformer().SetPositions(mol.GetConformer().GetPositions() * [1.0, 1.0, -1.0])
    try:
        return min(rdMolAlign.GetBestRMS(Chem.Mol(each), other, maxMatches=_MATCHES) for each in (mol, mirror))
    except RuntimeError:  # RDKit finds no way to lay one on the other
        return float("inf")


def _heavy(molecule: Molecule) -> Chem.Mol:
    with rdBase.BlockLogs():
        return Chem.RemoveHs(Subject(molecule).sound)


def _distances(generated: Known, data: Known, met: Collection[str], processes: int) -> np.ndarray:
    """(k,) least RMSD of each molecule met; empty where coordinates are missing."""
    if generated.molecule is None or data.molecule is None:
        return np.empty(0)
    pairs = ((generated.conformers(smiles), data.conformers(smiles)) for smiles in met)
    job = Job(f"{__name__}:distance", None, lambda *_: float("inf"), _PATIENCE)
    return np.array(list(work(job, pairs, processes)), dtype=float)


def _nearest(train: Known, asked: Sequence[str], progress: Progress | None) -> np.ndarray:
    found = np.zeros(len(asked))
    for k, smiles in enumerate(asked):
        found[k] = train.nearest(smiles)
        if progress:
            progress(k + 1)
    return found[np.isfinite(found)]


def _size(smiles: str) -> int:
    """Heavy atoms."""
    with rdBase.BlockLogs():
        return Chem.MolFromSmiles(smiles).GetNumHeavyAtoms()


def _nothing(record: object, what: str) -> str:
    """The graph of a record that was given up."""
    return ""


def _check(generated: Known, train: Known, held: Known, in_train: set[str], in_held: set[str]) -> None:
    if not generated.rows:
        raise UserError(f"{generated.name} holds no sound molecule with bonds; there is nothing to audit.")
    if not in_train:
        raise UserError(f"{train.name} holds no sound molecule that {held.name} lacks; the two must differ.")
    if not in_held:
        raise UserError(
            f"{held.name} holds no sound molecule that {train.name} lacks; a control is what was not trained on."
        )
