"""The stream of batches: everything once an epoch, one size a batch, a function of (seed, step) alone."""

from itertools import islice

import numpy as np
import pytest
import torch

from scidiff.engine.state import State
from scidiff.training.batches import GroupedBatches

SIZES = {3: 10, 4: 1, 7: 23}  # samples in each group


def groups() -> dict:
    """Samples that carry their group and number."""
    return {n: State({"x": torch.arange(SIZES[n])[:, None] + 1000.0 * torch.full((1, n), float(n))}) for n in SIZES}


def stream(**changes) -> GroupedBatches:
    return GroupedBatches(**{"groups": groups(), "size": 4, "seed": 5, **changes})


def seen(batches: GroupedBatches, count: int) -> list[list[float]]:
    return [batch["x"][:, 0].tolist() for batch in islice(iter(batches), count)]


def everything() -> list[float]:
    return sorted(1000.0 * n + k for n in SIZES for k in range(SIZES[n]))


def test_every_sample_once_an_epoch():
    batches = stream()
    assert batches.per_epoch == 3 + 1 + 6
    epochs = seen(batches, 2 * batches.per_epoch)
    for first in (0, batches.per_epoch):
        epoch = epochs[first : first + batches.per_epoch]
        assert sorted(value for batch in epoch for value in batch) == everything()
        assert all(1 <= len(batch) <= 4 for batch in epoch)
    assert epochs[: batches.per_epoch] != epochs[batches.per_epoch :], "another order"


def test_no_batch_mixes_groups():
    for batch in seen(stream(), 30):
        assert len({value // 1000 for value in batch}) == 1


def test_batches_of_a_group_differ_by_one_at_most():
    lengths = [len(batch) for batch in seen(stream(), 10) if batch[0] // 1000 == 7]
    assert sorted(lengths) == [3, 4, 4, 4, 4, 4]


def test_the_seed_and_the_step_say_everything():
    assert seen(stream(), 25) == seen(stream(), 25)
    assert seen(stream(), 25) != seen(stream(seed=6), 25)


@pytest.mark.parametrize("first", [0, 1, 9, 10, 11, 27])
def test_a_stream_begins_where_it_is_told(first):
    assert seen(stream(first=first), 12) == seen(stream(), first + 12)[first:]


def test_what_was_handed_out_is_not_what_was_trained_on():
    """Lightning fetches a batch ahead, so the stream keeps no count that a checkpoint could restore wrongly."""
    batches = stream(first=3)
    wanted = seen(batches, 5)
    batches.load_state_dict({"step": 4})
    assert batches.state_dict() == {} and seen(batches, 5) == wanted


def test_nothing_to_train_on_is_refused():
    with pytest.raises(ValueError, match="nothing to train on"):
        GroupedBatches({}, 4)


@pytest.mark.parametrize(("rows", "world"), [(5, 2), (6, 2), (7, 3), (1, 2)])
def test_the_shares_of_several_processes_make_the_whole_batch(monkeypatch, rows, world):
    """Every row once, and the mean over processes of share x sum is the mean over the batch."""
    from scidiff.training import batches

    monkeypatch.setattr(batches.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(batches.distributed, "get_world_size", lambda: world)
    values, sums, seen = torch.arange(10.0, 20.0), [], []
    for rank in range(world):
        monkeypatch.setattr(batches.distributed, "get_rank", lambda rank=rank: rank)
        mine = GroupedBatches._share(State({"x": values}), torch.arange(rows))
        sums.append(mine.context["share"] * mine["x"].sum())
        seen += list(zip(mine.context["place"].tolist(), mine["x"].tolist(), strict=True))
    whole = np.resize(np.arange(rows), max(rows, world))
    assert sorted(seen) == [(k, 10.0 + row) for k, row in enumerate(whole)]
    assert float(sum(sums) / world) == pytest.approx(10 + whole.mean())
