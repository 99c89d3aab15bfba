"""Bonds and formal charges from geometry alone.

First which atoms are bonded, then how: pairs closer than EDM's single-bond limit (`distances`) are joined, then
RDKit's rdDetermineBonds (xyz2mol) spreads orders and charges so that valences and the total charge come out right.
Where that fails, or gives loose fragments or charges, RDKit's own connectivity is asked: pairs closer than f times
the sum of their covalent radii, for a few factors f. Strained cages want a small f, stretched bonds a large one.

Kim, Kim: Bulletin of the Korean Chemical Society 36, 1769 (2015), https://doi.org/10.1002/bkcs.10334.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import GetPeriodicTable, rdDetermineBonds
from scipy.spatial import KDTree

from scidiff.molecules.chemistry import Unsound, bare, from_rdkit
from scidiff.molecules.distances import bond_orders, has_limit, pair_distances
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.resonance import recombined

FACTORS = (1.3, 1.25, 1.2, 1.15, 1.35)
MOST_ATOMS = 1000  # all pairs are looked at
MOST_TRIALS = 2000  # of valence combinations: a tangle of unsaturated atoms would otherwise take hours
_NEAREST = 12  # atoms around each that may be its nearest by radii
_RADII = np.array([0.0] + [GetPeriodicTable().GetRcovalent(number) for number in range(1, 119)])


def perceive(molecule: Molecule, charge: int = 0) -> Molecule:
    """The molecule with bonds and formal charges derived from its geometry; what it said of them is ignored.

    Of the readings that succeed, less charges that a shift of double bonds makes vanish (`resonance`), the one in
    fewest pieces and, among those, with fewest charged atoms is taken; the first of equals.

    Args:
        molecule: with all its hydrogens.
        charge: total charge the formal charges must sum to.

    Raises:
        Unsound: no assignment of bonds fits the geometry, or there are too many atoms.
    """
    if len(molecule) > MOST_ATOMS:
        raise Unsound(f"it has {len(molecule):,} atoms; bonds are perceived for up to {MOST_ATOMS:,}")
    best, least = None, (np.inf, np.inf)
    for mol in readings(molecule, charge):
        reading = recombined(adopt(molecule, mol))
        oddity = (len(Chem.GetMolFrags(mol)), np.count_nonzero(reading.charges))
        if oddity < least:
            best, least = reading, oddity
        if least == (1, 0):  # in one piece and without charged atoms, as most molecules are
            break
    if best is None:
        raise Unsound(f"no bonds and formal charges summing to {charge} fit its geometry")
    return best


def readings(molecule: Molecule, charge: int = 0) -> Iterator[Chem.Mol]:
    """Every reading of the geometry that succeeds, in order of trust: sanitised, with stereochemistry from 3D."""
    blank = replace(molecule, charges=np.zeros(len(molecule), dtype=np.int8), bonds=None)
    for skeleton in _skeletons(blank):
        try:
            with rdBase.BlockLogs():
                rdDetermineBonds.DetermineBondOrders(skeleton, charge=charge, maxIterations=MOST_TRIALS)
        except (ValueError, RuntimeError):  # what xyz2mol says when valences, charge or patience run out
            continue
        yield skeleton


def adopt(molecule: Molecule, mol: Chem.Mol) -> Molecule:
    """The molecule with the bonds and charges of one of its readings; coordinates, name and properties stay."""
    reading = from_rdkit(mol)
    return replace(molecule, charges=reading.charges, bonds=reading.bonds)


def neighbour_ratios(molecule: Molecule) -> np.ndarray:
    """(n,) distance of each atom to its nearest neighbour over the sum of their covalent radii: about 1 in Angstrom."""
    positions = np.asarray(molecule.positions, dtype=np.float64)
    count = min(_NEAREST, len(positions))
    apart, other = KDTree(positions, balanced_tree=False).query(positions, k=np.arange(1, count + 1))
    radii = _RADII[np.asarray(molecule.numbers, dtype=np.int64)]
    apart[other == np.arange(len(positions))[:, None]] = np.inf  # itself
    return (apart / (radii[:, None] + radii[other])).min(axis=1)


def _ratios(molecule: Molecule) -> np.ndarray:
    """(n, n) distances over sums of covalent radii."""
    radii = _RADII[np.asarray(molecule.numbers, dtype=np.int64)]
    return pair_distances(molecule.positions) / (radii[:, None] + radii[None, :])


def _skeletons(molecule: Molecule) -> Iterator[Chem.RWMol]:
    """The atoms joined by single bonds, in one way after another."""
    ratios = _ratios(molecule)
    if not _table_is_silent(molecule, ratios):
        yield _joined(molecule, bond_orders(molecule.numbers, molecule.positions) > 0)
    for factor in FACTORS:
        yield _joined(molecule, ratios < factor)


def _table_is_silent(molecule: Molecule, ratios: np.ndarray) -> bool:
    """Whether two atoms lie close whose elements EDM's table does not know together (a B-C bond, say)."""
    return bool(((ratios < FACTORS[0]) & ~has_limit(molecule.numbers)).any())


def _joined(molecule: Molecule, bonded: np.ndarray) -> Chem.RWMol:
    """The bare atoms with a single bond wherever `bonded` (n, n) says so."""
    skeleton = bare(molecule)
    for i, j in np.argwhere(np.triu(bonded, k=1)).tolist():
        skeleton.AddBond(i, j, Chem.BondType.SINGLE)
    return skeleton
