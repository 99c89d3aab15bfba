"""The table of predictions: each row inverts its paper's definition of F, and its weighted loss is the paper's own."""

import pytest
import torch

from scidiff.engine.denoiser import NetworkDenoiser
from scidiff.engine.estimate import Moment
from scidiff.engine.noise import Noise
from scidiff.engine.parameterization import TABLE, Parameterization
from scidiff.engine.process import Gaussian
from scidiff.engine.schedule import Cosine, VarianceExploding
from scidiff.engine.state import State

LEVELS = [(1.0, 0.02), (1.0, 3.0), (0.9, 0.3), (0.3, 0.9), (0.6, 0.4)]
DATA = 0.7  # standard deviation of the clean data


def karras_target(x0, e, alpha, sigma):
    """Equation 7 of the paper, for data scaled by alpha: its own c_skip, c_out, c_in of alpha x_0 (table 1)."""
    data, x_t = alpha * DATA, alpha * x0 + sigma * e
    c_skip, c_out = data**2 / (sigma**2 + data**2), sigma * data / (sigma**2 + data**2) ** 0.5
    return (alpha * x0 - c_skip * x_t) / c_out


TARGETS = {
    "clean": lambda x0, e, alpha, sigma: x0,
    "epsilon": lambda x0, e, alpha, sigma: e,
    "score": lambda x0, e, alpha, sigma: -e / sigma,
    "v": lambda x0, e, alpha, sigma: alpha * e - sigma * x0,
    "flow": lambda x0, e, alpha, sigma: e - x0,
    "karras": karras_target,
}


def coefficients(row: str, alpha: float, sigma: float) -> tuple[torch.Tensor, ...]:
    return Parameterization(row, DATA)(*torch.tensor([alpha, sigma], dtype=torch.float64))


@pytest.fixture
def pair():
    """Clean data of deviation DATA and noise, float64."""
    draw = torch.Generator().manual_seed(0)
    x0, e = torch.randn(2, 1000, generator=draw, dtype=torch.float64)
    return DATA * x0, e


def test_every_row_is_tested():
    assert TARGETS.keys() == TABLE.keys()


@pytest.mark.parametrize(("alpha", "sigma"), LEVELS)
@pytest.mark.parametrize("row", TARGETS)
def test_the_cycle(row, alpha, sigma, pair):
    """x_0 = c_skip x_t + c_out F for the F that the paper defines, exactly (float64)."""
    c_skip, c_out, _ = coefficients(row, alpha, sigma)
    x0, e = pair
    back = c_skip * (alpha * x0 + sigma * e) + c_out * TARGETS[row](x0, e, alpha, sigma)
    assert torch.allclose(back, x0, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("alpha", "sigma"), LEVELS)
@pytest.mark.parametrize("row", TARGETS)
def test_the_weighted_loss_is_the_papers(row, alpha, sigma, pair):
    """|D - x_0|^2 / c_out^2 = |F - F*|^2, whatever the network says."""
    c_skip, c_out, _ = coefficients(row, alpha, sigma)
    x0, e = pair
    said = torch.sin(5 * x0) + e
    estimate = c_skip * (alpha * x0 + sigma * e) + c_out * said
    wanted = (said - TARGETS[row](x0, e, alpha, sigma)) ** 2
    assert torch.allclose((estimate - x0) ** 2 / c_out**2, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("alpha", "sigma"), LEVELS)
@pytest.mark.parametrize("row", TARGETS)
def test_the_network_sees_unit_variance(row, alpha, sigma):
    _, _, c_in = coefficients(row, alpha, sigma)
    assert float(c_in**2 * ((alpha * DATA) ** 2 + sigma**2)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("alpha", "sigma"), LEVELS)
def test_karras_asks_for_unit_variance_and_amplifies_errors_least(alpha, sigma):
    """Var F* = 1, and F* is uncorrelated with x_t: the two properties that define c_out and c_skip (appendix B.6)."""
    c_skip, c_out, _ = coefficients("karras", alpha, sigma)
    variance = (alpha * DATA) ** 2 + sigma**2
    assert float(alpha * DATA**2 - c_skip * variance) == pytest.approx(0, abs=1e-12)
    assert float(((1 - c_skip * alpha) * DATA) ** 2 + (c_skip * sigma) ** 2) == pytest.approx(float(c_out**2))


@pytest.mark.parametrize("row", TARGETS)
@pytest.mark.parametrize("schedule", [Cosine(), VarianceExploding(5.0, 3.0)], ids=str)
def test_a_network_that_knows_f_denoises_exactly(row, schedule):
    """Through the wrapper: the network sees c_in x_t, and its true F gives x_0 back (float32: 1e-4)."""
    process, parameterization = Gaussian(schedule), Parameterization(row, DATA)
    clean, t = State({"x": torch.linspace(-1, 1, 32).reshape(4, 8)}), torch.tensor([0.1, 0.3, 0.6, 0.9])
    e = Noise.of(0, torch.arange(4)).normal(clean["x"])
    alpha, sigma = (clean.spread(c, "x") for c in schedule(t))
    noisy = clean.replace(x=alpha * clean["x"] + sigma * e)

    def network(state, time, last):
        c_in = 1 / ((alpha * DATA) ** 2 + sigma**2).sqrt()
        assert torch.equal(time, t) and last is None
        assert torch.allclose(state["x"], c_in * noisy["x"], atol=1e-6)
        return {"x": TARGETS[row](clean["x"], e, alpha, sigma)}

    estimate = NetworkDenoiser(network, {"x": process}, {"x": parameterization})(noisy, Moment(t))
    assert torch.allclose(estimate["x"], clean["x"], atol=1e-4)


def test_an_unknown_row_is_refused():
    with pytest.raises(ValueError, match="clean, epsilon"):
        Parameterization("eps")
