"""A model that needs no training, so that the command line can be tested alone."""

from types import SimpleNamespace

import numpy as np
import pytest

from scidiff.engine.plan import Plan
from scidiff.molecules.molecule import Molecule
from scidiff.store.errors import UserError

CORNERS = 0.63 * np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=np.float32)


def four_hydrogens_about(number: int) -> Molecule:
    """Methane for 6; for 7, a nitrogen that does not sanitise."""
    bonds = np.array([[0, k, 1] for k in range(1, 5)])
    return Molecule(np.array([number, 1, 1, 1, 1]), CORNERS, np.zeros(5, dtype=int), bonds)


class FakeModel(SimpleNamespace):
    """Makes methane, every fourth molecule with a nitrogen at its heart; remembers what it was asked."""

    def generate(self, n, seed=0, steps=None, progress=None, **options):
        """n molecules, told one by one."""
        self.asked = {"n": n, "seed": seed, "steps": steps, **options}
        molecules = [four_hydrogens_about(7 if k % 4 == 3 else 6) for k in range(n)]
        for done in range(n):
            progress(done + 1)
        return molecules


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every command runs in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scidiff.cli.evaluate._cores", lambda: 0)  # no judging processes, which take seconds to start
    return tmp_path


@pytest.fixture
def sound_and_unsound():
    """Methane, and the same with a nitrogen in place of the carbon."""
    return [four_hydrogens_about(6), four_hydrogens_about(7)]


@pytest.fixture
def model(monkeypatch):
    """The fake model, known as 'qm9'."""
    fake = FakeModel(header={"domain": "molecules"}, plan=Plan(steps=8), name="qm9", asked={})

    def load(name):
        if name != "qm9":
            raise UserError(f"There is no model '{name}'.")
        return fake

    monkeypatch.setattr("scidiff.load", load)
    monkeypatch.setattr("scidiff.cli.report_molecules.QUICK", ("strict", "novelty"))  # PoseBusters loads for seconds
    monkeypatch.setattr("scidiff.cli.report_molecules.evaluate.shipped", list)  # as do the training data
    return fake
