"""Between `Molecule` and RDKit: nothing added silently, nothing repaired silently.

A `Molecule` states every hydrogen, charge and bond, so its RDKit twin carries NoImplicit on every atom: RDKit can
neither add hydrogens nor hide a missing one (it shows as a radical). Chirality and double-bond geometry are read
from the coordinates, never from labels.
"""

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdchem

from scidiff.molecules.molecule import Molecule
from scidiff.molecules.vocabulary import element_symbol
from scidiff.store.errors import UserError

MOST_CHARGE = 15  # as SDF has it
MOST_ATOMS = 32767  # atoms of a bond are numbered in 16 bits
_TYPES = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
_ORDERS = {bond_type: order for order, bond_type in _TYPES.items()}


class Unsound(Exception):
    """A molecule that chemistry forbids; the message is the reason in a chemist's words, atoms counted from 1."""


def bare(molecule: Molecule) -> Chem.RWMol:
    """The atoms, charges and coordinates of a molecule as an RDKit molecule without any bond."""
    mol = Chem.RWMol()
    for number, charge in zip(molecule.numbers, molecule.charges, strict=True):
        atom = Chem.Atom(int(number))
        atom.SetFormalCharge(int(charge))
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    conformer = Chem.Conformer(len(molecule))
    conformer.SetPositions(np.ascontiguousarray(molecule.positions, dtype=np.float64))
    conformer.Set3D(True)
    mol.AddConformer(conformer)
    return mol


def to_rdkit(molecule: Molecule) -> Chem.Mol:
    """The molecule as RDKit sees it before any check: explicit hydrogens, Kekule bonds, one conformer, not sanitised.

    The name and the properties travel along.

    Raises:
        UserError: its bonds are unknown.
    """
    if molecule.bonds is None:
        raise UserError(f"The bonds of {molecule.name or 'the molecule'} are unknown; perceive them from its geometry.")
    mol = bare(molecule)
    for i, j, order in np.asarray(molecule.bonds).tolist():
        mol.AddBond(i, j, _TYPES[order])
    mol.SetProp("_Name", molecule.name)
    for key, value in molecule.properties.items():
        mol.SetProp(str(key), str(value))
    return mol.GetMol()


def from_rdkit(mol: Chem.Mol, add_hydrogens: bool = False) -> Molecule:
    """A molecule from RDKit, in Kekule form; isotopes, radicals and labels of stereochemistry are left behind.

    Args:
        mol: with a 3D conformer; sanitised or not.
        add_hydrogens: also place the hydrogens RDKit counts as implicit (the molecule must be sanitised).

    Raises:
        UserError: it has no 3D conformer.
        Unsound: an aromatic ring has no Kekule form, an atom or a bond is of a kind we do not know, or the atoms or
            their charges are too many.
    """
    if not mol.GetNumConformers():
        raise UserError("The molecule has no coordinates; embed it in 3D first.")
    if mol.GetNumAtoms() > MOST_ATOMS:
        raise Unsound(f"it has {mol.GetNumAtoms():,} atoms; a molecule may have {MOST_ATOMS:,}")
    mol = kekulised(Chem.AddHs(mol, addCoords=True) if add_hydrogens else mol)
    atoms = list(mol.GetAtoms())
    numbers = np.array([atom.GetAtomicNum() for atom in atoms])
    if strange := np.flatnonzero((numbers < 1) | (numbers > 118)).tolist():
        place = strange[0]
        raise Unsound(f"atom {place + 1} ({element_symbol(numbers[place])}) is not a chemical element")
    charges = np.array([atom.GetFormalCharge() for atom in atoms])
    if strange := np.flatnonzero(np.abs(charges) > MOST_CHARGE).tolist():
        raise Unsound(f"atom {strange[0] + 1} has the charge {charges[strange[0]]:+d}")
    properties = {key: mol.GetProp(key) for key in mol.GetPropNames()}
    return Molecule(
        numbers=numbers.astype(np.uint8),
        positions=mol.GetConformer().GetPositions().astype(np.float32),
        charges=charges.astype(np.int8),
        bonds=_bonds(mol),
        name=mol.GetProp("_Name") if mol.HasProp("_Name") else "",
        properties=properties,
    )


def kekulised(mol: Chem.Mol) -> Chem.Mol:
    """A copy with alternating single and double bonds in place of aromatic ones; the molecule itself if it has none.

    Raises:
        Unsound: it has no Kekule form.
    """
    if not any(bond.GetIsAromatic() or bond.GetBondType() == Chem.BondType.AROMATIC for bond in mol.GetBonds()):
        return mol
    mol = Chem.Mol(mol)
    try:
        with rdBase.BlockLogs():
            mol.UpdatePropertyCache(strict=False)
            Chem.FastFindRings(mol)
            Chem.Kekulize(mol, clearAromaticFlags=True)
    except rdchem.MolSanitizeException as error:
        raise Unsound(_reason(mol, error)) from error
    return mol


def _bonds(mol: Chem.Mol) -> np.ndarray:
    """(m, 3) int16 rows (i, j, order), i < j, in ascending order."""
    rows = []
    for bond in mol.GetBonds():
        i, j = sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))
        if bond.GetBondType() not in _ORDERS:
            kind = str(bond.GetBondType()).lower()
            raise Unsound(f"the bond between atoms {i + 1} and {j + 1} is {kind}; it must be single, double or triple")
        rows.append((i, j, _ORDERS[bond.GetBondType()]))
    return np.array(sorted(rows), dtype=np.int16).reshape(-1, 3)


def sanitise(mol: Chem.Mol) -> Chem.Mol:
    """A sanitised copy, its stereochemistry read from the coordinates if it has any.

    Raises:
        Unsound: valences or aromatic rings that cannot be.
    """
    mol = Chem.Mol(mol)
    try:
        with rdBase.BlockLogs():
            Chem.SanitizeMol(mol)
    except rdchem.MolSanitizeException as error:
        raise Unsound(_reason(mol, error)) from error
    if mol.GetNumConformers():
        Chem.AssignStereochemistryFrom3D(mol)
    return mol


def canonical_smiles(mol: Chem.Mol, hydrogens: bool = False, stereo: bool = True) -> str:
    """Canonical SMILES of a sanitised molecule.

    Args:
        mol: sanitised.
        hydrogens: keep every hydrogen as an atom of its own.
        stereo: write chirality and double-bond geometry.
    """
    if not hydrogens:
        with rdBase.BlockLogs():
            mol = Chem.RemoveHs(mol)
    return Chem.MolToSmiles(mol, isomericSmiles=stereo)


def radicals(mol: Chem.Mol) -> int:
    """Number of unpaired electrons of a sanitised molecule: what missing hydrogens leave behind."""
    return sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())


def _reason(mol: Chem.Mol, error: rdchem.MolSanitizeException) -> str:
    """RDKit's complaint as a chemist would say it."""
    cause = error.cause
    if isinstance(error, rdchem.KekulizeException):
        atoms = ", ".join(str(i + 1) for i in cause.GetAtomIndices())
        return f"cannot kekulise the aromatic atoms {atoms}"
    if not hasattr(cause, "GetAtomIdx"):
        return str(error)
    atom = mol.GetAtomWithIdx(cause.GetAtomIdx())
    place = f"atom {atom.GetIdx() + 1} ({element_symbol(atom.GetAtomicNum())})"
    if isinstance(error, rdchem.AtomValenceException):
        charge = f" with charge {atom.GetFormalCharge():+d}" if atom.GetFormalCharge() else ""
        total = sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds())
        return f"valence of {place}{charge}: its bonds sum to {total:g}, more than it can carry"
    return f"{place} is marked aromatic outside a ring"
