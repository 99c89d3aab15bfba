"""A raw record as one sound molecule within the policy, or why it is left out. Quick: nothing is built yet."""

import hashlib
from dataclasses import dataclass

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem.Scaffolds import MurckoScaffold

from scidiff.molecules.chemistry import Unsound, canonical_smiles, radicals, sanitise, to_rdkit
from scidiff.molecules.files import Broken
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.perceive import perceive
from scidiff.molecules.prepare.policy import Policy
from scidiff.molecules.prepare.source import Raw

_BONDS = (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE, Chem.BondType.AROMATIC)
SEVERAL = "several fragments"
_STRETCH = (0.6, 1.6)  # of the sum of covalent radii: beyond, a bond's length is not in Angstrom


@dataclass(frozen=True)
class Candidate:
    """A molecule that will do.

    Attributes:
        file, record, name: where it comes from.
        smiles: canonical, with the stereochemistry that is known.
        group: number of its scaffold, or of itself; see `Policy.split`.
        given: whether it has coordinates that are wanted.
        mol: RDKit's own bytes, with those coordinates.
    """

    file: str
    record: int
    name: str
    smiles: str
    group: int
    given: bool
    mol: bytes

    def dropped(self, reason: str) -> Broken:
        """The record, left out."""
        return Broken(self.record, self.name, reason, self.file)


def screen(raw: Raw | Broken, policy: Policy) -> Candidate | Broken:
    """The candidate of a record, or why there is none: "kind of reason: details"."""
    if isinstance(raw, Broken):
        return raw
    try:
        with rdBase.BlockLogs():
            mol = _plain(_organic(_read(raw), policy.fragments))
            _check(mol, policy)
            if policy.remake:
                mol.RemoveAllConformers()
            group = _scaffold(mol) if policy.split == "scaffold" else canonical_smiles(mol, stereo=False)
            facts = canonical_smiles(mol), number(group), bool(mol.GetNumConformers()), mol.ToBinary()
            return Candidate(raw.file, raw.record, raw.name, *facts)
    except Unsound as error:
        return Broken(raw.record, raw.name, str(error), raw.file)
    except (RuntimeError, ValueError) as error:  # RDKit, of something that nobody has thought of
        return Broken(raw.record, raw.name, f"RDKit gave up: {' '.join(str(error).split())[:200]}", raw.file)


def unscreened(raw: Raw | Broken, what: str) -> Broken:
    """A record that RDKit hung or crashed on."""
    return Broken(raw.record, raw.name, f"cannot be read: checking it {what}", raw.file)


def number(text: str) -> int:
    """A 63-bit number that stands for a text: equal texts, equal numbers."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def _read(raw: Raw) -> Chem.Mol:
    """Sanitised, its stereochemistry known; with a conformer only where that is a structure in space."""
    if raw.kind == "smiles":
        return _sound(Chem.MolFromSmiles(raw.content), Chem.MolFromSmiles(raw.content, sanitize=False), _unread(raw))
    if raw.kind == "block":
        mol = Chem.MolFromMolBlock(raw.content, removeHs=False)
        bare = mol or Chem.MolFromMolBlock(raw.content, sanitize=False, removeHs=False)
        return _in_space(_sound(mol, bare, "cannot be read: its connection table is damaged"))
    return _given(raw.content)


def _unread(raw: Raw) -> str:
    return (
        f"cannot be read: '{raw.content[:60]}' is no SMILES" if raw.content else "cannot be read: its SMILES is empty"
    )


def _sound(mol: Chem.Mol | None, bare: Chem.Mol | None, unread: str) -> Chem.Mol:
    """The molecule, or what chemistry has against it, or that it cannot be read at all."""
    if mol is not None and mol.GetNumAtoms():
        return mol
    if bare is None or not bare.GetNumAtoms():
        raise Unsound(unread)
    try:
        return sanitise(bare)
    except Unsound as error:
        raise Unsound(f"unsound: {error}") from error


def _in_space(mol: Chem.Mol) -> Chem.Mol:
    """Without its conformer if that is a drawing; stereochemistry is of the coordinates then, else of the wedges."""
    conformer = mol.GetConformer()
    if not np.isfinite(conformer.GetPositions()).all():
        raise Unsound("coordinates: they are not all finite numbers")
    if mol.GetNumAtoms() > 1 and conformer.Is3D() and conformer.GetPositions()[:, 2].any():
        Chem.AssignStereochemistryFrom3D(mol)
    else:
        mol.RemoveAllConformers()
    return mol


def _given(molecule: Molecule) -> Chem.Mol:
    """An XYZ frame, its bonds perceived, or a molecule of a prepared set."""
    try:
        if molecule.bonds is None:
            molecule = perceive(molecule, int(molecule.properties.get("charge", 0)))
        return sanitise(to_rdkit(molecule))
    except (Unsound, ValueError) as error:
        raise Unsound(f"unsound: {error}") from error


def _organic(mol: Chem.Mol, policy: str) -> Chem.Mol:
    """The only fragment, or the one with carbon and most heavy atoms; of equals the heaviest, then first by SMILES.

    Raises:
        Unsound: there are several and the policy does not want the largest, or none holds carbon.
    """
    pieces = Chem.GetMolFrags(mol, asMols=True)
    if len(pieces) == 1:
        return mol
    if policy != "largest":
        raise Unsound(f"{SEVERAL}: {Chem.MolToSmiles(mol)[:80]}")
    organic = [piece for piece in pieces if any(atom.GetAtomicNum() == 6 for atom in piece.GetAtoms())]
    if not organic:
        raise Unsound("no organic fragment: none of its fragments holds carbon")
    return min(organic, key=lambda piece: (-piece.GetNumHeavyAtoms(), -_weight(piece), Chem.MolToSmiles(piece)))


def _weight(mol: Chem.Mol) -> float:
    return sum(atom.GetMass() for atom in mol.GetAtoms())


def _plain(mol: Chem.Mol) -> Chem.Mol:
    """A copy without isotopes, and without centres that only isotopes made."""
    mol = Chem.Mol(mol)
    marked = [atom for atom in mol.GetAtoms() if atom.GetIsotope()]
    for atom in marked:
        atom.SetIsotope(0)
    if marked:
        mol = mol if mol.GetNumConformers() else Chem.RemoveHs(mol)
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol


def _check(mol: Chem.Mol, policy: Policy) -> None:
    """Refuse what lies beyond the policy, and what is no plain molecule."""
    atoms = list(mol.GetAtoms())
    strange = sorted({atom.GetSymbol() for atom in atoms} - set(policy.elements))
    if strange:
        raise Unsound(f"element not among those asked for: {', '.join(strange)}")
    charges = sorted({atom.GetFormalCharge() for atom in atoms} - set(policy.charges))
    if charges:
        raise Unsound(f"charge not among those asked for: {', '.join(f'{charge:+d}' for charge in charges)}")
    if radicals(mol):
        raise Unsound("unpaired electrons: hydrogens or formal charges are missing")
    kinds = sorted({str(bond.GetBondType()).lower() for bond in mol.GetBonds() if bond.GetBondType() not in _BONDS})
    if kinds:
        raise Unsound(f"bond that is not single, double, triple or aromatic: {', '.join(kinds)}")
    heavy = mol.GetNumHeavyAtoms()
    if not policy.fewest <= heavy <= policy.most:
        side = "small" if heavy < policy.fewest else "large"
        raise Unsound(f"too {side}: {heavy} heavy atoms")
    if mol.GetNumConformers():
        _check_lengths(mol)


def _check_lengths(mol: Chem.Mol) -> None:
    """Refuse coordinates in another unit, and torn bonds."""
    table, places = Chem.GetPeriodicTable(), mol.GetConformer().GetPositions()
    for bond in mol.GetBonds():
        ends = (bond.GetBeginAtom(), bond.GetEndAtom())
        usual = sum(table.GetRcovalent(atom.GetAtomicNum()) for atom in ends)
        stretch = float(np.linalg.norm(np.subtract(*(places[atom.GetIdx()] for atom in ends)))) / usual
        if not _STRETCH[0] < stretch < _STRETCH[1]:
            symbols = "-".join(atom.GetSymbol() for atom in ends)
            raise Unsound(f"coordinates: a {symbols} bond is {stretch:.2g} times as long as usual (another unit?)")


def _scaffold(mol: Chem.Mol) -> str:
    """Bemis-Murcko scaffold, without stereochemistry; a molecule without rings is its own."""
    flat = Chem.RemoveHs(mol)
    Chem.RemoveStereochemistry(flat)
    return MurckoScaffold.MurckoScaffoldSmiles(mol=flat) or Chem.MolToSmiles(flat)
