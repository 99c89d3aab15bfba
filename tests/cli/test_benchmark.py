"""The benchmark runs and says what it should; how fast a machine is, no test can know."""

import json
import multiprocessing.dummy
import os

import pytest
import torch

from scidiff.cli import benchmark, benchmark_apart, benchmark_networks, benchmark_sizes, benchmark_turns
from scidiff.cli.benchmark_apart import Apart
from scidiff.cli.benchmark_networks import Contestant, labels, own_way
from scidiff.cli.benchmark_table import COLUMNS, table
from scidiff.cli.config import groups, read
from scidiff.cli.main import main
from scidiff.store.errors import UserError
from scidiff.store.memory import LARGE_PAGES

TINY = ["batch=2", "atoms=4", "side=16", "sizes=false", "repeats=1", "n=2", "steps=2"]
SCANS = ("unet3d", "monai")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Small matrices, short turns, threads for processes: figures are not the point, and what is patched is seen."""
    monkeypatch.setattr(benchmark, "SIDE", {"cpu": 32, "cuda": 32})
    monkeypatch.setattr(benchmark_turns, "TURN", 0)
    monkeypatch.setattr(benchmark_apart, "CONTEXT", multiprocessing.dummy)
    monkeypatch.setattr(benchmark_apart, "keep_freed", lambda: None)


@pytest.fixture(params=[None, torch.bfloat16], ids=["float32", "bfloat16"])
def fast(request, monkeypatch):
    """A machine that multiplies in float32 alone, and one that is faster in bfloat16."""
    for module in (benchmark, benchmark_networks):
        monkeypatch.setattr(module, "fast_precision", lambda: request.param)
    return request.param


def test_every_network_side_by_side(model, elsewhere, capsys, monkeypatch):
    monkeypatch.setattr(type(model), "network", property(lambda self: self), raising=False)
    monkeypatch.setattr(type(model), "to", lambda self, device: self, raising=False)
    monkeypatch.setattr(type(model), "generate", lambda self, n, **options: [None] * n)
    assert main(["benchmark", "out=speed.json", *TINY]) == 0
    figures, screen = json.loads((elsewhere / "speed.json").read_text()), capsys.readouterr().out
    for name in groups()["network"]:
        assert name in screen
        assert all(figures[f"{name}/{key}"] > 0 for key in COLUMNS)
    assert figures["egnn/parameters"] > 5e6 and "qm9 samples" in screen
    assert figures["sampling/molecules_per_second"] > 0 and figures["peak/float32"] > 0
    assert screen.index("egnn") < screen.index("scans (Mvoxel)") < screen.index("unet3d")
    ratio = figures["transformer/training"] / figures["egnn/training"]
    assert figures["transformer/times_egnn/training"] == pytest.approx(ratio)
    assert "times as many molecules a second as egnn; in training" in screen


def test_networks_of_scans_are_held_against_monai_in_both_precisions(fast, elsewhere, capsys):
    assert main(["benchmark", "model=null", f"networks=[{','.join(SCANS)}]", "out=speed.json", *TINY]) == 0
    figures, screen = json.loads((elsewhere / "speed.json").read_text()), capsys.readouterr().out
    rivals = ["monai"] if fast is None else ["monai", "monai-float32"]
    assert [key for key in figures if key.endswith("/forward") and "times" in key] == [
        f"unet3d/times_{rival}/forward" for rival in rivals
    ]
    for rival in rivals:
        for what in ("forward", "training"):
            ratio = figures[f"unet3d/{what}"] / figures[f"{rival}/{what}"]
            assert figures[f"unet3d/times_{rival}/{what}"] == pytest.approx(ratio)
        assert f"times as many voxels a second as {rival};" in screen
    assert ("unet3d-float32/forward" in figures) is (fast is not None)
    assert "transformer" not in screen and "16 x 16 x 16 voxels" in screen


def test_rates_are_of_voxels_and_of_molecules(fast):
    config = read("benchmark", TINY)
    scan, molecules = (Contestant.called(name, config, torch.device("cpu")) for name in ("unet3d", "transformer"))
    assert scan.count == 16**3 == scan.state["image"].numel() and molecules.count == 2
    assert scan.facts(1.0, 1.0)["gflop"] * 1e9 == pytest.approx(scan.facts(2.0, 1.0)["share"] / 2)


def test_edm_is_also_run_as_its_own_code_runs_it(fast):
    """In float32, on 64 molecules padded to the largest: of QM9 in sampling, of the batch in training."""
    config, device = read("benchmark", ["batch=128", "atoms=18"]), torch.device("cpu")
    assert labels("egnn") == ["egnn", "egnn-padded"] and [own_way(label) for label in labels("egnn")] == [False, True]
    own, padded = (Contestant.called(label, config, device) for label in labels("egnn"))
    found = {"egnn": own, "egnn-padded": padded}
    assert padded.arithmetic == "float32" and own.state["atoms"].shape == (128, 18)
    assert padded.sampled["atoms"].shape == (64, 29) and padded.state["atoms"].shape == (64, 25)
    assert padded.count == 64 == len(padded.noise.per_sample())
    figures = {f"{name}/{what}": 1.0 for name in (*found, "transformer") for what in ("forward", "training")}
    held = benchmark.ratios(figures, {"transformer": own, **found})
    assert [key for key in held if key.endswith("/forward")] == [f"transformer/times_{n}/forward" for n in found]


@pytest.mark.parametrize(("side", "streamed"), [(64, False), (80, True)])
def test_monai_is_at_its_defaults_while_memory_holds_them(side, streamed):
    """Its defaults are read off MONAI itself; but for the widths, which make as many parameters as ours."""
    from monai.networks.nets import DiffusionModelUNet

    inner = Contestant.of(
        "monai", read("benchmark", [f"side={side}"]), torch.device("cpu"), None
    ).denoiser.network.inner
    default = DiffusionModelUNet(spatial_dims=3, in_channels=10, out_channels=1, channels=(32, 32, 32, 32))
    assert str(inner) == str(default)  # layers and their sizes, the norms' groups too
    streams = {m.use_flash_attention for m in inner.modules() if hasattr(m, "use_flash_attention")}
    assert streams == {streamed}
    assert not any(getattr(m, "use_flash_attention", False) for m in default.modules())


def test_scans_are_told_of_by_the_million_voxels():
    figures = {"unet3d/forward": 2.65e6, "unet3d/training": 0.84e6, "unet3d/gflop": 8.8e-5}
    figures |= {"unet3d/parameters": 1.9e6, "unet3d/share": 0.72, "unet3d/memory": 1.2e9}
    cells = [next(iter(column.cells)) for column in table(figures, "volumes", ["unet3d"]).columns]
    assert cells == ["unet3d", "1.9 M", "2.65", "0.84", "88", "72 %", "1.20 GB"]


def test_the_networks_of_scans_are_of_one_size():
    config = read("benchmark", TINY)
    sizes = []
    for name in SCANS:
        network = Contestant.called(name, config, torch.device("cpu")).denoiser.network
        sizes.append(sum(p.numel() for p in network.parameters()))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.03)


def test_no_model_no_sampling(elsewhere, capsys):
    assert main(["benchmark", "model=null", "networks=transformer", *TINY]) == 0
    screen = capsys.readouterr().out
    assert "samples" not in screen and "egnn" not in screen and not list(elsewhere.iterdir())


def test_what_cannot_be_built_is_left_out_unless_it_was_named(capsys, monkeypatch):
    called = Contestant.called

    def without_monai(label, config, device):
        if label == "monai":
            raise UserError("network=monai needs the package 'monai', which is not installed: pip install monai.")
        return called(label, config, device)

    monkeypatch.setattr(Contestant, "called", without_monai)
    monkeypatch.setattr(benchmark, "groups", lambda: {"network": ["monai", "unet3d"]})
    assert main(["benchmark", "model=null", *TINY]) == 0
    screen = capsys.readouterr().out
    assert "monai is left out: network=monai needs" in screen and "unet3d" in screen
    assert main(["benchmark", "model=null", "networks=monai", *TINY]) == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("networks=[transfomer]", "Did you mean 'transformer'?"),
        ("model=nobody", "There is no model or file 'nobody'."),
        ("repeats=0", "repeats=0: expected at least 1."),
        ("side=8", "side=8: expected at least 16."),
    ],
)
def test_mistakes(typed, said, capsys, elsewhere):
    assert main(["benchmark", "out=speed.json", *TINY, typed]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not list(elsewhere.iterdir())


def test_a_model_of_scans_does_not_sample(model, capsys):
    model.header["domain"] = "volumes"
    assert main(["benchmark", *TINY]) == 1
    assert "qm9 is a model of volumes" in capsys.readouterr().err


def test_repeats_are_interleaved():
    calls = []
    jobs = {(name, "x"): (lambda name=name: calls.append(name) or len(calls)) for name in "ab"}
    assert benchmark_turns.interleaved(jobs, 2) == {("a", "x"): [3, 5], ("b", "x"): [4, 6]}
    assert "".join(calls) == "ababab"


@pytest.mark.parametrize(("takes", "runs"), [(0.11, 4), (0.29, 3), (0.31, 1)])
def test_what_is_short_fills_its_turn(takes, runs, monkeypatch):
    """The first of several runs does not count: it pays for the caches."""
    now, late = [0.0], iter([0.05])

    def call():
        now[0] += takes + next(late, 0)

    monkeypatch.setattr(benchmark_turns, "perf_counter", lambda: now[0])
    monkeypatch.setattr(benchmark_turns, "TURN", 0.35)
    released = []
    monkeypatch.setattr(benchmark_turns, "release_freed", lambda: released.append(now[0]))
    assert benchmark_turns.turn(call, torch.device("cpu")) == pytest.approx(takes if runs > 1 else takes + 0.05)
    assert now[0] == pytest.approx(runs * takes + 0.05) and released == now  # given back once, after all


def test_each_has_a_process_of_its_own(monkeypatch):
    """With what its own code does of memory; one that dies says so."""
    monkeypatch.setattr(benchmark_apart, "CONTEXT", multiprocessing.get_context("spawn"))
    one = Apart("transformer", read("benchmark", TINY))
    assert one.count == 2 and one.turn("forward") > 0 and one.facts(1.0, 1.0)["parameters"] > 4e6
    (child,) = multiprocessing.active_children()
    child.kill()
    child.join()
    with pytest.raises(UserError, match="transformer ended before it answered"):
        one.turn("train")


@pytest.mark.parametrize(
    ("label", "ours"), [("transformer", True), ("egnn", True), ("egnn-padded", False), ("monai-float32", False)]
)
def test_memory_is_handled_as_whoever_wrote_a_network_has_it(label, ours, monkeypatch):
    kept = []
    monkeypatch.setattr(benchmark_apart, "keep_freed", lambda: kept.append(1))
    monkeypatch.setenv(LARGE_PAGES, "1")
    Apart(label, read("benchmark", TINY)).close()
    assert len(kept) == ours and (LARGE_PAGES in os.environ) is ours


def test_what_size_costs(elsewhere, capsys):
    """Pairs stay as many: the fewer molecules the larger they are."""
    small = ["batch=8", "atoms=6", "side=16", "repeats=1"]
    assert main(["benchmark", "model=null", "networks=[transformer,unet3d]", "out=speed.json", *small]) == 0
    figures, screen = json.loads((elsewhere / "speed.json").read_text()), capsys.readouterr().out
    for size in (*(f"transformer/sizes/{n}" for n in (3, 6, 12, 24, 30)), *(f"unet3d/sizes/{s}" for s in (16, 32, 64))):
        assert figures[size] > 0
    assert "30 atoms" in screen and "64 voxels a side" in screen
    rungs = dict(benchmark_sizes.ladder(read("benchmark", small), "molecules"))
    assert [(n, keys.batch) for n, keys in rungs.items()] == [(3, 32), (6, 8), (12, 2), (24, 1), (30, 1)]


def test_cost_and_law_are_of_one_thing():
    figures = {
        "unet3d/sizes/32": 2.0,
        "unet3d/sizes/64": 4.0,
        "transformer/sizes/9": 100.0,
        "transformer/sizes/18": 40.0,
    }
    cells = {
        domain: [list(column.cells) for column in benchmark_sizes.table(figures, domain).columns]
        for domain in benchmark_sizes.LAW
    }
    assert cells["volumes"][2:] == [["1", "4"], ["1", "8"]]
    assert cells["molecules"][2:] == [["1", "2.5"], ["1", "4"]]
