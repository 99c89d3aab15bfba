"""Weights of a model of other elements: what it knew stays known, and what it did not begins as its kin."""

import copy

import pytest
import torch

from scidiff.engine.estimate import Estimate
from scidiff.engine.state import State
from scidiff.molecules.adopt import kin
from scidiff.molecules.model import MoleculeModel
from scidiff.molecules.vocabulary import Vocabulary
from scidiff.store.errors import UserError
from tests.molecules.test_model import HEADER

LOGITS = {"atoms": (5, 5), "charges": (5, 3), "bonds": (10, 4)}
MORE = ("S", "N", "C", "H", "Cl", "O", "F")


@pytest.fixture
def small() -> MoleculeModel:
    """A model of H, C, N, O and F."""
    torch.manual_seed(0)
    return MoleculeModel.create(copy.deepcopy(HEADER))


@pytest.fixture
def large() -> MoleculeModel:
    """The same network for more elements in another order."""
    header = copy.deepcopy(HEADER)
    header["vocabulary"]["elements"] = list(MORE)
    header["config"]["network"]["atoms"] = header["config"]["process"]["atoms"]["classes"] = len(MORE)
    return MoleculeModel.create(header)


def test_kin():
    """Of as many outer electrons, and near in weight."""
    known = Vocabulary(("H", "C", "N", "O", "F", "Cl"))
    pairs = {"H": "H", "Br": "Cl", "I": "Cl", "S": "O", "Se": "O", "P": "N", "Si": "C", "B": "C", "Li": "H", "Na": "H"}
    assert {symbol: kin(symbol, known) for symbol in pairs} == pairs


def test_the_same_molecule_is_seen_the_same(small, large):
    """Positions, charges and bonds as before; each element's logit is that of its kin."""
    large.network.load_state_dict(large.adopt(small.network.state_dict(), small.header))
    words = small.codec.vocabulary, large.codec.vocabulary
    codes = [[vocabulary.elements.index(symbol) for symbol in ("C", "O", "H", "N", "F")] for vocabulary in words]
    places = [MORE.index(symbol) for symbol in words[0].elements]
    parts = {"positions": torch.randn(1, 5, 3), "charges": torch.full((1, 5), 3), "bonds": torch.randint(5, (1, 10))}
    last = Estimate({"positions": torch.randn(1, 5, 3), **{k: torch.randn(1, *s) for k, s in LOGITS.items()}})
    wider = torch.full((1, 5, len(MORE)), -1e4).index_copy(2, torch.tensor(places), last["atoms"])
    old = small.network(State({**parts, "atoms": torch.tensor([codes[0]])}), torch.tensor([0.3]), last)
    last = Estimate({**last.parts, "atoms": wider})
    new = large.network(State({**parts, "atoms": torch.tensor([codes[1]])}), torch.tensor([0.3]), last)
    old["atoms"] = old["atoms"][..., [words[0].elements.index(kin(symbol, words[0])) for symbol in MORE]]
    for part, value in old.items():
        assert torch.allclose(value, new[part], atol=1e-5), part


def test_another_unit_of_length_is_refused(small, large):
    """With the setting that mends it."""
    with pytest.raises(UserError, match=r"unit of length is 1\.9 Angstrom.*1\.7: set data\.scale=1\.9 as well"):
        large.adopt(small.network.state_dict(), {**small.header, "scale": 1.9})
