"""How far is a generated geometry from the nearest minimum of GFN2-xTB? An extra, made only on request.

    energy   E(generated) - E(relaxed), kcal/mol
    rmsd     root mean square displacement of all atoms after superposition, Angstrom

Medians over the strictly valid molecules (for others the charge, and so the energy, means nothing). Unlike a force
field's strain this is near zero for molecules that were optimised with a good method.

Bannwarth, Ehlert, Grimme: GFN2-xTB (2019), https://doi.org/10.1021/acs.jctc.8b01176.
"""

import importlib.util

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from scidiff.molecules.evaluate import strict
from scidiff.molecules.evaluate.judgement import Fact, Findings
from scidiff.molecules.evaluate.protocol import Protocol
from scidiff.molecules.evaluate.subject import Subject
from scidiff.molecules.molecule import Molecule
from scidiff.store.errors import UserError

BOHR = 0.529177210903  # Angstrom
HARTREE = 627.509474  # kcal/mol
LARGEST_FORCE = 1e-3  # Hartree/Bohr, xtb's own threshold for a normal optimisation
MOST_STEPS = 500


def require() -> None:
    """Check that tblite is there.

    Raises:
        UserError: it is not.
    """
    if importlib.util.find_spec("tblite") is None:
        raise UserError("Relaxation needs tblite, which is not installed: pip install 'scidiff[xtb]'.")


def relax(molecule: Molecule) -> tuple[float, np.ndarray]:
    """Walk to the nearest minimum of GFN2-xTB.

    Returns:
        Energy given up in kcal/mol, and (n, 3) relaxed positions in Angstrom.

    Raises:
        UserError: tblite is not installed.
        RuntimeError: the electronic structure did not converge.
    """
    require()
    energy_and_gradient = _surface(molecule)
    start = np.asarray(molecule.positions, dtype=float).ravel() / BOHR
    before, _ = energy_and_gradient(start)
    options = {"gtol": LARGEST_FORCE, "ftol": 1e-10, "maxiter": MOST_STEPS}
    end = minimize(energy_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    return (before - float(end.fun)) * HARTREE, end.x.reshape(-1, 3) * BOHR


def displacement(before: np.ndarray, after: np.ndarray) -> float:
    """Root mean square displacement between two (n, 3) sets of positions after the best superposition."""
    before, after = (np.asarray(each, dtype=float) - np.mean(each, axis=0) for each in (before, after))
    if len(before) == 1:
        return 0.0
    _, root_sum = Rotation.align_vectors(before, after)
    return float(root_sum / np.sqrt(len(before)))


def inspect(subject: Subject) -> dict[str, Fact]:
    """Relaxation energy and displacement of a strictly valid molecule; nothing for any other."""
    if strict.reason(subject):
        return {}
    energy, relaxed = relax(subject.molecule)
    return {"relaxation/energy": energy, "relaxation/rmsd": displacement(subject.molecule.positions, relaxed)}


def summarise(found: Findings, reference=None) -> dict[str, float]:
    """Medians, and the fraction of everything generated that could be relaxed."""
    energies = found.values("relaxation/energy")
    figures = {"relaxation/relaxed": len(energies) / max(len(found), 1)}
    if len(energies):
        figures["relaxation/energy_median"] = float(np.median(energies))
        figures["relaxation/rmsd_median"] = float(np.median(found.values("relaxation/rmsd")))
    return figures


def _surface(molecule: Molecule):
    """(3n,) positions in Bohr -> energy in Hartree and (3n,) gradient; each solution starts from the one before."""
    from tblite.interface import Calculator

    start = np.asarray(molecule.positions, dtype=float) / BOHR
    charge = float(np.sum(molecule.charges))
    calculator = Calculator("GFN2-xTB", np.asarray(molecule.numbers, dtype=int), start, charge=charge)
    calculator.set("verbosity", 0)
    last = None

    def energy_and_gradient(positions: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal last
        calculator.update(positions=positions.reshape(-1, 3))
        last = calculator.singlepoint(last)
        return float(last["energy"]), np.asarray(last["gradient"], dtype=float).ravel()

    return energy_and_gradient


PROTOCOL = Protocol("relaxation", inspect, summarise)
