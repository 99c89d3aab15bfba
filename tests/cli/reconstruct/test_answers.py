"""scidiff reconstruct: what is written, in the input's own way of being stored, and what is said of it."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

import scidiff
from scidiff.volumes import files
from tests.cli.reconstruct.scans import AFFINE, HEAD, HOLES, SHAPE, command, stored


@pytest.mark.parametrize(
    "words", [("task=denoise", "input=@noisy.nii.gz"), ("task=denoise", "sigma=40", "input=@scan.nii.gz")]
)
def test_the_answer_is_stored_as_the_input_is(room, restore, words):
    found, facts, said = restore(*words)
    given = nibabel.load(room / words[-1].removeprefix("input=@"))
    assert np.array_equal(found.affine, given.affine)
    assert found.get_data_dtype() == np.int16
    raw, theirs = found.dataobj, given.dataobj
    assert (raw.slope, raw.inter) == (theirs.slope, theirs.inter) == (0.5, -10)
    for key in ("qform_code", "sform_code", "xyzt_units", "quatern_b", "qoffset_x", "srow_x"):
        assert np.array_equal(found.header[key], given.header[key]), key
    assert facts["sigma"] == pytest.approx(40, rel=0.25)
    assert facts["task"] == "denoise"
    assert facts["held_out"] > 100
    assert said.startswith("Noise: sigma ")
    assert "restored.classical.nii.gz, restored.residual.nii.gz, restored.json" in said
    assert nibabel.load("restored.residual.nii.gz").get_data_dtype() == np.float32
    assert np.array_equal(stored("restored.nii.gz"), stored("restored.classical.nii.gz"))  # the model is untrained
    assert "task: denoise" in Path("restored.nii.gz.config.yaml").read_text()


@pytest.mark.parametrize("kind", ["int16", "float32", "float64"])
def test_known_voxels_keep_their_very_numbers(room, restore, kind):
    data = HEAD.astype(np.float64) * (1 + 1e-12) + 0.1
    image = nibabel.Nifti1Image(data.astype(kind), AFFINE)
    nibabel.save(image, "mine.nii")
    restore("input=mine.nii", "mask=@holes.nii.gz", "task=inpaint", model="wrong")
    changed = stored("restored.nii.gz") != stored("mine.nii")
    assert not changed[HOLES == 0].any()
    assert stored("restored.nii.gz").dtype == kind


def test_the_finer_scan_overlays_the_input(room, restore):
    found, _, said = restore("input=@scan.nii.gz", "task=superres", "factor=[1,1,2]")
    assert found.shape == (24, 26, 44)
    for corner in np.ndindex(2, 2, 2):
        theirs = AFFINE @ [*(np.array(corner) * SHAPE - 0.5), 1]
        ours = found.affine @ [*(np.array(corner) * found.shape - 0.5), 1]
        assert np.abs(theirs - ours).max() < 1e-5  # the header's float32
    assert (int(found.header["qform_code"]), int(found.header["sform_code"])) == (1, 4)
    assert found.get_data_dtype() == np.int16
    assert "The new voxels: 0.906 x 0.906 x 0.6 mm." in said


@pytest.mark.parametrize(("task", "name"), [("mri", "kspace"), ("ct", "sinogram")])
def test_what_a_scanner_measured_becomes_a_scan(restore, task, name):
    found, facts, said = restore(f"input=@{name}.npz", f"task={task}")
    assert found.get_data_dtype() == np.float32
    assert 0.2 < facts["residual"] < 1.5  # the noise of so small a head is found from above
    error = np.abs(found.get_fdata() - HEAD).mean() / np.abs(HEAD).mean()
    assert error < 0.25
    assert "Estimated the noise" in said
    if task == "mri":
        assert np.allclose(found.affine, AFFINE)


def test_a_mask_of_k_space_may_be_a_file_or_what_is_not_zero(room, restore):
    quick = ("task=mri", "check=false", "baseline=zero_filled")
    from_file, _, _ = restore("input=@kspace.npz", *quick)
    np.save("mask.npy", np.load(room / "kspace.npz")["mask"])
    for mask in ("mask.npy", "nonzero"):
        again, _, _ = restore("input=@maskless.npz", *quick, f"mask={mask}", "overwrite=true")
        assert np.allclose(again.get_fdata(), from_file.get_fdata(), atol=1e-2)


def test_a_wrong_model_is_caught_and_its_uncertainty_withheld(restore):
    _, facts, said = restore("input=@noisy.nii.gz", "task=denoise", "samples=2", model="wrong")
    assert facts["returned"] == "classical"
    assert facts["misfit/model"] > facts["misfit/classical"]
    assert "so the classical one is returned." in said
    assert "No uncertainty is given" in said
    assert not Path("restored.sd.nii.gz").exists()
    assert np.array_equal(stored("restored.nii.gz"), stored("restored.classical.nii.gz"))


def test_a_degraded_scan_is_judged_by_the_truth(room, restore):
    _, facts, said = restore("input=@scan.nii.gz", "degrade=superres-thick-4", "samples=2", "steps=2")
    assert facts["task"] == "superres"
    assert facts["psnr"] == facts["baseline/psnr"]
    assert "Quality:   PSNR " in said
    seen = nibabel.load("restored.input.nii.gz")
    assert seen.get_data_dtype() == np.float32
    assert nibabel.load("restored.sd.nii.gz").shape == SHAPE
    assert "not calibrated" in said


@pytest.mark.parametrize("guidance", ["moment", "diffpir", "ddnm", "dps"])
def test_the_prior_alone_takes_any_task(restore, guidance):
    words = ("method=posterior", f"guidance={guidance}", "steps=2", "samples=2", "window=64", "check=false")
    _, facts, said = restore("input=@noisy.nii.gz", "task=denoise", *words, model="denoiser")
    assert facts["held_out"] == 0
    assert "Check:     not done (check=false)." in said
    assert Path("restored.sd.nii.gz").exists()


def test_python_gives_what_the_command_line_writes(room, restore):
    found, facts, _ = restore("input=@noisy.nii.gz", "task=denoise", "samples=2", "seed=3")
    model = scidiff.load(room / "tiny.safetensors")
    steps = []
    mine = model.reconstruct(
        room / "noisy.nii.gz", task="denoise", samples=2, seed=3, progress=lambda *now: steps.append(now)
    )
    assert set(mine.volumes) == {"restored", "classical", "sd", "residual"}
    assert np.abs(mine.restored.data - found.get_fdata()).max() <= 0.25 + 1e-3  # half a step of int16
    assert np.allclose(mine.sd.data, nibabel.load("restored.sd.nii.gz").get_fdata())
    assert mine.figures() == {key: facts[key] for key in mine.figures()}
    assert steps[-1][0] == steps[-1][1]
    scan = files.read(room / "noisy.nii.gz")
    assert np.array_equal(model.reconstruct(scan, "denoise").restored.data, mine.restored.data)
    filled = model.reconstruct(scan, "inpaint", mask=HOLES > 0)
    assert np.array_equal(filled.restored.data[HOLES == 0], scan.data[HOLES == 0])


def test_overwriting_leaves_nothing_of_an_earlier_answer(restore):
    restore("input=@noisy.nii.gz", "task=denoise", "samples=2", "sigma=40")
    assert Path("restored.sd.nii.gz").exists()
    restore("input=@noisy.nii.gz", "task=denoise", "sigma=40", "overwrite=true")
    assert not Path("restored.sd.nii.gz").exists()


def test_a_picture_is_drawn_last_and_told_of(room, capsys):
    words = ("input=@scan.nii.gz", "degrade=inpaint-slices", "samples=2", "picture=true", "out=deep/Answer.nii")
    assert command(room, *words) == 0
    assert Path("deep/Answer.png").read_bytes()[:4] == b"\x89PNG"
    assert "Answer.input.nii, Answer.json, Answer.png" in capsys.readouterr().out
