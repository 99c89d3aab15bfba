"""The default network is fully convolutional: shifts, windows and its reach are exact. In float64, so is the test."""

import pytest
import torch

from scidiff.engine.state import State
from scidiff.volumes.networks.frame import crop, pad
from scidiff.volumes.networks.unet import UNet, at_once, folded, one_by_one, unfolded

T = torch.tensor([0.4], dtype=torch.float64)
EXACT = 1e-12  # of the output's spread: float64 leaves 1e-15


def network(blocks=(1, 1), **changes) -> UNet:
    """Small, every weight moved off its first value."""
    torch.manual_seed(0)
    built = UNet({"estimate": 1}, width=4, blocks=blocks, **changes).double().eval()
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return built


@torch.no_grad()
def answer(built: UNet, image: torch.Tensor) -> torch.Tensor:
    """image (2, X, Y, Z): noisy, and an estimate."""
    return built(State({"image": image[None, :1]}, context={"estimate": image[None, 1:]}), T, None)["image"][0, 0]


def random(*sizes: int) -> torch.Tensor:
    return torch.randn(2, *sizes, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(("blocks", "reach", "multiple"), [((1, 1), 23, 4), ((1,), 9, 2), ((2, 1), 31, 4)])
def test_the_reach_is_what_it_says(blocks, reach, multiple):
    """A changed voxel changes the output up to `reach` away, for some place within a cell, and never beyond."""
    built = network(blocks)
    assert (built.reach, built.multiple) == (reach, multiple)
    image = random(96, 8, 8)
    plain, far = answer(built, image), 0
    for place in range(44, 44 + multiple):
        changed = image.clone()
        changed[:, place, 3, 5] += 10
        moved = (answer(built, changed) - plain).abs().amax((1, 2)).nonzero().flatten()
        far = max(far, int((moved - place).abs().max()))
    assert far == reach


def test_shifts_commute():
    """By `multiple` along each axis, beyond the reach of the borders."""
    built, step = network(), 4
    image = random(72, 12, 12)
    for axis, order in enumerate([(1, 2, 3), (2, 1, 3), (2, 3, 1)]):
        turned = image.permute(0, *order) if axis else image
        along = max(range(3), key=lambda k, shape=turned.shape[1:]: shape[k])
        plain = answer(built, turned).movedim(along, 0)
        shifted = answer(built, turned.roll(step, along + 1)).movedim(along, 0)
        inner = slice(built.reach + step, 72 - built.reach - step)
        assert (shifted[inner] - plain.roll(step, 0)[inner]).abs().max() < EXACT * plain.std()


def test_windows_agree_with_the_whole():
    """A window that starts at a multiple says what the whole says, but for its own borders."""
    built, image = network(), random(120, 10, 9)
    whole, window = answer(built, image), answer(built, image[:, 32:100])
    inner = slice(built.reach, 68 - built.reach)
    assert (window[inner] - whole[32:100][inner]).abs().max() < EXACT * whole.std()


def test_it_knows_its_size():
    """The default is 1.9 M parameters, its reach 59 voxels, and shifts go by 8."""
    built = UNet({"estimate": 1, "mask": 1, "noise": 1})
    assert 1.8e6 < sum(p.numel() for p in built.parameters()) < 1.9e6
    assert (built.reach, built.multiple) == (59, 8)


def test_an_anchor_is_what_it_begins_with():
    built, image = UNet({"estimate": 1}, width=4, blocks=(1,), anchor="estimate").double(), random(5, 6, 7)
    torch.nn.init.zeros_(built.leave.weight)
    assert torch.equal(answer(built, image), image[1])


@pytest.mark.parametrize("sizes", [(1, 3, 6), (9, 12, 21)])
@torch.no_grad()
def test_a_number_is_a_map_of_it_up_to_the_borders(sizes):
    """Numbers are convolved on three cells an axis and stretched: as whole maps, one, two or more cells long."""
    built = UNet({"estimate": 1, "noise": 1, "along": 3}, width=4, blocks=(1, 1)).double()
    torch.nn.init.normal_(built.leave.weight)
    image, numbers = random(*sizes), torch.rand(1, 4, 1, 1, 1, dtype=torch.float64)
    found = []
    for each in (numbers, numbers.expand(-1, -1, *sizes)):
        given = {"estimate": image[None, 1:], "noise": each[:, :1], "along": each[:, 1:]}
        found.append(built(State({"image": image[None, :1]}, context=given), T, None)["image"])
    assert (found[0] - found[1]).abs().max() < EXACT * found[1].std()


def test_folding_is_undone_and_keeps_neighbours_together():
    x = torch.arange(2 * 3 * 4 * 6 * 8.0).reshape(2, 3, 4, 6, 8)
    cells = folded(x, 2)
    assert cells.shape == (2, 24, 2, 3, 4) and torch.equal(unfolded(cells, 2), x)
    assert set(cells[0, :, 1, 2, 3].tolist()) == set(x[0, :, 2:4, 4:6, 6:8].flatten().tolist())
    assert cells.is_contiguous(memory_format=torch.channels_last_3d)


def test_padding_reflects_and_is_undone():
    x = torch.arange(5.0).reshape(1, 1, 5, 1, 1)
    assert pad(x, 4).shape == (1, 1, 8, 4, 4)
    assert pad(x, 4)[0, 0, :, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1]
    assert pad(x[:, :, :2], 8)[0, 0, :, 0, 0].tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
    assert torch.equal(crop(pad(x, 4), x.shape[2:]), x)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"blocks": ()}, {"blocks": (1, 0)}, {"fold": 0}])
def test_sizes_that_make_no_network_are_refused(wrong):
    with pytest.raises(ValueError):
        UNet(**wrong)


@pytest.mark.parametrize("samples", [1, 3])
def test_a_processor_and_a_gpu_normalise_alike(samples):
    cells, scale, shift = torch.randn(samples, 2, 3, 4, 8), torch.randn(samples, 8), torch.randn(samples, 8)
    normed = one_by_one(cells, scale, shift)
    assert normed == pytest.approx(at_once(cells, scale, shift), abs=1e-5)
    last = cells[-1] - cells[-1].mean(-1, keepdim=True)
    expected = scale[-1] * last / last.square().mean(-1, keepdim=True).sqrt()
    assert normed[-1] == pytest.approx(expected + shift[-1], abs=1e-3)
