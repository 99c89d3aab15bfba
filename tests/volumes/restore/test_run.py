"""Whose answer is returned, what is computed, and what is told of it."""

import math

import pytest
import torch

from scidiff.store.errors import UserError
from scidiff.volumes.problem import TASKS, pose
from scidiff.volumes.restore import run
from scidiff.volumes.restore.run import How, Work
from tests.volumes.tiny import STEPS, TRUTH, UNIT, observation, saying, tiny_model

KNOWN = {"calibration": {"trust": {}, "width": {"denoise": [math.log(2.0), 0.0, 0.0, 0.0]}}}


def truthful(error: float = 0.0):
    """A denoiser that says the truth of the head, or a share of the classical answer's error more."""

    def says(state, moment):
        return (1 - error) * (TRUTH - state.context["estimate"]) / UNIT

    return says


@pytest.mark.parametrize("task", TASKS)
def test_an_untrained_network_gives_the_classical_answer(task):
    """Its output is 0 and so is the residual, exactly; two equal answers are no harm."""
    answer = tiny_model().restore(observation(task), task)
    assert torch.equal(answer.x, pose(observation(task), task).estimate)
    assert torch.equal(answer.model, answer.classical)
    assert answer.verdict.harmless
    assert answer.verdict.ours == answer.verdict.classical
    assert answer.sd is answer.samples is None


@pytest.mark.parametrize("task", TASKS)
def test_a_network_gone_wrong_is_not_returned(task):
    """One unit off everywhere, that is a tenth of the brightest tissue."""
    seen = observation(task)
    answer = tiny_model(bias=3.0).restore(seen, task)
    assert not answer.verdict.harmless
    assert torch.equal(answer.x, answer.classical)
    assert not torch.equal(answer.model, answer.classical)
    assert answer.verdict.ours > answer.verdict.classical
    unchecked = tiny_model(bias=3.0).restore(seen, task, How(check=False))
    assert torch.equal(unchecked.x, answer.model)
    assert not unchecked.verdict.held


def test_a_network_that_gives_no_numbers_is_not_returned():
    answer = tiny_model(bias=float("nan")).restore(observation("denoise"), "denoise")
    assert not answer.verdict.harmless
    assert torch.equal(answer.x, answer.classical)


@pytest.mark.parametrize("task", TASKS)
def test_a_network_that_knows_the_truth_is_returned(task):
    """The prior's trust is 0, so that its word is the answer, to the rounding of x^ + s r."""
    answer = saying(tiny_model(), truthful()).restore(observation(task), task)
    assert answer.verdict.harmless
    assert float((answer.x - TRUTH).abs().max()) < 1e-6
    assert answer.residual == pytest.approx(1.0, rel=0.1) or task == "inpaint"  # which has no noise


def test_what_an_inpainted_scan_knows_is_returned_to_the_bit():
    seen = observation("inpaint")
    kept = seen.operator.kept[None, None]
    answer = tiny_model(bias=3.0).restore(seen, "inpaint", How(check=False, samples=2))
    assert torch.equal(answer.x[kept], TRUTH[kept])
    assert not torch.equal(answer.x[~kept], answer.classical[~kept])
    assert not answer.sd[kept].any()
    assert (answer.sd[~kept] > 0).all()


@pytest.mark.parametrize("bias", [0.0, 3.0])
@pytest.mark.parametrize("task", ["superres", "mri", "ct"])
def test_the_residual_is_that_of_what_is_returned(task, bias):
    """|A x - y| / (sigma sqrt m), and A'(y - A x) in the units of the volume, |A'A| = 1 of what it is divided by."""
    seen = observation(task)
    answer = tiny_model(bias).restore(seen, task)
    assert answer.residual == pytest.approx(float(seen.residual(answer.x)))
    plain = seen.mismatch(answer.x)
    ratio = float(plain.norm() / answer.mismatch.norm())
    assert torch.allclose(answer.mismatch * ratio, plain, atol=1e-4 * float(plain.abs().max()))
    assert answer.mismatch.norm() <= pose(seen, task).mismatch.norm() * 1.001 or bias == 0


@pytest.mark.parametrize(
    ("how", "evaluations"),
    [
        (How(), 2),
        (How(check=False), 1),
        (How(samples=2), 2 * STEPS + 2),
        (How(samples=2, steps=5), 2 * 5 + 2),
        (How(method="posterior", steps=4), 2 * 4),
        (How(method="posterior", steps=4, samples=2, check=False), 2 * 4),
    ],
)
def test_nothing_is_computed_twice_and_progress_tells_of_all_of_it(monkeypatch, how, evaluations):
    """One classical answer to everything, one to what is not held out; and so many looks of the network."""
    posed, told, looked = [], [], []
    monkeypatch.setattr(run, "pose", lambda *given: posed.append(given) or pose(*given))
    model = saying(tiny_model(), lambda state, moment: looked.append(moment) or 0 * state["image"])
    model.restore(observation("denoise"), "denoise", how, progress=lambda *now: told.append(now))
    assert len(posed) == 1 + how.check
    assert len(looked) == evaluations
    total = len(posed) + evaluations
    assert told == [(done, total) for done in range(1, total + 1)]


def test_progress_ends_where_nothing_could_be_held_out():
    """Four views are too few."""
    from scidiff.engine.operator import Observation
    from scidiff.volumes.operators.radon import Radon, views

    operator, told = Radon(tuple(TRUTH.shape[2:4]), views(4)), []
    seen = Observation(operator(TRUTH), operator, 0.1)
    answer = tiny_model().restore(seen, "ct", progress=lambda *now: told.append(now))
    assert "views" in answer.verdict.reason
    assert told[-1][0] == told[-1][1]


def test_samples_are_the_same_in_any_number():
    two, three = (tiny_model(0.5).restore(observation("denoise"), "denoise", How(samples=n)) for n in (2, 3))
    assert torch.equal(two.samples, three.samples[:2])
    assert not torch.equal(three.samples[0], three.samples[1])
    assert two.sd.shape == TRUTH.shape


def test_the_deviation_is_calibrated_by_task():
    raw, wide = (tiny_model(**more).restore(observation("denoise"), "denoise", How(samples=2)) for more in ({}, KNOWN))
    assert torch.equal(2 * raw.sd, wide.sd)


def test_windows_change_nothing_and_too_small_ones_are_refused_before_any_work(monkeypatch):
    """The tiny network reaches 23 voxels: windows of 64 over 72 agree with the whole to the rounding of bfloat16."""
    from scidiff.engine.operator import Observation
    from scidiff.volumes.operators.identity import Identity

    model = tiny_model()
    torch.nn.init.normal_(model.network.leave.weight, std=0.05)
    noisy = torch.randn((1, 1, 72, 8, 8), generator=torch.Generator().manual_seed(0))
    seen = Observation(noisy, Identity(), 1.0)
    told = []
    whole, cut = (
        model.restore(seen, "denoise", How(window=window, check=False), progress=lambda *now: told.append(now))
        for window in (None, 64)
    )
    assert told == [(1, 2), (2, 2), (1, 3), (2, 3), (3, 3)]
    moved = float((whole.x - whole.classical).std())
    assert moved > 0
    assert float((whole.x - cut.x).abs().max()) < 0.05 * moved
    monkeypatch.setattr(run, "pose", lambda *given: pytest.fail("this took work"))
    with pytest.raises(UserError, match="take 60 or more"):
        model.restore(seen, "denoise", How(window=40))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "conditionned"}, "Did you mean 'conditioned'"),
        ({"method": "posterior", "guidance": "dsp"}, "moment, diffpir, ddnm, dps"),
        ({"guidance": "dps"}, "method=posterior"),
        ({"samples": 1}, "samples=2"),
        ({"samples": -1}, "0 or more"),
        ({"steps": 0}, "1 or more"),
        ({"window": 0}, "1 or more"),
    ],
)
def test_settings_that_will_not_do_are_refused(settings, words):
    with pytest.raises(UserError, match=words):
        How(**settings)


def test_a_task_the_model_does_not_know_is_refused_but_for_the_prior():
    model = tiny_model(tasks=["denoise"])
    with pytest.raises(UserError, match="trained to denoise, not to ct; method=posterior"):
        Work(model, "ct", How())
    assert Work(model, "ct", How(method="posterior")).count == 1
    with pytest.raises(UserError, match="no baseline 'fbp' for denoise"):
        Work(model, "denoise", How(baseline="fbp"))
