"""Molecules that chemistry software gets wrong, with coordinates."""

from functools import cache

from rdkit import Chem
from rdkit.Chem import AllChem

from scidiff.molecules.chemistry import from_rdkit
from scidiff.molecules.molecule import Molecule

SMILES = [
    "[NH3+]CC(=O)[O-]",  # zwitterion
    "C[N+](=O)[O-]",  # nitro
    "[N-]=[N+]=Nc1ccccc1",  # azide
    "c1cc[nH]c1",  # pyrrole: the hydrogen decides the Kekule form
    "c1ccc2[nH]ccc2c1",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",  # caffeine
    "c1ccsc1",
    "c1ccncc1",
    "C[n+]1ccccc1",
    "c1cc[n+]([O-])cc1",
    "[O-]c1ccccc1",
    "CS(=O)(=O)N",
    "C[S@](=O)CC",
    "COP(=O)(OC)OC",
    "C[P+](C)(C)C",
    "F[C@](Cl)(Br)I",
    "OB(O)c1ccccc1",
    "C[Si](C)(C)C",
    "C/C=C/C",
    "C/C=C\\C",
    "C[C@H](N)C(=O)O",
    "C[C@@H](N)C(=O)O",
    "C#CC#N",
    "[C-]#[O+]",
    "C1CC1.O",
    "[H][H]",
    "c1ccc2ccccc2c1",
]


@cache
def embedded(smiles: str) -> Chem.Mol:
    """An RDKit molecule with hydrogens and coordinates, the same each time."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=7) == 0
    return mol


def molecule(smiles: str) -> Molecule:
    """The same as arrays."""
    return from_rdkit(embedded(smiles))
