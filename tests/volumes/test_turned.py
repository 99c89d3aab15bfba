"""A network sees the axes in the order that the problem says, and nobody else notices."""

from itertools import permutations

import pytest
import torch
from torch import Tensor

from scidiff.engine.estimate import Estimate, Moment
from scidiff.engine.state import State
from scidiff.volumes.turned import permuted, turned

SHAPE = (3, 4, 5)
MOMENT = Moment(torch.ones(1))


def ramp(x: Tensor) -> Tensor:
    """Along the first axis that it is shown."""
    return x + torch.arange(x.shape[2]).reshape(1, 1, -1, 1, 1)


def first_axis(state: State, moment: Moment) -> Estimate:
    """Of a context that was turned alike, and with it of the last estimate."""
    image = ramp(state["image"]) * state.context["mask"]
    return Estimate({"image": image if moment.last is None else image + moment.last["image"]}, moment.last)


@pytest.mark.parametrize("axes", list(permutations(range(3))))
def test_the_first_axis_is_the_one_that_was_named(axes):
    draw = torch.Generator().manual_seed(0)
    image, mask, last = torch.rand(3, 1, 1, *SHAPE, generator=draw)
    state = State({"image": image}, context={"mask": mask, "noise": torch.tensor([0.1]), "task": "mri", "axes": axes})
    moment = Moment(torch.ones(1), last=Estimate({"image": last}))
    found = turned(first_axis)(state, moment)
    place = torch.arange(SHAPE[axes[0]]).reshape([-1 if axis == axes[0] else 1 for axis in range(3)])
    assert torch.allclose(found["image"], (image + place) * mask + last)
    assert found.plain is not None and torch.equal(found.plain["image"], last)


def test_a_state_that_names_no_axes_is_left_as_it_is():
    image = torch.rand(1, 1, *SHAPE)
    state = State({"image": image}, context={"mask": torch.ones(1)})
    assert torch.equal(turned(first_axis)(state, MOMENT)["image"], ramp(image))


def test_numbers_and_words_have_no_axes():
    number = torch.tensor([0.1])
    assert permuted("mri", (2, 0, 1)) == "mri" and permuted(number, (2, 0, 1)) is number
    assert permuted(torch.zeros(1, 3, 2, 1, 1), (1, 0, 2)).shape == (1, 3, 1, 2, 1)
