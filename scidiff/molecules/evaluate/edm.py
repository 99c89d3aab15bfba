"""EDM's protocol: bonds by distance, no charges; the figures most papers on QM9 print, for comparability only.

    atom stability        stable atoms / atoms, an atom being stable where its summed order is its element's valence
    molecule stability    molecules all of whose atoms are stable / all
    validity              molecules RDKit sanitises (hydrogens explicit, no charges, implicit hydrogens allowed) / all
    uniqueness            distinct SMILES / valid, each the SMILES of the largest fragment
    novelty               distinct SMILES not among the reference's / distinct SMILES

The bonds a record brings are ignored. QM9's 13,083 test molecules score 99.3 / 95.2 / 97.7 % on the first three here
(RDKit 2026.09); the paper prints 99.0 / 95.2 / 97.7 for the data.
Hoogeboom, Satorras, Vignac, Welling: Equivariant Diffusion for Molecule Generation in 3D (2022),
https://arxiv.org/abs/2203.17003.
"""

import numpy as np
from rdkit import Chem

from scidiff.molecules.distances import stable_atoms
from scidiff.molecules.evaluate.judgement import Fact, Findings
from scidiff.molecules.evaluate.protocol import Protocol
from scidiff.molecules.evaluate.subject import Subject, sanitise_fault

_BOND_TYPES = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}


def inspect(subject: Subject) -> dict[str, Fact]:
    """Stable atoms, stability and the SMILES by distance (empty where RDKit refuses it) of one molecule."""
    stable = stable_atoms(subject.molecule.numbers, subject.orders_by_distance)
    smiles = smiles_by_distance(subject.molecule.numbers, subject.orders_by_distance)
    return {
        "edm/stable_atoms": int(stable.sum()),
        "edm/molecule_stability": bool(len(stable) and stable.all()),
        "edm/validity": bool(smiles),
        "edm/smiles": smiles,
    }


def summarise(found: Findings, reference=None) -> dict[str, float]:
    """The five figures; novelty only where a reference is given and something was valid."""
    smiles = found.strings("edm/smiles")
    unique = set(smiles)
    figures = {
        "edm/atom_stability": found.rate_of_atoms("edm/stable_atoms"),
        "edm/molecule_stability": found.rate("edm/molecule_stability"),
        "edm/validity": found.rate("edm/validity"),
        "edm/uniqueness": len(unique) / max(len(smiles), 1),
        "edm/validity_uniqueness": len(unique) / max(len(found), 1),
    }
    if reference is not None and unique:
        figures["edm/novelty"] = len(unique - reference.edm_smiles) / len(unique)
    return figures


def smiles_by_distance(numbers: np.ndarray, orders: np.ndarray) -> str:
    """Canonical SMILES, hydrogens written out, of the largest fragment; empty where RDKit refuses the molecule.

    Args:
        numbers: (n,) atomic numbers.
        orders: (n, n) bond orders, 0 for none.
    """
    mol = Chem.RWMol()
    for number in numbers.tolist():
        mol.AddAtom(Chem.Atom(number))
    for i, j in np.argwhere(np.triu(orders)).tolist():
        mol.AddBond(i, j, _BOND_TYPES[int(orders[i, j])])
    if not len(numbers) or sanitise_fault(mol):
        return ""
    pieces = Chem.GetMolFrags(mol, asMols=True)
    return Chem.MolToSmiles(max(pieces, key=lambda piece: piece.GetNumAtoms()))


PROTOCOL = Protocol("edm", inspect, summarise, needs_bonds=False)
