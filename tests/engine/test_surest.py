"""The surest rows settle first: as many as else on average, whichever are surest, and without a change of the law."""

import pytest
import torch
from laws import noise

from scidiff.engine.estimate import Estimate, Moment
from scidiff.engine.noise import Noise
from scidiff.engine.plan import Plan
from scidiff.engine.process import Categorical
from scidiff.engine.schedule import RectifiedLinear, Warped
from scidiff.engine.state import State
from scidiff.engine.walk import Uniform

COUNT, MASK = 4096, 2
SCHEDULE = Warped(RectifiedLinear(), 0.5)
SHARES = torch.tensor([0.5, 0.6, 0.7, 0.8, 0.9])  # of class 0, in rows that are surer and surer


def independent(state: State, moment: Moment) -> Estimate:
    logits = torch.log(torch.stack([SHARES, 1 - SHARES], -1))
    return Estimate({"c": logits.expand(*state["c"].shape, 2)})


def chained(state: State, moment: Moment) -> Estimate:
    """Three rows x, y, z: x is a fair coin, y equals x with probability 0.9, z with 0.8 the parity of x and y."""
    table = torch.tensor([[[0.36, 0.09], [0.01, 0.04]], [[0.01, 0.04], [0.36, 0.09]]])  # p(x, y, z)
    seen = [torch.stack([state["c"][:, k] != 1, state["c"][:, k] != 0], -1).float() for k in range(3)]  # a mask: both
    joint = torch.einsum("xyz,bx,by,bz->bxyz", table, *seen)
    sums = torch.stack([joint.sum((2, 3)), joint.sum((1, 3)), joint.sum((1, 2))], 1)
    return Estimate({"c": torch.log(sums.clamp(min=1e-30))})


def draw(denoiser, rows: int, steps: int, churn: float = 0.0, watch=None) -> torch.Tensor:
    plan = Plan(Uniform, steps=steps, churn=churn, surest=True)
    sampler = plan.sampler({"c": Categorical(SCHEDULE, MASK)}, "c")
    return sampler(denoiser, State({"c": torch.zeros(COUNT, rows, dtype=torch.int64)}), noise(), watch)["c"]


@pytest.mark.parametrize("churn", [0.0, 0.3])
def test_independent_rows_keep_their_law(churn):
    """Drawn anew only where masked: choosing by what was drawn instead would favour class 0 in every row."""
    found = (draw(independent, len(SHARES), 6, churn) == 0).double().mean(0)
    assert ((found - SHARES).abs() < 4 * (SHARES * (1 - SHARES) / COUNT) ** 0.5).all()


def test_one_row_at_a_time_draws_the_exact_joint_law():
    """With 300 steps two rows rarely settle together."""
    x, y, z = draw(chained, 3, 300).T
    for happened, wanted in ((x == 0, 0.5), (x == y, 0.9), (z == (x != y).long(), 0.8)):
        share = happened.double().mean()
        assert abs(share - wanted) < 4 * (wanted * (1 - wanted) / COUNT) ** 0.5 + 0.01


def test_as_many_settle_as_the_schedule_says_and_the_surest_first():
    seen = []
    draw(independent, len(SHARES), 4, watch=lambda state, _: seen.append((state["c"] != MASK).double().mean(0)))
    for settled, t in zip(seen, (0.75, 0.5, 0.25, 0.0), strict=True):
        assert abs(settled.mean() - (1 - t**0.5)) < 4 * 0.5 / COUNT**0.5  # rounded by chance once a step
        assert (settled.diff() >= 0).all()
    assert seen[0][-1] > 0.6 and seen[0][0] == 0


def test_ragged_rows_settle_as_dense_ones():
    process, t, s = Categorical(SCHEDULE, MASK, surest=True), torch.full((3,), 0.5), torch.full((3,), 0.2)
    masked = torch.full((3, 4), MASK)
    logits = Noise.of(9, torch.arange(3)).normal(torch.zeros(3, 4, 2))
    owner = torch.arange(3).repeat_interleave(4)
    dense = process.reverse(State({"c": masked}), "c", logits, t, s, Noise.of(1, torch.arange(3)))
    ragged = State({"c": masked.flatten()}, {"c": owner})
    flat = process.reverse(ragged, "c", logits.flatten(0, 1), t, s, Noise.of(1, torch.arange(3)))
    assert torch.equal((flat == MASK).view(3, 4), dense == MASK) and (dense == MASK).any() and (dense != MASK).any()


def test_only_masks_settle():
    with pytest.raises(ValueError, match="absorbing"):
        Categorical(SCHEDULE, 2, "uniform", surest=True)
