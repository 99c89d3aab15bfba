"""Ragged parts say what dense parts say; states are changed by replacement alone."""

import pytest
import torch

from scidiff.engine.noise import Noise
from scidiff.engine.process import Categorical, Gaussian
from scidiff.engine.schedule import Cosine
from scidiff.engine.state import State
from scidiff.engine.subspace import Full, ZeroMean

B, N, W = 3, 5, 4  # rows of W = 4 numbers are one Philox block each, so dense and ragged rows have the same noise
VALUES = torch.arange(1.0 * B * N * W).reshape(B, N, W) ** 0.5
OWNER = torch.arange(B).repeat_interleave(N)
DENSE = State({"x": VALUES})
RAGGED = State({"x": VALUES.flatten(0, 1)}, {"x": OWNER})


def test_both_have_the_same_number_of_samples():
    assert len(DENSE) == len(RAGGED) == B
    assert len(State({"x": VALUES.flatten(0, 1)}, {"x": OWNER}, count=5)) == 5


def test_spread():
    t = torch.tensor([1.0, 2.0, 3.0])
    assert DENSE.spread(t, "x").shape == (B, 1, 1)
    assert torch.equal((RAGGED.spread(t, "x") * RAGGED["x"]).view_as(VALUES), DENSE.spread(t, "x") * VALUES)


def test_mean_by_sample():
    dense = DENSE.mean_by_sample(VALUES, "x")
    assert torch.allclose(dense, VALUES.mean((1, 2)))
    assert torch.allclose(RAGGED.mean_by_sample(RAGGED["x"], "x"), dense)
    rows = VALUES.sum(-1)
    assert torch.allclose(RAGGED.mean_by_sample(rows.flatten(), "x"), DENSE.mean_by_sample(rows, "x"))


def test_sum_and_rank_by_sample():
    rows = torch.tensor([[2.0, 9.0, 2.0, 0.5, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    ranks = torch.tensor([[1, 0, 2, 4, 3], [4, 3, 2, 1, 0], [0, 1, 2, 3, 4]])  # equals keep their order
    assert torch.equal(DENSE.rank(rows, "x"), ranks)
    assert torch.equal(RAGGED.rank(rows.flatten(), "x"), ranks.flatten())
    assert torch.equal(DENSE.sum_by_sample(rows > 1.5, "x"), torch.tensor([3.0, 4.0, 0.0]))
    assert torch.equal(RAGGED.sum_by_sample(rows.flatten() > 1.5, "x"), torch.tensor([3.0, 4.0, 0.0]))


def test_samples_of_different_sizes_count_alike():
    """Each sample's mean is over its own rows: no padding, no weight by size."""
    state = State({"x": torch.tensor([1.0, 3.0, 10.0])}, {"x": torch.tensor([0, 0, 1])})
    assert state.mean_by_sample(state["x"], "x").tolist() == [2.0, 10.0]
    assert state.centre(state["x"], "x").tolist() == [2.0, 2.0, 10.0]


def test_centre():
    assert torch.allclose(RAGGED.centre(RAGGED["x"], "x").view_as(VALUES), DENSE.centre(VALUES, "x").expand(B, N, W))
    over = torch.zeros(B, N, dtype=torch.bool)
    over[:, :2] = True
    narrow = DENSE.centre(VALUES, "x", over)
    assert torch.allclose(narrow[:, 0], VALUES[:, :2].mean(1))
    ragged = RAGGED.centre(RAGGED["x"], "x", over.flatten()).view_as(VALUES)
    assert torch.allclose(ragged, narrow.expand(B, N, W))


@pytest.mark.parametrize("subspace", [Full(), ZeroMean()], ids=str)
def test_kernels_do_the_same_to_both(subspace):
    """The same seeds and times give the same rows, prior, forward, reverse and error."""
    process, t, s = Gaussian(Cosine(), subspace, eta=0.7), torch.tensor([0.3, 0.6, 0.9]), torch.tensor([0.1, 0.2, 0.5])
    found = []
    for state in (DENSE, RAGGED):
        noise = Noise.of(0, torch.arange(B))
        noisy = state.replace(x=process.forward(state, "x", 0 * t, t, noise))
        back = process.reverse(noisy, "x", state["x"], t, s, noise)
        prior = process.prior(state, "x", noise)
        found.append([value.reshape(-1) for value in (noisy["x"], back, prior, process.error(back, state, "x"))])
    for dense, ragged in zip(*found, strict=True):
        assert torch.allclose(dense, ragged, atol=1e-5)


def test_categorical_kernels_do_the_same_to_both():
    classes = torch.arange(B * N * W).reshape(B, N, W) % 3
    process = Categorical(Cosine(), 3, "marginal", (0.5, 0.3, 0.2))
    t, logits = torch.tensor([0.3, 0.6, 0.9]), torch.randn(B, N, W, 3, generator=torch.Generator().manual_seed(0))
    dense, ragged = State({"c": classes}), State({"c": classes.flatten(0, 1)}, {"c": OWNER})
    found = []
    for state, guess in ((dense, logits), (ragged, logits.flatten(0, 1))):
        noise = Noise.of(0, torch.arange(B))
        noisy = state.replace(c=process.forward(state, "c", 0 * t, t, noise))
        back = process.reverse(noisy, "c", guess, t, t / 2, noise)
        found.append([noisy["c"].flatten(), back.flatten(), process.error(guess, state, "c")])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_zero_mean_leaves_held_rows_where_they_are():
    held = State({"x": VALUES}, context={"held": torch.ones(B, N, dtype=torch.bool)})
    assert torch.equal(ZeroMean().project(VALUES, held, "x"), VALUES)
    assert ZeroMean().project(VALUES, DENSE, "x").mean(1).abs().max() < 1e-5


def test_take_and_replace_leave_the_rest():
    state = State({"x": VALUES, "y": OWNER[:B]}, context={"label": 7})
    some = state.take(torch.tensor([2, 0]))
    assert torch.equal(some["x"], VALUES[[2, 0]]) and len(some) == 2 and some.context == {"label": 7}
    other = state.replace(x=0 * VALUES)
    assert torch.equal(state["x"], VALUES) and not other["x"].any() and other["y"] is state["y"]
    with pytest.raises(ValueError, match="dense"):
        RAGGED.take(torch.tensor([0]))


def test_an_owner_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"\['y'\]"):
        State({"x": VALUES}, {"y": OWNER})


def test_to_moves_what_is_a_tensor():
    state = State({"x": VALUES}, context={"mask": OWNER, "name": "a"}).to("meta")
    assert state.device.type == state.context["mask"].device.type == "meta" and state.context["name"] == "a"
