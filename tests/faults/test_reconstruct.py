"""scidiff reconstruct, interrupted, on a full disk or short of memory: all of its files or none."""

import numpy as np
import pytest
import torch

from scidiff.cli.main import main
from scidiff.volumes import files
from scidiff.volumes.networks.unet import UNet
from scidiff.volumes.restore import run
from scidiff.volumes.volume import Volume
from tests.volumes.heads import head
from tests.volumes.tiny import tiny_model

TYPED = ["reconstruct", "model=tiny.safetensors", "input=scan.nii.gz", "task=denoise", "samples=2", "out=out/o.nii.gz"]


@pytest.fixture(autouse=True)
def scan(elsewhere):
    """A head and a model."""
    tiny_model().save("tiny.safetensors")
    files.write(Volume(900 * head((16, 18, 16)), np.eye(4)), "scan.nii.gz")


@pytest.mark.parametrize("size", [500, 6000], ids=["in the scan", "in a file beside it"])
def test_a_full_disk(full_disk, elsewhere, capsys, size):
    with full_disk(size):
        assert main(TYPED) == 1
    error = capsys.readouterr().err
    assert "Cannot write" in error and "unexpected" not in error
    assert not list((elsewhere / "out").iterdir())
    assert main(TYPED) == 0


@pytest.mark.parametrize("when", [1, 2])
def test_interrupted_while_writing(elsewhere, monkeypatch, when):
    write, done = files.write, []

    def stop(*args, **options):
        done.append(1)
        if len(done) == when:
            raise KeyboardInterrupt
        return write(*args, **options)

    monkeypatch.setattr(files, "write", stop)
    assert main(TYPED) == 130
    assert not list((elsewhere / "out").iterdir())
    monkeypatch.setattr(files, "write", write)
    assert main(TYPED) == 0


@pytest.fixture
def short_of_memory(monkeypatch):
    """From its third evaluation on the network has memory for so many voxels."""

    def short(error, most):
        forward, done = UNet.forward, []

        def evaluate(network, x, *args, **given):
            done.append(1)
            if len(done) > 2 and x["image"].numel() > most:
                raise error
            return forward(network, x, *args, **given)

        monkeypatch.setattr(UNet, "forward", evaluate)

    return short


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("MemoryError: "),  # of another process
    ],
    ids=["memory", "gpu memory", "processor memory", "of another process"],
)
def test_memory_that_runs_out_is_met_with_smaller_windows(short_of_memory, capsys, error):
    """The same answer; and it is said."""
    files.write(Volume(900 * head((8, 16, 136)), np.eye(4)), "scan.nii.gz", overwrite=True)
    assert main(TYPED) == 0 and "Memory" not in capsys.readouterr().out
    whole = {name: files.read(f"out/o{name}.nii.gz").data for name in ("", ".sd")}
    short_of_memory(error, 8 * 16 * 68)
    assert main([*TYPED, "overwrite=true"]) == 0
    told = capsys.readouterr().out
    assert "Memory ran out with windows of 8 x 16 x 136 voxels, and 8 x 16 x 68 were taken" in told
    for name, data in whole.items():
        assert np.abs(files.read(f"out/o{name}.nii.gz").data - data).max() <= 1e-5 * data.max()


def test_memory_that_is_too_little_for_any_windows(short_of_memory, elsewhere, capsys):
    short_of_memory(MemoryError(), 1)
    assert main(TYPED) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Memory ran out with windows of 16 x 18 x 16 voxels, and no smaller" in error
    assert not list((elsewhere / "out").iterdir())


def test_memory_that_is_too_little_for_the_classical_answer(elsewhere, monkeypatch, capsys):
    def full(*given):
        raise MemoryError

    monkeypatch.setattr(run, "pose", full)
    assert main(TYPED) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Memory ran out. Close other programs" in error
    assert not list((elsewhere / "out").iterdir())
