"""Rings and functional groups as codes for a `Census`: what the molecules are made of, beyond single bonds.

A ring stands under its size (smallest set of smallest rings), a functional group under its place in `GROUPS`, once for
each molecule that has it.
"""

import numpy as np
from rdkit import Chem

from scidiff.molecules.evaluate.geometry import code

GROUPS = {
    "alcohol": "[OX2H][CX4]",
    "enol or phenol": "[OX2H][#6X3;!$(C=[O,N,S])]",
    "ether": "[OX2]([#6;!$(C=[O,N,S])])[#6;!$(C=[O,N,S])]",
    "three-ring with N or O": "[N,O;r3]",
    "aldehyde": "[CX3;H1,H2](=O)",
    "ketone": "[#6][CX3](=O)[#6]",
    "carboxylic acid": "[CX3](=O)[OX2H]",
    "ester": "[CX3](=O)[OX2][#6]",
    "amide": "[CX3](=O)[NX3]",
    "urea or carbamate": "[NX3][CX3](=O)[NX3,OX2]",
    "amine": "[NX3;!$(N*=[O,N,S]);!$(N~[!#6;!#1])]",
    "imine": "[CX3]=[NX2]",
    "nitrile": "[CX2]#[NX1]",
    "alkene": "[CX3]=[CX3]",
    "alkyne": "[CX2]#[CX2]",
    "aromatic": "a",
    "nitro": "[N+](=O)[O-]",
    "bond between heteroatoms": "[#7,#8]~[#7,#8]",
    "cation": "[*+]",
    "halogen": "[F,Cl,Br,I]",
    "sulfur": "[#16]",
    "phosphorus": "[#15]",
}
"""Functional group -> SMARTS. The order is part of the saved format: add at the end."""

_PATTERNS = [Chem.MolFromSmarts(smarts) for smarts in GROUPS.values()]


def codes(mol: Chem.Mol | None) -> np.ndarray:
    """(k,) int64 codes of the rings and groups of a sanitised molecule; none where there is no sound molecule."""
    if mol is None:
        return np.empty(0, dtype=np.int64)
    rings = np.array([len(ring) for ring in mol.GetRingInfo().AtomRings()], dtype=np.int64)
    present = np.array([i for i, pattern in enumerate(_PATTERNS) if mol.HasSubstructMatch(pattern)], dtype=np.int64)
    return np.concatenate([code("ring", 0 * rings, rings), code("group", 0 * present, present)])
