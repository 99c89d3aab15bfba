"""The solver and its proximal steps, against exact answers and another's code."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from skimage.restoration import denoise_tv_chambolle
from volumes.baselines.problems import PROBLEMS, SHAPE, observe, truth

from scidiff.engine.operator import Composed
from scidiff.volumes.baselines import totalvariation
from scidiff.volumes.baselines.totalvariation import (
    TotalVariation,
    adjoint_differences,
    differences,
    lengths,
    total_variation,
)
from scidiff.volumes.baselines.variational import Variational, objective, squared_norm
from scidiff.volumes.baselines.wavelets import Wavelets
from scidiff.volumes.operators import Identity, KSpace, Mask, Resample


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def weight(value: float) -> torch.Tensor:
    return torch.full((1, 1, 1, 1, 1), value)


def test_differences_and_their_adjoint():
    x, p = random(2, 1, 5, 6, 1), differences(random(2, 1, 5, 6, 1, seed=1))
    assert torch.allclose((differences(x) * p).sum(), (x * adjoint_differences(p)).sum(), rtol=1e-5)
    step = torch.zeros(1, 1, 4, 4, 4)
    step[:, :, 2:] = 1
    assert float(total_variation(step)) == 16  # one face of 4 x 4


def test_total_variation_is_scikit_images():
    """Both are iterative, of the same minimiser: 0.3 % of the range apart (rms) after 100 steps and theirs at 1e-7."""
    y = observe(Identity(), 0.1, truth())
    ours = TotalVariation(100)(y, weight(0.06))[0, 0].numpy()
    theirs = denoise_tv_chambolle(y[0, 0].double().numpy(), 0.06, eps=1e-7, max_num_iter=500)
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 1e-3 and np.abs(ours - theirs).max() < 1e-2
    # nearer to the minimum than their default
    loose = torch.from_numpy(denoise_tv_chambolle(y[0, 0].numpy(), 0.06))[None, None]
    cost = [float(objective(x, y, Identity(), 0.06, total_variation)) for x in (torch.tensor(ours)[None, None], loose)]
    assert cost[0] < cost[1]


def test_the_gap_of_total_variation_closes():
    """Duality: |x - v|^2 / 2 + w TV(x) >= |v|^2 / 2 - |v - D'p|^2 / 2 for all |p| <= w, and equal at the end."""
    v, gaps = observe(Identity(), 0.1, truth()), []
    for steps in (5, 20, 80, 320):
        prox = TotalVariation(steps)
        x = prox(v, weight(0.05))
        assert lengths(prox.p).max() <= 0.05 * (1 + 1e-6)
        above = float(objective(x, v, Identity(), 0.05, total_variation))
        below = float((v.double().square().sum() - (v - adjoint_differences(prox.p)).double().square().sum()) / 2)
        gaps.append((above - below) / above)
    assert all(later < earlier for earlier, later in pairwise(gaps)) and abs(gaps[-1]) < 1e-3


@pytest.mark.parametrize("planes", [1, 3, 31])
def test_slabs_do_not_matter(planes, monkeypatch):
    """However many planes are taken at a time, of one sample or of two, it is the answer of the whole."""
    v = random(2, 1, *SHAPE)
    whole = TotalVariation(6, lowest=-0.5)(v, weight(0.3))
    monkeypatch.setattr(totalvariation, "SLAB", planes * v[:, :, 0].numel())
    assert (TotalVariation(6, lowest=-0.5)(v, weight(0.3)) - whole).abs().max() < 1e-6


@pytest.mark.parametrize("problem", ["coarse", "coils", "views"])
def test_a_few_steps_follow_the_minimum(problem):
    """From call to call v hardly changes: the four steps of the default answer as thirty do, within 1e-3 (rms)."""
    _, operator, sigma = PROBLEMS[problem]
    operator, x = operator(), truth()
    y = observe(operator, sigma, x)

    def answer(**how) -> torch.Tensor:
        return Variational(lambda: TotalVariation(lowest=0.0, **how), 0.1, 3e-4, steps=25, tolerance=0)(
            y, operator, sigma
        )

    exact = answer(steps=30)
    assert (answer() - exact).square().mean().sqrt() < 1e-3
    assert (answer(steps=1) - exact).abs().max() > 1e-3  # it does take some


@pytest.mark.parametrize("problem", ["coarse", "holes", "coils", "views"])
def test_the_objective_decreases_to_one_minimum(problem):
    """Through every kind of operator: from step to step, and from two starts to the same value within 1 %."""
    _, operator, sigma = PROBLEMS[problem]
    operator, x = operator(), truth()
    y = observe(operator, sigma, x)
    square = squared_norm(operator, x)
    w = 0.3 * sigma * float(square.sqrt())

    def cost(steps: int, start=None) -> float:
        how = Variational(lambda: TotalVariation(20), 0.3, 0.0, steps=steps, tolerance=0, start=start)
        return float(objective(how(y, operator, sigma), y, operator, w, total_variation))

    costs = [cost(steps) for steps in (1, 3, 10, 30)]
    assert all(later < earlier for earlier, later in pairwise(costs))
    assert cost(60) == pytest.approx(cost(60, start=lambda *_: truth()), rel=0.01)


def test_the_norm_is_found():
    x = truth()
    half = Resample(SHAPE, (2.0, 2.0, 2.0))
    maps = torch.complex(random(3, *SHAPE), random(3, *SHAPE, seed=1))
    full = torch.ones(1, 1, 1, dtype=torch.bool)
    for operator, wanted in (
        (Identity(), 1.0),
        (Mask(truth()[0, 0] > 0.5), 1.0),
        (half, 0.125),
        (Composed(half, Mask(torch.ones(SHAPE, dtype=torch.bool))), 0.125),
        (KSpace(full), 1.0),
    ):
        assert float(squared_norm(operator, x)) == pytest.approx(wanted, rel=1e-4)
    # a diagonal of random numbers is the hardest: the largest is approached slowly, and never passed
    largest = float(maps.abs().square().sum(0).max())
    assert 0.75 * largest < float(squared_norm(KSpace(full, maps=maps), x)) <= largest * (1 + 1e-5)


def test_wavelets_keep_what_is_not_shrunk():
    """Orthonormal on odd sizes and flat axes too; thresholds shrink, more with more weight."""
    for shape in ((17, 16, 21), (32, 1, 5)):
        v = random(2, 1, *shape)
        prox = Wavelets()
        assert all((prox(v, weight(0.0)) - v).abs().max() < 1e-5 for _ in range(3))
    v, sizes = random(1, 1, 16, 16, 16), []
    for w in (0.1, 0.5, 2.0):
        sizes.append(float(Wavelets()(v, weight(w)).norm()))
    assert sizes[2] < sizes[1] < sizes[0] < float(v.norm())


def test_the_bound_is_kept():
    prox = TotalVariation(20, lowest=0.0)
    assert prox(random(1, 1, 8, 8, 8), weight(0.1)).min() >= 0
