"""Every network of configs/network obeys the symmetries of molecules; a new YAML file there is tested unasked.

float32 carries 24 bits, so one operation errs by 6e-8 of its size; distances by way of a Gram matrix and some hundred
operations behind one another leave 1e-6 to 1e-5 of an output's spread: 1e-4 is asked.
"""

import pytest
import torch
from omegaconf import OmegaConf

from scidiff.cli.config import folder, read
from scidiff.engine.estimate import Estimate
from scidiff.engine.state import State
from scidiff.molecules.networks.egnn import EGNN
from scidiff.molecules.networks.pairs import pair_index, pair_map
from scidiff.store.build import build

NAMES = sorted(p.stem for p in (folder() / "network").glob("*.yaml") if "scidiff.molecules" in p.read_text())
KEYS = {name: set(OmegaConf.load(folder() / "network" / f"{name}.yaml")) for name in NAMES}
SMALL = {"width": 32, "blocks": 2, "layers": 2}  # the same code, less of it
HANDED = [f"{name} chiral=true" for name in NAMES if "chiral" in KEYS[name]]
VARIANTS = NAMES + HANDED
CLASSES = {"atoms": 5, "charges": 3, "bonds": 4}
SYMMETRIC = ("atoms", "charges", "bonds")
COUNT, N = 5, 9


def network(variant: str, full: bool = False) -> torch.nn.Module:
    """Built as the command line builds it; every weight is moved off its first value, so that none hides as zero."""
    name, *changes = variant.split()
    small = [f"network.{key}={value}" for key, value in SMALL.items() if key in KEYS[name] and not full]
    torch.manual_seed(0)
    built = build(read("train", [f"network={name}", *small, *(f"network.{c}" for c in changes)])["network"])
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return built.eval()


def molecules(n: int = N, count: int = COUNT) -> tuple[State, torch.Tensor, Estimate]:
    """Noisy parts, masks among the symbols; times; a last estimate."""
    draw = torch.Generator().manual_seed(1)
    rows = {"atoms": n, "charges": n, "bonds": n * (n - 1) // 2}
    parts = {part: torch.randint(CLASSES[part] + 1, (count, rows[part]), generator=draw) for part in rows}
    guess = {part: torch.randn(count, rows[part], CLASSES[part], generator=draw) for part in rows}
    x, x_guess = torch.randn(2, count, n, 3, generator=draw)
    t = torch.rand(count, generator=draw)
    return State({"positions": x, **parts}), t, Estimate({"positions": x_guess, **guess})


def turned(reflected: bool) -> torch.Tensor:
    """A random orthogonal matrix of determinant 1, or -1."""
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    return (q * torch.sign(torch.linalg.det(q)) * (-1 if reflected else 1)).float()


def moved(parts, matrix: torch.Tensor, shift: float = 0.0):
    return {**parts, "positions": parts["positions"] @ matrix.T + shift}


def permuted(parts, order: torch.Tensor):
    """Atom k of the result is atom order[k]; bonds follow their atoms."""
    i, j = pair_index(len(order), order.device)
    pairs = pair_map(len(order), order.device)[order[i], order[j]]
    return {part: value[:, pairs] if part == "bonds" else value[:, order] for part, value in parts.items()}


def error(found: dict, wanted: dict) -> float:
    """The largest difference, in spreads of the wanted output, over all parts."""
    assert found.keys() == wanted.keys()
    return max(float((found[part] - wanted[part]).abs().max() / wanted[part].std()) for part in wanted)


@torch.no_grad()
def difference(variant: str, change, with_last: bool = True) -> float:
    """How far f(change(x)) is from change(f(x))."""
    built, (state, t, last) = network(variant), molecules()
    for_it = [Estimate(change(last.parts)) if with_last else None, last if with_last else None]
    changed = built(State(change(state.parts)), t, for_it[0])
    plain = built(state, t, for_it[1])
    return error(changed, change(plain))


@pytest.mark.parametrize("with_last", [True, False])
@pytest.mark.parametrize("variant", VARIANTS)
def test_rotation(variant, with_last):
    assert difference(variant, lambda parts: moved(parts, turned(False)), with_last) < 1e-4


@pytest.mark.parametrize("with_last", [True, False])
@pytest.mark.parametrize("variant", NAMES)
def test_reflection(variant, with_last):
    assert difference(variant, lambda parts: moved(parts, turned(True)), with_last) < 1e-4


@pytest.mark.parametrize("variant", HANDED)
def test_handed_networks_tell_mirror_images_apart(variant):
    assert difference(variant, lambda parts: moved(parts, turned(True))) > 1e-3


@pytest.mark.parametrize("variant", VARIANTS)
def test_permutation(variant):
    order = torch.randperm(N, generator=torch.Generator().manual_seed(3))
    assert difference(variant, lambda parts: permuted(parts, order)) < 1e-4


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_translation(variant):
    """A shifted input has the very same output, of zero mean."""
    built, (state, t, last) = network(variant), molecules()
    shifted = State(moved(state.parts, torch.eye(3), 1.5))
    plain = built(state, t, last)
    assert error(built(shifted, t, Estimate(moved(last.parts, torch.eye(3), -0.7))), plain) < 1e-4
    assert plain["positions"].mean(1).abs().max() < 1e-5 * plain["positions"].std()


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_many_are_one_by_one(variant):
    built, (state, t, last) = network(variant), molecules()
    together = built(state, t, last)
    for k in range(COUNT):
        rows = slice(k, k + 1)
        alone = built(state.take(rows), t[rows], Estimate({part: value[rows] for part, value in last.parts.items()}))
        assert error(alone, {part: value[rows] for part, value in together.items()}) < 1e-5


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_the_symmetries_are_not_kept_by_saying_nothing(variant):
    """Every part of the output differs between atoms and answers to every part of the input, and to the time."""
    built, (state, t, last) = network(variant), molecules()
    plain = built(state, t, last)
    assert all(value.std(1).min() > 1e-3 for value in plain.values())
    others = [state.replace(**{part: (value + 1) % 3}) for part, value in state.parts.items() if part in SYMMETRIC]
    others.append(state.replace(positions=1.3 * state["positions"]))
    answers = [built(other, t, last) for other in others] + [built(state, t / 2, last)]
    if "self_conditioning" in KEYS[variant.split()[0]]:
        answers += [built(state, t, None), built(state, t, Estimate(moved(last.parts, 1.3 * torch.eye(3))))]
    for answer in answers:
        assert all((answer[part] - plain[part]).std() > 1e-3 * plain[part].std() for part in plain)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_smallest_molecules(variant, n):
    """Output of the right shape, and a gradient that is finite though atoms and distances are few."""
    built, (state, t, last) = network(variant), molecules(n)
    found = built(state, t, last)
    shapes = {"positions": (n, 3), "atoms": (n, 5), "charges": (n, 3), "bonds": (n * (n - 1) // 2, 4)}
    assert {part: tuple(value.shape[1:]) for part, value in found.items()} == shapes
    torch.stack([value.square().sum() for value in found.values()]).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in built.parameters() if p.grad is not None)


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_bfloat16_is_close(variant):
    """A bfloat16 product errs by 2^-9 = 0.2 % of its terms; dozens behind one another leave about 1 %: 5 is asked."""
    built, (state, t, last) = network(variant), molecules()
    plain = built(state, t, last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fast = built(state, t, last)
    for part, value in plain.items():
        assert (fast[part].float() - value).std() < 0.05 * value.std()


@pytest.mark.parametrize("variant", VARIANTS)
def test_training_may_follow_sampling(variant):
    """Tables that sampling made under inference mode and kept must not stop the gradient."""
    built, (state, t, last) = network(variant), molecules(n=11)  # a size that no other test asks for
    with torch.inference_mode():
        built(state, t, last)
    built(state, t, last)["bonds"].sum().backward()


def test_egnn_has_its_published_size():
    """Nine layers of 592,897 weights at width 256 (EDM: 5.3 M); ours is larger by its bonds."""
    count = sum(p.numel() for p in network("egnn", full=True).parameters())
    assert 0 < count - 9 * 592_897 < 60_000
    assert isinstance(network("egnn"), EGNN)
