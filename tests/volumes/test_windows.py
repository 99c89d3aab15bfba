"""Windows and the whole volume give the same estimate: exactly where margins are wide enough, and always in sum."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import Observed, noise
from volumes.heads import head

from scidiff.engine.estimate import Denoiser, Estimate, Moment
from scidiff.engine.guidance.multistep import Multistep
from scidiff.engine.guidance.posterior import MomentMatching
from scidiff.engine.operator import Observation
from scidiff.engine.plan import Plan
from scidiff.engine.process import Gaussian
from scidiff.engine.schedule import Cosine
from scidiff.engine.state import State
from scidiff.engine.walk import LogSNR
from scidiff.store.errors import UserError
from scidiff.volumes.networks.unet import UNet
from scidiff.volumes.operators.mask import Mask
from scidiff.volumes.windows import HELD, Windows, bytes_per_voxel, shares, window_for

EXACT = 1e-12  # of the output's deviation: float64 leaves 1e-15
GIVEN = ("estimate", "mismatch", "mask", "noise", "fraction")


def network(width: int = 4, blocks: tuple[int, ...] = (1, 1)) -> UNet:
    """Every weight moved off its first value, so that none hides as zero."""
    torch.manual_seed(0)
    built = UNet(dict.fromkeys(GIVEN, 1), width=width, blocks=blocks)
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return built


def bare(built: UNet) -> Denoiser:
    """The network's own output: F, whose unit is 1."""
    return lambda state, moment: Estimate(built(state, moment.t, None))


def noisy(shape: tuple[int, int, int], dtype: torch.dtype = torch.float64) -> tuple[State, Moment]:
    """A head with noise, and what a network is told of it."""
    draw = torch.Generator().manual_seed(1)
    clean, (image, error, mismatch) = (
        torch.tensor(head(shape))[None, None],
        torch.randn(3, 1, 1, *shape, generator=draw),
    )
    told = {"estimate": clean + 0.1 * error, "mismatch": mismatch, "mask": (clean > 0.3).float()}
    told |= {"noise": torch.tensor([0.5]), "fraction": torch.tensor([[[[[0.3]]]]])}
    context = {name: value.to(dtype) for name, value in told.items()}
    return State({"image": image.to(dtype)}, context=context), Moment(torch.tensor([0.4], dtype=dtype))


@torch.no_grad()
def far(built: UNet, windows: Windows, state: State, moment: Moment) -> float:
    """The largest difference that windows make, in deviations of the output."""
    whole = bare(built)(state, moment)["image"]
    return float((windows(bare(built))(state, moment)["image"] - whole).abs().max() / whole.std())


@pytest.mark.parametrize(
    ("shape", "count"),
    [((101, 6, 5), [5, 1, 1]), ((66, 79, 6), [2, 3, 1]), ((7, 64, 70), [1, 1, 2])],
    ids=str,
)
def test_a_margin_as_wide_as_the_reach_is_exact(shape, count):
    """Windows along one axis and along two, of sizes that are no multiples; the reach is 23, windows go by 4."""
    built = network().double()
    windows = Windows(64, margin=built.reach, ramp=6, multiple=built.multiple)
    assert [len(along) for along in windows.spans(shape)] == count
    assert far(built, windows, *noisy(shape)) < EXACT


def test_a_smaller_margin_or_another_grid_is_seen():
    built, asked = network().double(), noisy((101, 6, 5))
    windows = Windows(64, margin=built.reach, ramp=6, multiple=built.multiple)
    assert 1e-6 < far(built, replace(windows, margin=8), *asked) < 0.5
    assert far(built, replace(windows, multiple=1, size=62), *asked) > 0.01


def test_the_default_network_agrees_with_the_default_margin():
    """In float32, which errs by 6e-8 of each of some thousand terms; 1e-3 is asked."""
    built, asked = network(32, (2, 1, 1)), noisy((160, 8, 8), torch.float32)
    assert Windows(144).margin == built.reach and Windows(144).multiple == built.multiple
    assert far(built, Windows(144), *asked) < 1e-4
    assert far(built, Windows(144, margin=40), *asked) < 1e-2


def test_gradients_agree_too():
    """Guidance by gradients goes through every window."""
    built, (state, moment) = network(blocks=(1,)).double().requires_grad_(False), noisy((40, 6, 5))
    windows, probe = Windows(32, margin=built.reach, ramp=2, multiple=2), torch.randn(1, 1, 40, 6, 5)
    slopes = []
    for denoiser in (bare(built), windows(bare(built))):
        x = state["image"].clone().requires_grad_()
        answer = denoiser(state.replace(image=x), moment)["image"]
        slopes += torch.autograd.grad((probe * answer).sum(), x)
    assert (slopes[1] - slopes[0]).abs().max() < EXACT * slopes[0].std()


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.integers(1, 200), st.integers(0, 30), st.integers(0, 12), st.integers(1, 16))
def test_weights_are_a_partition_of_unity(length, size, margin, ramp, multiple):
    """Every voxel's weights sum to 1, windows begin at multiples, and no end within a volume has a weight."""
    windows = Windows(size, margin, ramp, multiple)
    if length > size and size < windows.overlap + multiple:
        with pytest.raises(UserError, match="too small"):
            windows.spans((length,))
        return
    (spans,), total = windows.spans((length,)), torch.zeros(length, dtype=torch.float64)
    assert spans[0].start == 0 and spans[-1].stop == length
    for span, weight in shares(spans, margin, ramp):
        assert span.start % multiple == 0 and span.stop - span.start <= size
        assert span.start == 0 or not weight[:margin].any()
        assert span.stop == length or not weight[len(weight) - margin :].any()
        total[span] += weight
    assert (total - 1).abs().max() < EXACT


def test_a_denoiser_of_single_voxels_does_not_notice():
    """What it says of the image, the context and its last estimate is put together again, to float32's 1e-7."""
    draw = torch.Generator().manual_seed(0)
    image, seen, last, plain = (torch.randn(2, 1, 19, 11, 6, generator=draw) for _ in range(4))
    context = {"seen": seen[:1], "slope": torch.arange(19.0).reshape(1, 1, 19, 1, 1), "name": "brain"}
    context |= {
        "level": torch.tensor([0.2, 0.7]),
        "points": torch.zeros(1, 1, 3, 3, 3),
        "colours": seen.repeat(1, 3, 1, 1, 1),
    }
    known = Estimate({"image": last}, Estimate({"image": plain}))
    sizes = []

    def local(state: State, moment: Moment) -> Estimate:
        given, sizes_here = state.context, state["image"].shape[2:]
        assert given["name"] == "brain" and given["points"].shape[2:] == (3, 3, 3)
        assert given["colours"].shape[1:] == (3, *sizes_here)
        sizes.append(tuple(sizes_here))
        x = state["image"] + given["seen"] * state.spread(given["level"], "image") + given["slope"]
        x = x + given["colours"].mean(1, keepdim=True)
        return Estimate({"image": x + moment.last["image"]}, Estimate({"image": x - moment.last.before_rule["image"]}))

    asked = State({"image": image}, context=context), Moment(torch.tensor([0.3, 0.6]), last=known)
    whole, found = local(*asked), Windows((8, 6, 9), margin=1, ramp=2, multiple=2)(local)(*asked)
    assert set(sizes[1:]) == {(8, 6, 6), (7, 6, 6), (8, 5, 6), (7, 5, 6)}
    assert torch.allclose(found["image"], whole["image"], atol=1e-6, rtol=1e-6)
    assert torch.allclose(found.plain["image"], whole.plain["image"], atol=1e-6, rtol=1e-6)


def test_a_small_volume_is_one_window():
    """The denoiser is asked once, for what it would have been asked for."""
    asked = noisy((7, 5, 9))
    assert Windows(9)(lambda state, moment: (state, moment))(*asked) == asked


def test_what_is_no_volume_cannot_be_blended():
    state, moment = noisy((12, 4, 4))
    with pytest.raises(ValueError, match="image is no volume"):
        Windows(8, 1, 2, 2)(lambda state, moment: Estimate({"image": state["image"].mean((2, 3, 4))}))(state, moment)
    with pytest.raises(UserError, match="8 voxels are too small for margins of 2: take 10"):
        Windows(8, 2, 4, 2)(bare(network()))(state, moment)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"size": (8, 0, 8)}, {"margin": -1}, {"ramp": -1}, {"multiple": 0}])
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match="1 or more"):
        Windows(**{"size": 8, **wrong})


@pytest.mark.parametrize("multistep", [False, True])
def test_the_posterior_of_a_gaussian_law_is_the_same(multistep):
    """Measurements and multistep around windows: every sample is that of the whole volume, to float32."""
    shape = (18, 7, 4)
    truth, kept = (torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(k)) for k in (1, 2))
    operator = Mask(kept[0, 0] > 0.5)
    law = Observed(Gaussian(Cosine()), Observation(operator(truth), operator, 0.2), shape)
    after = [MomentMatching(law.observation, Cosine(), law.deviation)] + [Multistep(law.processes)] * multistep
    found = []
    for inner in ([], [Windows((8, 6, 4), margin=1, ramp=2, multiple=2)]):
        plan = Plan(lambda schedule, steps: LogSNR(schedule, steps, 0.02, 20.0), steps=8, guidance=[*inner, *after])
        found.append(plan.sampler(law.processes, "image")(law.denoiser(), law.blank(3), noise(count=3))["image"])
    assert (found[1] - found[0]).abs().max() < 1e-5


def test_the_whole_volume_if_it_fits():
    built = network(32, (2, 1, 1))
    assert window_for((256, 256, 256), built, 4e9).size == (256, 256, 256)
    assert window_for((20, 300, 7), built, 4e9).size == (24, 304, 8)
    assert window_for((500, 500, 500), torch.nn.Identity(), 1.0).size == (500, 500, 500)


@pytest.mark.parametrize("free", [0.8e9, 1.5e9, 6e9])
@pytest.mark.parametrize("shape", [(256, 256, 256), (512, 512, 60), (300, 200, 190)], ids=str)
def test_windows_that_fit(shape, free):
    """Within what is free, with the network's own margin and multiple; more memory asks for fewer voxels."""
    built, computed = network(32, (2, 1, 1)), []
    for share in (1, 2):
        windows = window_for(shape, built, share * free)
        lengths = [[span.stop - span.start for span in along] for along in windows.spans(shape)]
        largest = math.prod(max(along) for along in lengths)
        assert (windows.margin, windows.multiple) == (built.reach, built.multiple)
        assert bytes_per_voxel(built) * largest + HELD * math.prod(shape) <= share * free
        computed.append(math.prod(sum(along) for along in lengths))
    assert computed[0] >= computed[1] >= math.prod(shape)
    assert window_for(shape, built, 2 * free, samples=2) == window_for(shape, built, free)


def test_too_little_memory_is_said():
    with pytest.raises(UserError, match=r"300 x 300 x 300 voxels needs 0\.8 GB of memory; 0\.1 are free"):
        window_for((300, 300, 300), network(32, (2, 1, 1)), 1e8)
