"""A candidate becomes a structure in space: hydrogens where they are missing, conformers where there are none.

Conformers are embedded by ETKDGv3 and relaxed with MMFF94 (UFF for atoms that it does not know), each from a seed that
follows from the molecule alone, so that they are the same in any order and on any number of processes. Given
coordinates are kept; hydrogens added to them are relaxed while all else stands still.

Wang, Witek, Landrum, Riniker: J. Chem. Inf. Model. 60, 2044 (2020), https://doi.org/10.1021/acs.jcim.0c00025.
"""

from dataclasses import dataclass, replace

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from scidiff.molecules.chemistry import Unsound, canonical_smiles, from_rdkit, sanitise, to_rdkit
from scidiff.molecules.files import Broken
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.prepare.policy import Policy
from scidiff.molecules.prepare.screen import Candidate, number

GIVEN, HYDROGENS, CONFORMER = 0, 1, 2
"""What was made of a structure: nothing, its hydrogens, all of it."""

_APART = 0.5  # Angstrom between heavy atoms of two conformers that both count
_ITERATIONS = 2000
_TITLE = 80  # letters of a name that are kept: every name takes as much space as the longest


@dataclass(frozen=True)
class Structure:
    """A finished molecule: its SMILES as the coordinates say it, the record it is of, and what was made of it."""

    molecule: Molecule
    smiles: str
    origin: Candidate
    made: int


@dataclass(frozen=True)
class Outcome:
    """What became of a record: structures, or the reason that there are none.

    `keys` stand for the candidate's SMILES, one for each structure that it may give; none if it was left out before.
    """

    structures: tuple[Structure, ...] = ()
    dropped: Broken | None = None
    keys: tuple[int, ...] = ()


def build(candidate: Candidate | Broken, policy: Policy) -> Outcome:
    """The structures of a candidate, or why there are none."""
    if isinstance(candidate, Broken):
        return Outcome(dropped=candidate)
    try:
        with rdBase.BlockLogs():
            mol, made = _in_space(Chem.Mol(candidate.mol), policy, number(candidate.smiles))
            structures = tuple(_structure(mol, place, candidate, made) for place in _places(mol))
        return Outcome(structures, keys=keys(candidate, policy.conformers))
    except Unsound as error:
        return failed(candidate, policy, str(error))
    except (RuntimeError, ValueError) as error:  # RDKit, of something that nobody has thought of
        return failed(candidate, policy, f"RDKit gave up: {' '.join(str(error).split())[:200]}")


def keys(candidate: Candidate, conformers: int) -> tuple[int, ...]:
    """One for each structure that a candidate may give."""
    return (number(candidate.smiles),) * (1 if candidate.given else conformers)


def failed(candidate: Candidate | Broken, policy: Policy, reason: str) -> Outcome:
    """The outcome of a record that gives no structure."""
    if isinstance(candidate, Broken):
        return Outcome(dropped=candidate)
    return Outcome(dropped=candidate.dropped(reason), keys=keys(candidate, policy.conformers))


def _in_space(mol: Chem.Mol, policy: Policy, key: int) -> tuple[Chem.Mol, int]:
    """The molecule with all its hydrogens and at least one conformer, and what was made of it."""
    given = mol.GetNumConformers() > 0
    full = Chem.AddHs(mol, addCoords=given)
    if not given:
        return _embedded(full, policy, key), CONFORMER
    if full.GetNumAtoms() == mol.GetNumAtoms():
        return mol, GIVEN
    return _settled(full, mol.GetNumAtoms()), HYDROGENS


def _embedded(mol: Chem.Mol, policy: Policy, key: int) -> Chem.Mol:
    """The molecule with relaxed conformers, the lowest in energy of those made, each of the input's stereochemistry."""
    wanted = policy.conformers
    asked = rdDistGeom.ETKDGv3()
    asked.randomSeed = (key ^ policy.seed) % (1 << 31)
    asked.timeout = max(1, int(policy.seconds / 2))
    asked.pruneRmsThresh = _APART if wanted > 1 else -1.0
    mol, blank = Chem.Mol(mol), mol
    found = list(rdDistGeom.EmbedMultipleConfs(mol, wanted if wanted == 1 else 2 * wanted, asked))
    if not found:
        asked.useRandomCoords = True
        found = list(rdDistGeom.EmbedMultipleConfs(mol, wanted, asked))
    if not found:
        raise Unsound(f"no conformer: none could be embedded within {policy.seconds:g} s")
    energies = [energy for _, energy in _relaxed(mol)]  # which leaves MMFF's notion of aromatic rings in `mol`
    best = [Chem.Conformer(mol.GetConformer(found[k])) for k in np.argsort(energies)[:wanted]]
    return _alike(blank, best)


def _relaxed(mol: Chem.Mol) -> list[tuple[int, float]]:
    """Relax every conformer in place; (0 if it settled, energy in kcal/mol) of each."""
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        return list(rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(mol, maxIters=_ITERATIONS))
    if rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
        return list(rdForceFieldHelpers.UFFOptimizeMoleculeConfs(mol, maxIters=_ITERATIONS))
    raise Unsound("no force field: neither MMFF94 nor UFF knows all its atoms")


def _alike(mol: Chem.Mol, conformers: list[Chem.Conformer]) -> Chem.Mol:
    """The molecule with those of the conformers that have the stereochemistry which it is said to have."""
    found = Chem.Mol(mol)
    for conformer in conformers:
        seen = Chem.Mol(mol)
        seen.AddConformer(conformer)
        Chem.AssignStereochemistryFrom3D(seen)
        if seen.HasSubstructMatch(mol, useChirality=True):
            found.AddConformer(conformer, assignId=True)
    if not found.GetNumConformers():
        raise Unsound("no conformer: those found have another stereochemistry")
    return found


def _settled(mol: Chem.Mol, first: int) -> Chem.Mol:
    """Relax the atoms from `first` on, which are added hydrogens; all others stand still."""
    helpers, properties = rdForceFieldHelpers, rdForceFieldHelpers.MMFFGetMoleculeProperties(Chem.Mol(mol))
    field = helpers.MMFFGetMoleculeForceField(mol, properties) if properties else None
    field = field or (helpers.UFFGetMoleculeForceField(mol) if helpers.UFFHasAllMoleculeParams(mol) else None)
    if field is None:
        raise Unsound("no force field: neither MMFF94 nor UFF knows all its atoms")
    field.Initialize()
    for atom in range(first):
        field.AddFixedPoint(atom)
    field.Minimize(maxIts=_ITERATIONS)
    return mol


def _places(mol: Chem.Mol) -> list[int]:
    return [conformer.GetId() for conformer in mol.GetConformers()]


def _structure(mol: Chem.Mol, place: int, candidate: Candidate, made: int) -> Structure:
    """One conformer, and the SMILES that its coordinates give."""
    if not np.isfinite(mol.GetConformer(place).GetPositions()).all():
        raise Unsound("no conformer: its coordinates ran away")
    molecule = replace(from_rdkit(Chem.Mol(mol, confId=place)), name=candidate.name[:_TITLE], properties={})
    return Structure(molecule, canonical_smiles(sanitise(to_rdkit(molecule))), replace(candidate, mol=b""), made)
