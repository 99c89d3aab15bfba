"""Batches of patches: a function of (seed, step, place), whoever asks; each array of a patch seen the same way."""

from collections import Counter
from dataclasses import replace
from itertools import islice, permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scidiff.volumes.learning import patches
from scidiff.volumes.learning.bank import SLAB, Example
from scidiff.volumes.learning.patches import Patches, View, corner, largest, slab, turn
from scidiff.volumes.power_law import PowerLaw

TASKS = ("denoise", "inpaint", "mri")
LAW = PowerLaw({task: (float(np.log(0.05 * k)), 0.0, 0.0, 0.0) for k, task in enumerate(TASKS, start=1)})
PER_TASK = 40


def example(task: str, number: int, shape: tuple[int, int, int] = (20, 24, 22)) -> Example:
    """Its voxels carry their place; estimate and mismatch are set against them; `noise` carries its number."""
    place = np.arange(np.prod(shape)).reshape(shape) % 1999 / 2000 + 0.1
    clean, estimate, mismatch = (a.astype(np.float16) for a in (place, 0.5 * place, -2 * place))
    mask = place > 0.5 if task == "inpaint" else np.zeros(0, dtype=bool)
    return Example(task, clean, estimate, mismatch, mask, float(number), 0.5)


EXAMPLES = [example(task, number) for number in range(PER_TASK) for task in TASKS]


def stream(**changes) -> Patches:
    return Patches(
        **{"examples": EXAMPLES, "difficulty": LAW, "size": 3, "side": 8, "prior": 0.2, "seed": 4, **changes}
    )


def seen(batches: Patches, count: int) -> list[dict[str, torch.Tensor]]:
    return [{"image": batch["image"], **batch.context} for batch in islice(iter(batches), count)]


def same(one: list[dict], other: list[dict]) -> bool:
    return all(
        a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("first", [0, 1, 5])
def test_a_stream_begins_where_it_is_told(first):
    assert same(seen(stream(first=first), 4), seen(stream(), first + 4)[first:])


def test_the_seed_and_the_step_say_everything():
    assert same(seen(stream(), 4), seen(stream(), 4))
    assert not same(seen(stream(), 4), seen(stream(seed=5), 4))
    batches = stream(first=3)
    batches.load_state_dict({"step": 1})
    assert batches.state_dict() == {} and same(seen(batches, 2), seen(stream(), 5)[3:])


@pytest.mark.parametrize(("size", "world"), [(4, 2), (5, 2), (1, 3)])
def test_the_shares_of_several_processes_make_the_whole_batch(monkeypatch, size, world):
    """Every place once, and the mean over processes of share x sum is the mean over the batch."""
    whole = seen(stream(size=max(size, world)), 3)
    monkeypatch.setattr(patches.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(patches.distributed, "get_world_size", lambda: world)
    shares = []
    for rank in range(world):
        monkeypatch.setattr(patches.distributed, "get_rank", lambda rank=rank: rank)
        shares.append(seen(stream(size=size), 3))
    for step, batch in enumerate(whole):
        mine = {
            int(place): each["image"][row]
            for each in (s[step] for s in shares)
            for row, place in enumerate(each["place"])
        }
        assert sorted(mine) == list(range(len(batch["image"])))
        assert all(torch.equal(image, batch["image"][place]) for place, image in mine.items())
        total = sum(each["share"] * each["image"].sum() for each in (s[step] for s in shares)) / world
        assert float(total) == pytest.approx(float(batch["image"].sum() / len(batch["image"])), rel=1e-5)


def test_what_a_patch_shows_follows_from_one_view():
    """image x s + estimate = clean, and all channels are of the same voxels; without an observation clean / spread."""
    batches, kinds = stream(prior=0.4, spread=0.25), set()
    for step in range(12):
        for place in range(3):
            image, given = batches.sample(step, place)
            if float(given["fraction"]) == -2:
                kinds.add("prior")
                assert not any(given[key].any() for key in ("estimate", "detail", "mismatch", "mask", "noise"))
                assert float(given["weight"]) == 1
                assert 0.25 * float(image.min()) >= 0.099 and 0.25 * float(image.max()) <= 1.1
                continue
            task = next(t for t in TASKS if _is(t, image, given))
            kinds.add(task)
            seen_by_itself = (2 * given["estimate"] > 0.5).float() if task == "inpaint" else torch.ones_like(image)
            assert (given["mask"] != seen_by_itself).float().mean() < 0.01  # float16 at the threshold
            assert float(given["fraction"]) == pytest.approx(2 / 3)
    assert kinds == {*TASKS, "prior"}


def _is(task: str, image: torch.Tensor, given: dict[str, torch.Tensor]) -> bool:
    """Whether s is that of the task, and the mismatch is shown in its units; float16 errs by 2^-11 of 2.2."""
    unit = 0.05 * (1 + TASKS.index(task))
    alike = torch.allclose(unit * given["mismatch"], -4 * given["estimate"], atol=2e-3)
    return alike and torch.allclose(unit * image, given["estimate"], atol=2e-3)


def test_an_easy_example_counts_more_and_a_hard_one_less():
    """(s / its own error)^2, so that each counts alike in decibels; an easy one four times at most."""
    found = {}
    for share in (0.3, 0.9, 2.0):
        clean = np.full((8, 8, 8), 0.5, dtype=np.float16)
        off = share * 0.05  # s of denoise is 0.05
        each = Example("denoise", clean, (clean - off).astype(np.float16), 0 * clean, np.zeros(0, dtype=bool), 0.1, 1.0)
        _, given = stream(examples=[each], prior=0.0).sample(0, 0)
        found[share] = float(given["weight"])
    assert (
        found[0.3] == 4 and found[0.9] == pytest.approx(1 / 0.81, rel=0.02) and found[2.0] == pytest.approx(0.25, 0.02)
    )


def test_tasks_examples_and_kinds_are_drawn_evenly():
    """Each within 4 deviations of its share, in every place: a batch's kind says nothing of the examples in it."""
    batches, steps = stream(prior=0.0, size=2), 600
    for place in (0, 1):
        found = []
        for step in range(steps):
            _, tasks = batches._kind(np.random.default_rng((batches.seed, step)))
            _, given = batches.sample(step, place)
            found.append(("mri" in tasks, float(given["noise"]) / 10))
        planar = np.array([number for kind, number in found if kind])
        cubes = np.array([number for kind, number in found if not kind])
        assert abs(len(planar) / steps - 1 / 3) < 4 * (2 / 9 / steps) ** 0.5
        for numbers in (planar, cubes):
            deviation = ((PER_TASK**2 - 1) / 12 / len(numbers)) ** 0.5
            assert abs(numbers.mean() - (PER_TASK - 1) / 2) < 4 * deviation


@pytest.mark.parametrize("prior", [0.0, 0.3, 1.0])
def test_patches_without_an_observation_are_as_many_as_said(prior):
    batches, count = stream(prior=prior), 300
    blind = sum(float(batches.sample(step, 1)[1]["fraction"]) == -2 for step in range(count))
    assert abs(blind / count - prior) <= 4 * (prior * (1 - prior) / count) ** 0.5


@pytest.mark.parametrize("side", [8, 16, 48, 64])
def test_slabs_hold_about_as_many_voxels_as_cubes(side):
    """Whole slices' sides are multiples of 8, so that they are off by 4 of them at most."""
    depth, wide, tall = slab(side)
    assert depth == SLAB and wide == tall and wide % 8 == 0
    assert wide == 8 or abs(wide - (side**3 / SLAB) ** 0.5) <= 4
    assert largest(side) >= max(side**3, depth * wide * tall)


def test_one_kind_of_task_is_enough():
    for task, shape in (("denoise", (8, 8, 8)), ("mri", slab(8))):
        batches = stream(examples=[e for e in EXAMPLES if e.task == task])
        for image, _ in (batches.sample(step, 0) for step in range(4)):
            assert sorted(image.shape[2:]) == sorted(shape)


def test_the_axis_of_which_least_was_seen_comes_first():
    """Of equal ones each order comes as often, within 4 deviations; whole slices lie across the last axis."""
    random, count = np.random.default_rng(0), 600
    known = {"superres": (1.0, 0.25, 1.0), "mri": (1.0, 1.0, 0.125), "ct": (1.0, 0.5, 0.5)}
    wanted = {"superres": [(1, 0, 2), (1, 2, 0)], "mri": [(2, 1, 0)], "ct": [(1, 2, 0), (2, 1, 0)]}
    for task, along in known.items():
        each = replace(example("denoise", 0), task=task, along=along)
        found = Counter(tuple(turn(each, random)) for _ in range(count))
        share = 1 / len(wanted[task])
        assert found.keys() == set(wanted[task])
        assert all(abs(n / count - share) <= 4 * (share * (1 - share) / count) ** 0.5 for n in found.values())


shapes = st.tuples(*[st.integers(1, 9)] * 3)


@settings(max_examples=40, deadline=None)
@given(
    shapes,
    shapes,
    st.sampled_from(list(permutations(range(3)))),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.data(),
)
def test_a_view_is_numpy_s_own(size, shape, axes, flips, data):
    """Cut, mirrored where the array ends, turned and flipped as numpy's own functions do."""
    array = np.random.default_rng(0).integers(0, 999, size).astype(np.float16)
    start = [data.draw(st.integers(0, max(n - want, 0))) for n, want in zip(size, shape, strict=True)]
    mirrored = [_mirrored(n, a, want) for n, a, want in zip(size, start, shape, strict=True)]
    flipped = [axis for axis in range(3) if flips[axis]]
    wanted = np.flip(array[np.ix_(*mirrored)].transpose(axes), flipped)
    found = View(start, shape, axes, flipped)(torch.from_numpy(array))
    assert found.shape == (1, 1, *wanted.shape) and found.dtype == torch.float32 and found.is_contiguous()
    assert np.array_equal(found[0, 0].numpy(), wanted.astype(np.float32))


def _mirrored(size: int, start: int, count: int) -> list[int]:
    """start, start + 1 ... size - 1, size - 2 ... start, start + 1 ..."""
    have = min(count, size - start)
    there = list(range(start, start + have))
    period = there + there[-2:0:-1]
    return [period[k % len(period)] for k in range(count)]


def test_air_is_drawn_again():
    """An example half of which is air: three draws leave an eighth of the patches in it, within 4 deviations."""
    clean = np.zeros((64, 8, 8), dtype=np.float16)
    clean[32:] = 0.5
    each = Example("denoise", clean, clean, clean, np.zeros(0, dtype=bool), 0.1, 1.0)
    random, count = np.random.default_rng(0), 400
    starts = [corner(each, (1, 8, 8), random)[0] for _ in range(count)]
    empty = sum(start < 32 for start in starts) / count
    assert abs(empty - 1 / 8) < 4 * (7 / 64 / count) ** 0.5
