"""Every network of volumes in configs/network keeps the same promises; a new YAML file there is tested unasked."""

import pytest
import torch
from omegaconf import OmegaConf

from scidiff.cli.config import folder
from scidiff.engine.denoiser import NetworkDenoiser
from scidiff.engine.estimate import Moment
from scidiff.engine.parameterization import Parameterization
from scidiff.engine.process import Gaussian
from scidiff.engine.schedule import VarianceExploding
from scidiff.engine.state import State
from scidiff.store.build import build

EVERY = {path.stem: OmegaConf.load(path) for path in sorted((folder() / "network").glob("*.yaml"))}
FILES = {name: config for name, config in EVERY.items() if config._target_.startswith("scidiff.volumes.")}
SMALL = {"width": 8, "blocks": [1, 1], "widths": [8, 8], "groups": 2, "head": 8}  # the same code, less of it
OURS = {"monai": {"blocks": 1}}
NAMES = list(FILES)


def network(name: str, **changes) -> torch.nn.Module:
    """Built as the command line builds it; every weight is moved off its first value, so that none hides as zero."""
    config = OmegaConf.to_container(FILES[name])
    small = {key: value for key, value in (SMALL | OURS.get(name, {})).items() if key in config}
    torch.manual_seed(0)
    built = build({**config, **small, **changes})
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return built.eval()


def volumes(*sizes: int, count: int = 2) -> tuple[State, torch.Tensor]:
    """Noisy volumes and what is known of each, as `scidiff.volumes.problem.context` has it; times."""
    draw = torch.Generator().manual_seed(1)
    image, estimate, detail, mismatch, mask = torch.randn(5, count, 1, *sizes, generator=draw)
    noise, fraction, t = torch.rand(3, count, generator=draw)
    given = {"estimate": estimate, "detail": detail, "mismatch": mismatch, "mask": (mask > 0).float()}
    along = torch.rand(count, 3, 1, 1, 1, generator=draw)
    return State({"image": image}, context={**given, "noise": noise, "fraction": fraction, "along": along}), t


def one(state: State, row: int) -> State:
    given = {name: value[row : row + 1] for name, value in state.context.items()}
    return State({"image": state["image"][row : row + 1]}, context=given)


@pytest.mark.parametrize("sizes", [(8, 8, 8), (5, 7, 9), (1, 6, 3), (2, 1, 11)])
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_any_size_in_is_the_size_out(name, sizes):
    state, t = volumes(*sizes)
    raw = network(name)(state, t, None)["image"]
    assert raw.shape == state["image"].shape and torch.isfinite(raw).all()


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_many_are_one_by_one(name):
    """float32 errs by 6e-8 of a term; sums of some hundred terms behind one another leave 1e-6 to 1e-5."""
    built, (state, t) = network(name), volumes(10, 8, 6, count=3)
    together = built(state, t, None)["image"]
    for row in range(3):
        alone = built(one(state, row), t[row : row + 1], None)["image"]
        assert (alone - together[row]).abs().max() < 1e-5 * together.std()


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_whatever_is_given_matters(name):
    """The output answers to the image, the time and every entry of the context."""
    built, (state, t) = network(name), volumes(8, 8, 8)
    plain = built(state, t, None)["image"]
    others = [(state.replace(image=state["image"] + 0.3), t), (state, t / 2)]
    for entry, value in state.context.items():
        others.append((State(state.parts, context={**state.context, entry: value + 0.3}), t))
    for other in others:
        assert (built(*other, None)["image"] - plain).std() > 1e-3 * plain.std()


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_context_of_one_serves_many(name):
    """Samples of one observation share its estimate, and a number stands for a map of it; float32 errs as above."""
    built, (state, t) = network(name), volumes(6, 6, 6)
    shared = {entry: value[:1] for entry, value in state.context.items()}
    maps = {entry: value.reshape(1, -1, *value.shape[2:] or (1, 1, 1)) for entry, value in shared.items()}
    spread = {entry: value.expand(2, -1, 6, 6, 6) for entry, value in maps.items()}
    found, wanted = (built(State(state.parts, context=c), t, None)["image"] for c in (shared, spread))
    assert (found - wanted).abs().max() < 1e-5 * wanted.std()


@pytest.mark.parametrize("name", NAMES)
def test_a_context_that_does_not_fit_is_refused(name):
    state, t = volumes(6, 6, 6)
    without = {entry: value for entry, value in state.context.items() if entry != "mask"}
    with pytest.raises(ValueError, match="lacks mask"):
        network(name)(State(state.parts, context=without), t, None)
    with pytest.raises(ValueError, match=r"estimate .* has shape"):
        other = {**state.context, "estimate": torch.zeros(2, 1, 6, 6, 5)}
        network(name)(State(state.parts, context=other), t, None)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_bfloat16_is_close(name):
    """A bfloat16 product errs by 2^-9 = 0.2 % of its terms; dozens behind one another leave about 1 %: 5 is asked."""
    built, (state, t) = network(name), volumes(8, 8, 8)
    plain = built(state, t, None)["image"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fast = built(state, t, None)["image"]
    assert (fast.float() - plain).std() < 0.05 * plain.std()


@pytest.mark.parametrize("name", NAMES)
def test_a_new_network_says_nothing_and_learns(name):
    """F is a few percent at first, so the denoiser returns c_skip x_t or nearly; and there is a gradient."""
    config = OmegaConf.to_container(FILES[name])
    small = {key: value for key, value in (SMALL | OURS.get(name, {})).items() if key in config}
    built, (state, t) = build({**config, **small}), volumes(6, 5, 7)
    processes = {"image": Gaussian(VarianceExploding(sigma_max=10.0, rho=3.0))}
    denoiser = NetworkDenoiser(built, processes, {"image": Parameterization("karras", 1.0)}, torch.bfloat16)
    estimate = denoiser(state, Moment(t))["image"]
    c_skip, c_out, _ = denoiser.coefficients(state, "image", t)
    assert ((estimate - c_skip * state["image"]) / c_out).std() < 0.2
    (estimate - state.context["estimate"]).square().mean().backward()
    assert max(float(p.grad.abs().max()) for p in built.parameters() if p.grad is not None) > 1e-4
