"""The laws of every operator on the list: linear, its adjoint exact, its solve the dense one, samples apart."""

import pytest
import torch
from laws import real_rows
from volumes.operators.settings import SETTINGS, SMALL, TINY, draw

from scidiff.engine.operator import solve
from scidiff.volumes.operators import OPERATORS, kspace

ALL = [(name, i) for name, settings in SETTINGS.items() for i in range(len(settings))]


def test_every_operator_on_the_list_is_tried():
    assert set(OPERATORS) <= set(SETTINGS) and set(OPERATORS) <= set(SMALL)
    for name, settings in SETTINGS.items():
        assert name == "composed" or all(type(operator) is OPERATORS[name] for _, operator in settings)


def dot(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((real_rows(a) * real_rows(b)).sum())


@pytest.mark.parametrize(("name", "index"), ALL)
def test_adjoint(name, index):
    """<A x, y> = <x, A^T y> with y half of A x, so that the products are large."""
    shape, operator = SETTINGS[name][index]
    x = draw(shape)
    image = operator(x)
    y = image + torch.randn(image.shape, generator=torch.Generator().manual_seed(1), dtype=image.dtype)
    assert operator.adjoint(y).shape == x.shape and not operator.adjoint(y).is_complex()
    assert abs(dot(image, y) / dot(x, operator.adjoint(y)) - 1) < 1e-5
    assert torch.allclose(operator.normal(x), operator.adjoint(image), rtol=1e-4, atol=1e-4 * float(image.abs().max()))


@pytest.mark.parametrize("index", range(len(SETTINGS["kspace"])))
def test_kspace_is_the_same_slab_by_slab(index, monkeypatch):
    """Small volumes are one slab; here every slab is a plane or two."""
    shape, operator = SETTINGS["kspace"][index]
    x = draw(shape)
    whole = operator.normal(x)
    monkeypatch.setattr(kspace, "SLAB", 2 * x.numel() // min(shape))
    assert torch.allclose(operator.normal(x), whole, rtol=1e-5, atol=1e-5 * float(whole.abs().max()))


@pytest.mark.parametrize(("name", "index"), ALL)
def test_linear_and_sample_by_sample(name, index):
    shape, operator = SETTINGS[name][index]
    x, z = draw(shape, 0), draw(shape, 1)
    both, apart = operator(2 * x - 3 * z), 2 * operator(x) - 3 * operator(z)
    assert torch.allclose(both, apart, rtol=1e-4, atol=1e-4)
    assert torch.allclose(operator(x)[1:], operator(x[1:]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "index"), ALL)
def test_count_is_what_can_be_seen(name, index):
    """Measured entries are those that some volume reaches (but for detectors beside the slice)."""
    shape, operator = SETTINGS[name][index]
    seen = (operator(draw(shape, 5, 30)).abs() > 1e-6).any(0)
    if name != "radon" and (name, index) != ("composed", 2):
        assert operator.count(seen[None]) == int(seen.sum())


@pytest.mark.parametrize("name", SMALL)
def test_conjugate_gradients_against_a_dense_solve(name):
    operator, rhs = SMALL[name], draw(TINY)
    count = rhs[0].numel()
    rows = real_rows(operator(torch.eye(count).reshape(count, 1, *TINY))).T
    exact = torch.linalg.solve(rows.T @ rows + 0.1 * torch.eye(count), rhs.flatten(1).double().T).T
    found = solve(operator, rhs, 0.1, steps=60, tolerance=1e-6).flatten(1)
    assert (found - exact).norm() < 1e-5 * exact.norm()
