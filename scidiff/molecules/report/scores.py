"""What a chemist asks of a molecule besides its soundness: drug-likeness, ease of synthesis, lipophilicity, weight.

Bickerton et al.: QED (2012), https://doi.org/10.1038/nchem.1243.
Ertl, Schuffenhauer: SA score (2009), https://doi.org/10.1186/1758-2946-1-8.
Wildman, Crippen: logP (1999), https://doi.org/10.1021/ci990307l.
"""

from collections.abc import Callable
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from rdkit import Chem, RDConfig, rdBase
from rdkit.Chem import QED, Crippen, Descriptors

SCORES = {
    "qed": "QED, drug-likeness: 0 to 1, higher is better",
    "sa": "SA score, ease of synthesis: 1 is easy, 10 is hard",
    "logp": "logP after Crippen",
    "weight": "molecular weight, g/mol",
}
"""Score -> what it means."""


def scores(smiles: str) -> dict[str, float]:
    """Those of SCORES that can be made; none where RDKit cannot read the SMILES."""
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
        if mol is None or not mol.GetNumAtoms():
            return {}
        found = {"qed": QED.qed(mol), "logp": Crippen.MolLogP(mol), "weight": Descriptors.MolWt(mol)}
        synthesis = _synthesis()
        return found if synthesis is None else found | {"sa": float(synthesis(mol))}


@cache
def _synthesis() -> Callable[[Chem.Mol], float] | None:
    """RDKit's own SA score, which its wheels carry outside of the package; none where this RDKit came without."""
    path = Path(RDConfig.RDContribDir) / "SA_Score" / "sascorer.py"
    if not path.is_file():
        return None
    spec = spec_from_file_location("sascorer", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.calculateScore
