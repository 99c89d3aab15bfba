"""scidiff reconstruct: the input's own way of being stored, all files or none, and one sentence for every mistake."""

import gzip
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

import scidiff
from scidiff.cli import reconstruct
from scidiff.cli.main import main
from scidiff.store.errors import UserError
from scidiff.volumes import files
from scidiff.volumes.files import checks
from scidiff.volumes.operators.kspace import KSpace
from scidiff.volumes.operators.radon import Radon, views
from scidiff.volumes.operators.sampling import sampling
from scidiff.volumes.volume import Header, Volume
from tests.volumes.heads import head
from tests.volumes.tiny import tiny_model

SHAPE = (24, 26, 22)
HEAD = 800 * head(SHAPE)
AFFINE = np.array([[0.0, 0, 1.2, -20], [-0.9, 0.1, 0, 31], [0.1, 0.9, 0, 5], [0, 0, 0, 1]])
WAY = Header(np.dtype(np.int16), 0.5, -10.0, 1, 4, ("mm", "sec"))
NOISE = np.random.default_rng(0).standard_normal(SHAPE)
HOLES = np.zeros(SHAPE)
HOLES[8:13, 9:14, 8:12] = 1


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Models, scans, k-space, a sinogram, and files that will not do; written once."""
    room = tmp_path_factory.mktemp("scans")
    tiny_model().save(room / "tiny.safetensors")
    tiny_model(bias=3.0, name="wrong").save(room / "wrong.safetensors")
    tiny_model(name="denoiser", tasks=["denoise"]).save(room / "denoiser.safetensors")
    scans = {"scan": HEAD + 10, "noisy": HEAD + 40 * NOISE, "nan": np.where(HOLES, np.nan, HEAD), "flat": 0 * HEAD + 7}
    for name, data in scans.items():
        header = WAY if name in ("scan", "noisy") else Header(np.dtype(np.float64))
        nibabel_header(room / f"{name}.nii.gz", data, header)
    for name, mask in {"holes": HOLES, "all": HOLES + 1, "none": 0 * HOLES, "small": HOLES[:9]}.items():
        files.write(Volume(mask, AFFINE), room / f"{name}.nii.gz")
    spoil(room)
    measure(room)
    return room


def nibabel_header(path: Path, data: np.ndarray, header: Header) -> None:
    """A NIfTI file, its numbers stored as the header says, whatever they are."""
    image = nibabel.Nifti1Image(np.rint((data - header.inter) / header.slope) if header.slope != 1 else data, None)
    image.header.set_data_dtype(header.dtype)
    image.header.set_xyzt_units(*header.units)
    image.set_qform(np.diag([1.0, 2, 3, 1]), header.qform_code)
    image.set_sform(AFFINE, header.sform_code)
    if header.slope != 1:
        image = nibabel.Nifti1Image(image.get_fdata().astype(header.dtype), AFFINE, image.header)
        image.header.set_slope_inter(header.slope, header.inter)
    nibabel.save(image, path)


def spoil(room: Path) -> None:
    """Files that are not what they seem."""
    whole = (room / "scan.nii.gz").read_bytes()
    (room / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (room / "text.nii.gz").write_text("not a scan")
    plain = bytearray(gzip.decompress(whole))
    plain[280:328] = bytes(48)  # srow_x, srow_y and srow_z
    (room / "sizeless.nii").write_bytes(plain)


def measure(room: Path) -> None:
    """Half of k-space of one coil, and 24 views, with a little noise."""
    x, draw = torch.from_numpy(HEAD)[None, None], torch.Generator().manual_seed(0)
    mask = sampling(SHAPE, 2, (1,), seed=0)
    y = KSpace(mask, (0, 1))(x)[0, 0]
    y = y + 8 * mask * torch.randn(y.shape, dtype=y.dtype, generator=draw)
    facts = {"axes": [0, 1], "centred": True, "coils": False, "affine": AFFINE}
    np.savez(room / "kspace.npz", kspace=y.numpy(), mask=mask.numpy(), **facts)
    np.savez(room / "maskless.npz", kspace=y.numpy(), **facts)
    angles = views(24)
    sinogram = Radon(SHAPE[:2], angles)(x)[0, 0]
    sinogram = (sinogram + 30 * torch.randn(sinogram.shape, generator=draw)).numpy()
    np.savez(room / "sinogram.npz", sinogram=sinogram, angles=angles, shape=SHAPE[:2])
    np.savez(room / "angles.npz", sinogram=sinogram, angles=angles[:-1], shape=SHAPE[:2])


def command(room: Path, *words: str, model: str = "tiny") -> int:
    """A run without a picture, in the folder of the test."""
    words = [word.replace("@", f"{room}/") for word in words]
    return main(["reconstruct", f"model={room}/{model}.safetensors", "picture=false", *words])


@pytest.fixture
def restore(room, capsys):
    """Run, and give the answer, the facts and what was printed."""

    def run(*words: str, model: str = "tiny"):
        assert command(room, *words, model=model) == 0, capsys.readouterr().err
        facts = json.loads(Path("restored.json").read_text())
        return nibabel.load("restored.nii.gz"), facts, capsys.readouterr().out

    return run


@pytest.fixture
def refuse(room, capsys):
    """What is said of a run that must fail and leave nothing."""

    def run(*words: str, model: str = "tiny") -> str:
        before = sorted(Path.cwd().rglob("*"))
        assert command(room, *words, model=model) == 1
        assert sorted(Path.cwd().rglob("*")) == before
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "unexpected" not in said
        return said

    return run


def stored(path: Path) -> np.ndarray:
    """The very numbers in a file."""
    return np.asarray(nibabel.load(path).dataobj.get_unscaled())


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


def test_overwriting_leaves_nothing_of_an_earlier_answer(restore):
    restore("input=@noisy.nii.gz", "task=denoise", "samples=2", "sigma=40")
    assert Path("restored.sd.nii.gz").exists()
    restore("input=@noisy.nii.gz", "task=denoise", "sigma=40", "overwrite=true")
    assert not Path("restored.sd.nii.gz").exists()


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


def test_a_picture_is_drawn_last_and_told_of(room, capsys):
    words = ("input=@scan.nii.gz", "degrade=inpaint-slices", "samples=2", "picture=true", "out=deep/Answer.nii")
    assert command(room, *words) == 0
    assert Path("deep/Answer.png").read_bytes()[:4] == b"\x89PNG"
    assert "Answer.input.nii, Answer.json, Answer.png" in capsys.readouterr().out


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
