"""What goes wrong while training is told in one sentence, and nothing is left half-written."""

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging
from omegaconf import OmegaConf
from small import sixty, words

from scidiff.cli.config import read
from scidiff.cli.main import main
from scidiff.engine.noise import Noise
from scidiff.molecules.data import MoleculeData
from scidiff.molecules.files import write_sdf
from scidiff.molecules.model import MoleculeModel
from scidiff.store.build import build
from scidiff.store.model import load_model
from scidiff.training.batches import GroupedBatches
from scidiff.training.callbacks import KeepModelFile, MovingAverage, SampleAndScore, StopOnNaN
from scidiff.training.module import DiffusionModule


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("data.source=nowhere.npz", "There is no training data at nowhere.npz"),
        ("data.elements=[H,C]", "is not among those known here (H, C)"),
        ("data.charges=[1]", "is not among those known here (+1)"),
        ("data.layout=files data.source=empty.npz", "not an .npz file"),
        ("network.widht=3", "Did you mean 'network.width'?"),
        ("optimizer._target_=os.system", "not allowed"),
        ("process.atoms.noise=pink", "noise is uniform, marginal or absorbing"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(train, elsewhere, capsys, typed, said):
    (elsewhere / "empty.npz").touch()
    assert train(more=typed.split()) == 1
    screen = capsys.readouterr()
    assert said in screen.err and screen.err.count("\n") == 1, screen.err
    assert not (elsewhere / "run").exists()


def test_an_element_that_a_file_has_and_the_model_has_not(train, elsewhere, capsys):
    write_sdf(elsewhere / "mine.sdf", list(sixty()))
    assert train(data__source="mine.sdf", data__elements="[H,C,N,O]") == 1
    assert "The element F is not among those known here (H, C, N, O)." in capsys.readouterr().err


def test_a_run_is_not_written_over(train, elsewhere, capsys):
    assert train(steps=1) == 0
    before = (elsewhere / "run" / "model.safetensors").read_bytes()
    assert train(steps=2) == 1
    assert "run holds a run already" in capsys.readouterr().err
    assert (elsewhere / "run" / "model.safetensors").read_bytes() == before


def test_a_loss_that_stays_not_finite_stops_the_run(train, elsewhere, capsys, caplog):
    """Twenty bad steps in a row: one sentence, no model file, and a checkpoint whose weights never moved."""
    assert train("good", steps=1, more=["optimizer.lr=0", "callbacks.1.every_n_train_steps=1"]) == 0
    capsys.readouterr()
    assert train("bad", steps=40, more=["objective.weights.positions=nan"]) == 1
    screen = capsys.readouterr()
    assert "not finite 20 steps in a row; lower optimizer.lr" in screen.err.splitlines()[-1]
    assert caplog.text.count("learning rate is halved") == 3, "after 5, 10 and 15 of them"
    assert not (elsewhere / "bad" / "model.safetensors").exists()
    good, bad = (
        torch.load(elsewhere / run / "checkpoints" / "last.ckpt", weights_only=True)["current_model_state"]
        for run in ("good", "bad")
    )
    assert all(torch.equal(good[name], bad[name]) for name in good)


def test_the_last_good_checkpoint_survives(train, elsewhere):
    assert train(steps=12, more=["trainer.max_steps=6", "callbacks.1.every_n_train_steps=6"]) == 0
    good = torch.load(elsewhere / "run" / "checkpoints" / "last.ckpt", weights_only=True)["current_model_state"]
    path = elsewhere / "run" / "config.yaml"
    path.write_text(path.read_text().replace("positions: 3.0", "positions: .nan"))
    assert main(["train", "resume=run", "steps=60"]) == 1
    kept = torch.load(elsewhere / "run" / "checkpoints" / "last.ckpt", weights_only=True)["current_model_state"]
    assert all(torch.equal(good[name], kept[name]) for name in good)
    assert all(value.isfinite().all() for value in load_model(elsewhere / "run" / "model.safetensors")[0].values())


class Remember(Callback):
    """The weights after every step."""

    def __init__(self) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        """Copy them."""
        self.weights.append({name: value.clone() for name, value in module.network.state_dict().items()})


class Ill:
    """An objective that is not a number at some steps."""

    def __init__(self, objective, steps) -> None:
        self.objective, self.steps, self.asked = objective, steps, 0

    def __call__(self, denoiser, state, noise: Noise):
        """Its losses, or nothing finite."""
        self.asked += 1
        bad = float("nan") if self.asked - 1 in self.steps else 1.0
        return {part: bad * loss for part, loss in self.objective(denoiser, state, noise).items()}


def fit(source, callbacks, steps=6, ill=(), **changes):
    """The parts that the command line joins, joined by hand; returns the model."""
    from scidiff.cli.train import _module, header

    config = OmegaConf.to_container(read("train", words(source, steps=steps, **changes)))
    data: MoleculeData = build(config["data"])
    torch.manual_seed(0)
    model = MoleculeModel.create(header(config, data))
    module: DiffusionModule = _module(config, model)
    module.objective = Ill(module.objective, ill)
    found = [make(model) for make in callbacks]
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    trainer = lightning.Trainer(
        accelerator="cpu", max_steps=steps, enable_model_summary=False, callbacks=found, **quiet
    )
    trainer.fit(module, GroupedBatches(data.groups(), 8))
    return model


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_bad_step_is_skipped(source, optimizer):
    """Weights do not move in it, not even by momentum or decay; then they move on."""
    seen = Remember()
    fit(source, [lambda model: StopOnNaN(2), lambda model: seen], ill=(3,), optimizer=optimizer)
    moved = [
        any(not torch.equal(before[name], after[name]) for name in before)
        for before, after in zip(seen.weights, seen.weights[1:], strict=False)
    ]
    assert moved == [True, True, False, True, True]


def test_two_bad_steps_apart_are_none_in_a_row(source):
    fit(source, [lambda model: StopOnNaN(2)], ill=(1, 3))
    with pytest.raises(FloatingPointError, match="2 steps in a row"):
        fit(source, [lambda model: StopOnNaN(2)], ill=(3, 4))


AVERAGES = {
    "plain": (EMAWeightAveraging, lambda k: 0.7),
    "short at first": (MovingAverage, lambda k: min(0.7, (1 + k) / (10 + k))),
}


@pytest.mark.parametrize("kind", AVERAGES)
def test_the_model_file_carries_the_averaged_weights(source, elsewhere, kind):
    """a_1 = w_1, a_(k + 1) = d_k a_k + (1 - d_k) w_(k + 1); in the file in bfloat16, on the way and at the end."""
    make, decay = AVERAGES[kind]
    seen = Remember()

    def keep(model):
        return KeepModelFile(lambda facts: model.save(f"{facts['steps']}.safetensors", overwrite=True), every=4)

    model = fit(source, [lambda model: make(decay=0.7), lambda model: seen, keep])
    model.save("6.safetensors", overwrite=True)
    average = seen.weights[0]
    for k, weights in enumerate(seen.weights[1:], start=1):
        average = {name: decay(k) * average[name] + (1 - decay(k)) * weights[name] for name in weights}
        if k + 1 in (4, 6):
            kept = load_model(elsewhere / f"{k + 1}.safetensors")[0]
            for name, value in average.items():
                assert torch.allclose(kept[name].float(), value, rtol=2**-8, atol=1e-6)  # bfloat16 keeps 8 bits
    assert any(not torch.allclose(average[name], weights[name], rtol=2**-8, atol=1e-5) for name in average)


def test_looking_at_samples_does_not_change_the_training(source):
    """Scoring with averaged weights, at rest and in inference mode, leaves no trace in what follows."""
    plain, scored, drawn = Remember(), Remember(), []

    def score(model):
        return SampleAndScore(lambda: drawn.extend(model.generate(2, steps=2)) or {}, every=2)

    average = [lambda model: EMAWeightAveraging(decay=0.9)]
    fit(source, [*average, lambda model: plain])
    fit(source, [*average, score, lambda model: scored])
    assert len(drawn) >= 6
    assert all(torch.equal(plain.weights[-1][name], scored.weights[-1][name]) for name in plain.weights[-1])
