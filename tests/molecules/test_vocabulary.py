"""Encoding and decoding are inverse; strangers are named."""

import numpy as np
import pytest
import torch

from scidiff.molecules.vocabulary import Vocabulary, element_number, element_symbol
from scidiff.store.errors import UserError


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_decoding_undoes_encoding_for_every_class_and_keeps_shape_and_kind(kind):
    vocabulary = Vocabulary()
    numbers, charges = kind(vocabulary.numbers.reshape(1, -1).tolist()), kind([[-2, -1, 0], [1, 2, 3]])
    for values, encode, decode in (
        (numbers, vocabulary.encode_atoms, vocabulary.decode_atoms),
        (charges, vocabulary.encode_charges, vocabulary.decode_charges),
    ):
        classes = encode(values)
        assert type(classes) is type(values)
        assert classes.shape == values.shape
        assert classes.reshape(-1).tolist() == list(range(values.size if kind is np.array else values.numel()))
        assert (decode(classes) == values).all()


def test_classes_follow_the_given_order():
    vocabulary = Vocabulary(elements=("O", "C", "H"), charges=(1, 0, -1))
    assert vocabulary.encode_atoms(np.array([1, 6, 8])).tolist() == [2, 1, 0]
    assert vocabulary.encode_charges(np.array([-1, 1])).tolist() == [2, 0]


def test_small_integers_do_not_overflow():
    assert Vocabulary().encode_charges(np.array([-2, 3], dtype=np.int8)).dtype == np.int64
    assert Vocabulary().encode_atoms(torch.tensor([83], dtype=torch.uint8)).dtype == torch.int64


def test_an_unknown_element_or_charge_is_named():
    vocabulary = Vocabulary(elements=("H", "C"), charges=(0, 1))
    with pytest.raises(UserError, match=r"element Fe .*\(H, C\)"):
        vocabulary.encode_atoms(np.array([6, 26]))
    with pytest.raises(UserError, match=r"charge -1 .*\(0, \+1\)"):
        vocabulary.encode_charges(torch.tensor([0, -1]))
    with pytest.raises(UserError, match="'Xx' is not a chemical element"):
        Vocabulary(elements=("H", "Xx"))


def test_the_smallest_vocabulary_of_some_data():
    assert Vocabulary.covering([8, 6, 1, 6], [-1]) == Vocabulary(elements=("H", "C", "O"), charges=(-1, 0))


def test_a_vocabulary_is_a_value():
    assert Vocabulary(elements=["H", "C"]) == Vocabulary(elements=("H", "C"))
    assert len({Vocabulary(), Vocabulary()}) == 1


def test_symbols_and_numbers_are_inverse_and_heavy_hydrogen_is_hydrogen():
    assert [element_number(element_symbol(number)) for number in range(1, 119)] == list(range(1, 119))
    assert element_number("D") == element_number("T") == 1
    assert element_number("CL") == 17
