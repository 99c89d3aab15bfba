"""A compiled network learns the same, and its weights keep their names."""

import pytest
import torch
from small import figures
from torch import nn

from scidiff.cli.main import main
from scidiff.store.errors import UserError
from scidiff.store.model import load_model
from scidiff.training.compiling import decided, repeated

CPU = torch.device("cpu")


def test_a_compiled_run_is_the_same(train, elsewhere, monkeypatch):
    """Losses, files and checkpoints; it is resumed without. Traced, but not put into C++: that would take a minute."""
    traced, compile_ = [], nn.Module.compile

    def trace(module, **options):
        traced.append(type(module).__name__)
        compile_(module, backend="aot_eager", **options)

    monkeypatch.setattr(nn.Module, "compile", trace)
    more = ["callbacks.1.every_n_train_steps=2"]
    assert train("plain", steps=3, more=more) == 0
    assert train("fast", steps=3, more=[*more, "compile=true", "trainer.max_steps=2"]) == 0
    assert main(["train", "resume=fast", "trainer.max_steps=3", "compile=false"]) == 0
    assert traced == ["Block"]
    plain, fast = (list(figures(elsewhere / run).values()) for run in ("plain", "fast"))
    assert fast == pytest.approx(plain, rel=0.01)  # bfloat16 keeps 8 bits, and fused sums round elsewhere
    one, other = (load_model(elsewhere / run / "model.safetensors")[0] for run in ("plain", "fast"))
    assert one.keys() == other.keys()
    kept = [torch.load(f"{run}/checkpoints/last.ckpt", weights_only=True)["state_dict"] for run in ("plain", "fast")]
    assert kept[0].keys() == kept[1].keys()


def test_what_is_repeated():
    """The members of outermost lists, and a network without one as a whole."""
    inner = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    network = nn.ModuleDict({"blocks": nn.ModuleList([nn.Sequential(inner)]), "last": nn.Linear(2, 2)})
    assert [type(each) for each in repeated(network)] == [nn.Sequential]
    assert list(repeated(network["last"])) == [network["last"]]


@pytest.mark.parametrize(("how", "found"), [(None, False), (True, True), (False, False), ("cudagraphs", "cudagraphs")])
def test_a_processor_compiles_only_when_told(how, found):
    assert decided(how, CPU) == found


@pytest.mark.parametrize("how", [1, 0, "yes", [True]])
def test_strange_choices_are_refused(how):
    with pytest.raises(UserError, match="expected true, false, cudagraphs"):
        decided(how, CPU)
