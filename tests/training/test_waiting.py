"""Between two lines of the log no step asks the device for a number, nor does one copy data to it."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from scidiff.engine.noise import Noise
from scidiff.engine.state import State
from scidiff.training.batches import GroupedBatches
from scidiff.training.callbacks import StopOnNaN
from scidiff.training.module import DiffusionModule
from scidiff.training.optimizers import MuonAdamW
from scidiff.training.undo import Undo

ASKS = {"_local_scalar_dense", "is_nonzero", "nonzero", "equal", "masked_select", "unique_dim", "_unique2"}


class Questions(TorchDispatchMode):
    """Counts by step what a GPU could only answer when it has done all that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.step, self.asked = -1, Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Count, and do it."""
        if function.overloadpacket.__name__ in ASKS:
            self.asked[self.step] += 1
        return function(*args, **(kwargs or {}))


@pytest.fixture
def questions(monkeypatch):
    """As on a GPU: the gradients' flag is not read at each step."""
    found, good = Questions(), DiffusionModule.training_step

    def step(module, *args):
        found.step = module.global_step
        return good(module, *args)

    monkeypatch.setattr(DiffusionModule, "training_step", step)
    monkeypatch.setattr(StopOnNaN, "may_ask", staticmethod(lambda device: False))
    return found


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_no_step_of_molecules_asks(train, questions, optimizer):
    """Losses, noise, first guesses, clipping, the flag, averages and rates; the log is written after steps 4 and 8."""
    with questions:
        assert train(steps=10, trainer__log_every_n_steps=4, more=[f"optimizer={optimizer}"]) == 0
    asked = {step: questions.asked[step] for step in range(9)}  # after step 9 files are written
    assert asked[3] > 0 and asked[7] > 0, "it does count"
    assert all(n == 0 for step, n in asked.items() if step not in (3, 7)), asked


def test_no_step_of_scans_asks(train_scans, questions):
    with questions:
        assert train_scans(steps=6, trainer__log_every_n_steps=4, more=["data.tasks=[denoise]"]) == 0
    asked = {step: questions.asked[step] for step in range(5)}
    assert asked[3] > 0 and all(n == 0 for step, n in asked.items() if step != 3), asked


def test_batches_are_where_the_data_are():
    """Moved whole, or not at all where they take too much; not even the places of a batch come from elsewhere."""
    state = State({"x": torch.zeros(10, 3), "y": torch.zeros(10, 2, dtype=torch.int64)})
    for room, device in ((10 * (3 * 4 + 2 * 8), "meta"), (10 * (3 * 4 + 2 * 8) - 1, "cpu")):
        batches = GroupedBatches({3: state}, 4)
        batches.move(torch.device("meta"), room)
        batch = next(iter(batches))
        found = [*batch.parts.values(), *batch.context.values()]
        assert {value.device.type for value in found} == {device} and batch["x"].shape == (4, 3)


def test_the_hardest_batch_is_of_the_largest():
    groups = {n: State({"x": n * torch.ones(2, n)}) for n in (3, 7, 5)}
    batch = GroupedBatches(groups, 4).hardest(5)
    assert batch["x"].shape == (5, 7) and batch.context["place"].tolist() == [0, 1, 2, 3, 4]


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(70, 80), torch.nn.Linear(80, 3))


def learn(model, optimizer, slopes, undo=None):
    """A step for each factor of the gradient."""
    for k, slope in enumerate(slopes):
        x = torch.randn(16, 70, generator=torch.Generator().manual_seed(k))
        model.zero_grad()
        (slope * model(x).square().sum()).backward()
        if undo is not None:
            norms = torch.stack([p.grad.norm() for p in model.parameters()])
            undo.before(optimizer, norms.isfinite().all())
        optimizer.step()


@pytest.mark.parametrize(
    "make", [MuonAdamW, lambda params: torch.optim.AdamW(params, fused=True)], ids=["muon", "adamw"]
)
@pytest.mark.parametrize("first", [1.0, torch.nan])
def test_a_bad_step_is_undone_without_asking(make, first):
    """To the bit, in weights and in all that the optimiser remembers; also when it is the very first."""
    one, two = network(), network()
    optimizer, other = make(one.parameters()), make(two.parameters())
    good = 1.0
    undo = Undo(optimizer)
    learn(one, optimizer, [first], undo)
    learn(one, optimizer, [good], undo)
    before = [value.clone() for value in remembered(one, optimizer)]
    learn(one, optimizer, [torch.inf], undo)
    learn(one, optimizer, [torch.nan], undo)
    assert all(torch.equal(a, b) for a, b in zip(before, remembered(one, optimizer), strict=True))
    if first == good:
        learn(two, other, [first])
    learn(two, other, [good])
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def remembered(model, optimizer):
    """Weights and states."""
    each = getattr(optimizer, "both", [optimizer])
    states = [value for one in each for state in one.state.values() for value in state.values()]
    return [*(p.detach() for p in model.parameters()), *states]


def test_bad_steps_counted_on_the_device_halve_the_rate_and_end_the_run(train, capsys, caplog, monkeypatch):
    """Asked every fourth step: after eight bad ones the rate has been halved, after twelve the run has ended."""
    monkeypatch.setattr(StopOnNaN, "may_ask", staticmethod(lambda device: False))
    more = ["objective.weights.positions=nan", "callbacks.2.patience=10", "+callbacks.2.lower=5"]
    assert train(steps=40, trainer__log_every_n_steps=4, more=more) == 1
    assert "not finite 12 steps in a row; lower optimizer.lr" in capsys.readouterr().err.splitlines()[-1]
    assert caplog.text.count("learning rate is halved") == 1
    last = torch.load("run/checkpoints/last.ckpt", weights_only=True)
    assert all(value.isfinite().all() for value in last["current_model_state"].values())


def test_what_all_share_is_known_without_the_samples():
    """One uniform of the batch, from the run's seed alone, is the one that any sample's seed gives."""
    for seed in (0, 7, 2**31, 2**32 - 1):
        of_run = Noise.of(seed, torch.arange(3), stream=20)
        of_seeds = Noise(of_run.seeds, stream=20)
        own = Noise(of_run.seeds[:1] | 0xFFFFFFFF, stream=20)
        for _ in range(3):
            found = of_run.shared()
            assert found == of_seeds.shared() == pytest.approx(float(own.per_sample()), abs=2**-24)
