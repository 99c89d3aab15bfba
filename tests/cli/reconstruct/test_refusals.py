"""scidiff reconstruct: one sentence for every mistake; all files or none, and none of anybody else's."""

from pathlib import Path

import pytest

import scidiff
from scidiff.cli import reconstruct
from scidiff.cli.main import main
from scidiff.store.errors import UserError
from scidiff.volumes import files
from scidiff.volumes.files import checks
from tests.cli.reconstruct.scans import HOLES, command

MISTAKES = {
    "no such file": ("input=@gone.nii.gz task=denoise", "There is no file"),
    "not a NIfTI": ("input=@text.nii.gz task=denoise", "is not a NIfTI file"),
    "cut short": ("input=@cut.nii.gz task=denoise", "cut short"),
    "NaN": ("input=@nan.nii.gz task=denoise", "NaN or infinite"),
    "constant": ("input=@flat.nii.gz task=denoise", "constant"),
    "no affine": ("input=@sizeless.nii task=denoise", "affine"),
    "no task": ("input=@scan.nii.gz", "needs a task: one of denoise"),
    "another task": ("input=@scan.nii.gz task=denoize", "Did you mean 'denoise'"),
    "no mask": ("input=@scan.nii.gz task=inpaint", "needs mask=<file>"),
    "another grid": ("input=@scan.nii.gz task=inpaint mask=@small.nii.gz", "24x26x22"),
    "all masked": ("input=@scan.nii.gz task=inpaint mask=@all.nii.gz", "nothing to fill in from"),
    "nothing masked": ("input=@scan.nii.gz task=inpaint mask=@none.nii.gz", "selects no voxel"),
    "coarser": ("input=@scan.nii.gz task=superres factor=0.5", "1 or more along each axis"),
    "no factor": ("input=@scan.nii.gz task=superres", "factor=[1,1,4]"),
    "k-space alone": ("input=@maskless.npz task=mri", "without its mask"),
    "a view too few": ("input=@angles.npz task=ct", "23 of them, 24 views"),
    "k-space of a scan": ("input=@scan.nii.gz task=mri", "degrade=mri-4"),
    "a scan of k-space": ("input=@kspace.npz task=denoise", "task=mri and task=ct"),
    "factor to denoise": ("input=@scan.nii.gz task=denoise factor=2", "factor= is for superres, not for denoise"),
    "mask to denoise": ("input=@scan.nii.gz task=denoise mask=@holes.nii.gz", "mask= is for inpaint and mri"),
    "frame of k-space": ("input=@kspace.npz task=mri frame=0", "frame= is for denoise and inpaint and superres"),
    "degrade and task": ("input=@scan.nii.gz task=ct degrade=mri-4", "a problem of mri, not of task=ct"),
    "degrade and sigma": ("input=@scan.nii.gz degrade=mri-4 sigma=3", "sigma= does not go with degrade=mri-4"),
    "no such setting": ("input=@scan.nii.gz degrade=mri-3", "Did you mean 'mri-"),
    "no such method": ("input=@scan.nii.gz task=denoise method=prior", "conditioned, posterior"),
    "no such guidance": ("input=@scan.nii.gz task=denoise method=posterior guidance=dp", "Did you mean 'dps'"),
    "guidance of none": ("input=@scan.nii.gz task=denoise guidance=dps", "is for method=posterior"),
    "another baseline": ("input=@scan.nii.gz task=denoise baseline=fbp", "no baseline 'fbp' for denoise"),
    "no steps": ("input=@scan.nii.gz task=denoise steps=0", "at least 1"),
    "idle steps": ("input=@scan.nii.gz task=denoise steps=9", "add samples=8"),
    "one sample": ("input=@scan.nii.gz task=denoise samples=1", "samples=2 or more"),
    "no noise": ("input=@scan.nii.gz task=denoise sigma=0", "no noise to remove"),
    "a narrow window": ("input=@scan.nii.gz task=denoise window=16", "too small"),
    "a place": ("input=@scan.nii.gz task=denoise out=answer.png", ".nii or .nii.gz"),
    "words": ("input=@scan.nii.gz task=superres factor=[2,two,2]", "expected one number"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_leaves_nothing(refuse, name):
    words, expected = MISTAKES[name]
    assert expected in refuse(*words.split())


def test_a_model_of_another_kind_or_task_is_refused(room, refuse, capsys):
    assert "trained to denoise, not to superres" in refuse("input=@scan.nii.gz", "task=superres", model="denoiser")
    assert main(["reconstruct", "model=qm9", f"input={room}/scan.nii.gz", "task=denoise"]) == 1
    assert "a model of molecules; reconstruct needs a model of scans" in capsys.readouterr().err


def test_more_voxels_than_memory_are_refused_with_the_amounts(refuse, monkeypatch):
    monkeypatch.setattr(checks, "free_memory", lambda: 2_000_000_000)
    said = refuse("input=@scan.nii.gz", "task=superres", "factor=[20,20,20]")
    assert "480 x 520 x 440 voxels and needs 22.0 GB; 2.0 GB are free" in said


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"task": "denoise", "sample": 2}, "Did you mean 'samples'"),
        ({"task": "denoise", "sigma": -1.0}, "0 or more"),
        ({"task": "inpaint", "mask": HOLES[:9] > 0}, "mask is"),
        ({"task": "mri"}, "degrade=mri-4"),
    ],
)
def test_python_is_refused_in_the_same_words(room, settings, words):
    model = scidiff.load(room / "tiny.safetensors")
    with pytest.raises(UserError, match=words):
        model.reconstruct(files.read(room / "scan.nii.gz"), **settings)


NAMES = ("nii.gz", "classical.nii.gz", "sd.nii.gz", "residual.nii.gz", "input.nii.gz", "json", "png")


@pytest.mark.parametrize("name", NAMES)
def test_no_file_is_written_over_unasked(room, capsys, name):
    Path(f"restored.{name}").write_text("mine")
    assert command(room, "input=@noisy.nii.gz", "task=denoise", "picture=true") == 1
    assert f"restored.{name} exists already" in capsys.readouterr().err
    assert [path.name for path in Path.cwd().iterdir()] == [f"restored.{name}"]
    assert Path(f"restored.{name}").read_text() == "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UserError("The disk is full."), RuntimeError("a fault")])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_run_that_breaks_off_leaves_nothing(room, monkeypatch, error, after):
    """While it restores, or after so many files."""
    written = []

    def breaking(*given, **more):
        if len(written) == after:
            raise error
        written.append(write(*given, **more))

    write = files.write
    if after == 2:
        monkeypatch.setattr(reconstruct.scan, "give", breaking)
        written = [None, None]
    else:
        monkeypatch.setattr(reconstruct.files, "write", breaking)
    status = command(room, "input=@noisy.nii.gz", "task=denoise", "sigma=40")
    assert status == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert not list(Path.cwd().iterdir())
