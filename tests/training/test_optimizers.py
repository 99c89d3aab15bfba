"""Muon and AdamW as one optimiser do what each does alone; learning rates are as written at known steps."""

import copy
import io
import math

import pytest
import torch
from torch import nn

from scidiff.training.optimizers import NARROW, MuonAdamW
from scidiff.training.rates import Cosine, Plateau


def net() -> nn.Module:
    """Wide and narrow matrices, gains and biases."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(80, 96), nn.LayerNorm(96), nn.Linear(96, NARROW), nn.Linear(NARROW, 3))


def learn(model: nn.Module, optimizers, steps: int, first: int = 0) -> None:
    for step in range(first, first + steps):
        x = torch.randn(16, 80, generator=torch.Generator().manual_seed(step))
        model.zero_grad()
        model(x).square().sum().backward()
        for optimizer in optimizers:
            optimizer.step()


def apart(model: nn.Module) -> list[torch.optim.Optimizer]:
    wide = [p for p in model.parameters() if p.dim() == 2 and min(p.shape) >= NARROW]
    rest = [p for p in model.parameters() if p.dim() != 2 or min(p.shape) < NARROW]
    assert len(wide) == 2 and len(rest) == 6
    return [
        torch.optim.Muon(wide, lr=1e-2, momentum=0.9, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=1e-2, betas=(0.8, 0.95), weight_decay=0.1, fused=True),
    ]


def together(model: nn.Module) -> MuonAdamW:
    return MuonAdamW(model.parameters(), lr=1e-2, momentum=0.9, betas=(0.8, 0.95), weight_decay=0.1)


def test_both_step_as_each_alone():
    """Bit for bit, over several steps."""
    one, two = net(), net()
    learn(one, [together(one)], 3)
    learn(two, apart(two), 3)
    for mine, theirs, start in zip(one.parameters(), two.parameters(), net().parameters(), strict=True):
        assert torch.equal(mine, theirs) and not torch.equal(mine, start)


def test_the_state_goes_round():
    """Saved, loaded safely, and stepped on: bit for bit the uninterrupted weights."""
    whole, half = net(), net()
    learn(whole, [together(whole)], 4)
    first = together(half)
    learn(half, [first], 2)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    fresh = copy.deepcopy(half)
    second = together(fresh)
    second.load_state_dict(torch.load(file, weights_only=True))
    learn(fresh, [second], 2, first=2)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), fresh.parameters(), strict=True))


def test_a_scheduler_reaches_both_also_after_loading():
    model = net()
    optimizer = together(model)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0)
    before = [p.clone() for p in model.parameters()]
    learn(model, [optimizer], 1)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_weight_without_gradient_rests():
    model = net()
    optimizer = together(model)
    learn(model, [optimizer], 1)
    before = [p.clone() for p in model.parameters()]
    model.zero_grad(set_to_none=True)
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("rate", "known"),
    [
        (Plateau(1000, warmup=100, fall=0.2), {0: 0.01, 49: 0.5, 99: 1, 500: 1, 800: 1, 900: 0.5, 1000: 0, 2000: 0}),
        (Cosine(1100, warmup=100), {0: 0.01, 49: 0.5, 100: 1, 600: 0.5, 350: 0.853553, 1100: 0, 2000: 0}),
        (Plateau(3, warmup=1, fall=0.3), {0: 1, 2: 1, 3: 0}),
    ],
    ids=str,
)
def test_rates_at_known_steps(rate, known):
    for step, factor in known.items():
        assert rate(step) == pytest.approx(factor, abs=1e-6)


@pytest.mark.parametrize("kind", [Plateau, Cosine])
def test_rates_rise_then_fall(kind):
    found = [kind(400, warmup=50)(step) for step in range(401)]
    peak = found.index(max(found))
    assert found[: peak + 1] == sorted(found[: peak + 1]) and found[peak:] == sorted(found[peak:], reverse=True)
    assert all(0 <= value <= 1 and math.isfinite(value) for value in found)
