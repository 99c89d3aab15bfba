"""scidiff evaluate of scans: figures beside a baseline, over folders, and one sentence for every mistake."""

import json
import subprocess
import sys
from math import log10, sqrt
from pathlib import Path

import nibabel
import numpy as np
import pytest

from scidiff.cli.main import main
from scidiff.cli.volume_pairs import find_pairs
from scidiff.store.errors import UserError
from scidiff.volumes import files
from scidiff.volumes.volume import Volume
from tests.volumes.heads import head

SHAPE = (24, 26, 22)
HEAD = 1000 * head(SHAPE)
RANGE = float(np.ptp(HEAD))
NOISE = RANGE * np.random.default_rng(3).standard_normal(HEAD.shape)
AFFINE = np.diag([1.0, 1.0, 1.2, 1.0])
HOLES = np.zeros(SHAPE)
HOLES[8:14, 8:14, 8:14] = 1


def put(path, data, affine=AFFINE) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    files.write(Volume(data, affine), path)
    return str(path)


def evaluate(*words: str) -> dict:
    assert main(["evaluate", *words, "overwrite=true"]) == 0
    return json.loads(Path("metrics.json").read_text())


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A truth, answers to it, masks, files that will not do, and folders of three volumes each; written once."""
    room = tmp_path_factory.mktemp("scans")
    scans = {"truth": HEAD, "restored": HEAD + 0.02 * NOISE, "classical": HEAD + 0.05 * NOISE, "grey": HEAD / 1000}
    maps = {"restored.sd": np.full(SHAPE, 0.02 * RANGE), "negative": -np.ones(SHAPE)}
    masks = {"brain": HEAD > 0, "holes": HOLES, "empty": 0 * HOLES}
    for name, data in (scans | maps | masks | {"small": HEAD[:9, 9:18, 9:18], "few/a": HEAD}).items():
        put(room / f"{name}.nii.gz", data)
    put(room / "moved.nii.gz", HEAD, AFFINE + np.outer([1, 0, 0, 0], [0, 0, 0, 1]))
    nibabel.save(nibabel.Nifti1Image(np.stack([0 * HEAD, HEAD], 3), AFFINE), room / "four.nii.gz")
    for k, name in enumerate("abc"):
        truth, share = 1000 * head(SHAPE, seed=k), 0.02 + 0.01 * k
        put(room / f"truths/{name}.nii.gz", truth)
        put(room / f"many/{name}.nii.gz", truth + share * NOISE)
        put(room / f"many/{name}.sd.nii.gz", np.full(SHAPE, share * RANGE))
        put(room / f"rivals/{name}.nii.gz", truth + 0.05 * NOISE)
        put(room / f"masks/{name}.nii.gz", truth > 0)
    (room / "truths/._a.nii.gz").write_text("what macOS leaves behind")
    (room / "scan.mgz").write_text("of FreeSurfer")
    (room / "hollow").mkdir()
    return room


@pytest.fixture(autouse=True)
def here(room, elsewhere, monkeypatch):
    """Every command runs where the scans lie."""
    monkeypatch.chdir(room)


def test_one_volume_reads_its_formula(capsys):
    found = evaluate("input=restored.nii.gz", "reference=truth.nii.gz", "sd=restored.sd.nii.gz")
    off = 4 * sqrt(2 / HEAD.size)  # the mean of n squares of N(0, 1) deviates by sqrt(2 / n)
    assert found["psnr"] == pytest.approx(-20 * log10(0.02), abs=10 / np.log(10) * off)
    assert found["data_range"] == pytest.approx(RANGE) and found["n"] == 1
    assert found["coverage90"] == pytest.approx(0.9, abs=4 * sqrt(0.9 * 0.1 / HEAD.size))
    assert {"foreground/psnr", "ssim", "ssim_fastmri", "nmse", "nrmse", "hfen", "gain"} <= found.keys()
    assert found["protocol"]["foreground"] == "found in the reference"
    assert found["versions"].keys() >= {"scidiff", "scikit-image"}
    screen = capsys.readouterr().out
    assert all(word in screen for word in ("Whole volume", "Foreground", "Data range", "3D Gaussian", "metrics.json"))
    assert "baseline" not in screen and Path("metrics.json.config.yaml").exists()


def test_masks_choose_the_voxels(capsys):
    words = ("input=restored.nii.gz", "reference=truth.nii.gz", "mask=brain.nii.gz")
    found = evaluate(*words, "regions={holes: holes.nii.gz}")
    for place, inside in (("foreground", HEAD > 0), ("holes", HOLES > 0)):
        expected = sqrt(np.mean((0.02 * NOISE[inside]) ** 2)) / RANGE
        assert found[f"{place}/nrmse"] == pytest.approx(expected, rel=1e-4)  # the files hold float32
    assert "Foreground: brain.nii.gz" in (screen := capsys.readouterr().out) and "holes: holes.nii.gz" in screen


def test_a_baseline_stands_beside(capsys):
    words = ("reference=truth.nii.gz", "regions={holes: holes.nii.gz}")
    other = evaluate("input=classical.nii.gz", *words)
    found = evaluate("input=restored.nii.gz", *words, "baseline=classical.nii.gz")
    for key in ("psnr", "foreground/ssim", "holes/hfen"):
        assert found[f"baseline/{key}"] == other[key]
        assert found[f"difference/{key}"] == pytest.approx(found[key] - other[key])
    assert found["difference/psnr"] == pytest.approx(20 * log10(5 / 2), abs=1e-3)
    assert "baseline/data_range" not in found and "difference/gain" not in found
    screen = capsys.readouterr().out
    assert "baseline" in screen and "+7.96" in screen


def test_folders_are_the_mean_of_their_volumes(capsys):
    single = evaluate("input=many/b.nii.gz", "reference=truths/b.nii.gz")
    words = ("input=many", "reference=truths/", "baseline=rivals", "mask=masks", "sd=many")
    found = evaluate(*words, "regions={holes: holes.nii.gz}")
    each = found["volumes"]
    assert found["n"] == 3 and list(each) == ["a.nii.gz", "b.nii.gz", "c.nii.gz"]
    assert each["b.nii.gz"]["psnr"] == single["psnr"]
    for key in ("psnr", "foreground/ssim", "holes/hfen"):
        ours, less = ([one[prefix + key] for one in each.values()] for prefix in ("", "difference/"))
        assert found[f"{key}/mean"] == pytest.approx(np.mean(ours))
        assert found[f"{key}/sd"] == pytest.approx(np.std(ours, ddof=1))
        assert found[f"{key}/difference"] == pytest.approx(np.mean(less)) and 0 < found[f"{key}/p"] < 1
    assert found["psnr/baseline"] == "rivals"
    assert found["coverage90/mean"] == pytest.approx(0.9, abs=4 * sqrt(0.9 * 0.1 / HEAD.size))
    assert not any(key.startswith(("baseline/", "difference/")) for key in found)
    assert "3 volumes" in capsys.readouterr().out


def test_only_the_volume_that_is_meant_of_a_file_of_several():
    found = evaluate("input=restored.nii.gz", "reference=four.nii.gz", "frame=1")
    assert found["psnr"] == evaluate("input=restored.nii.gz", "reference=truth.nii.gz")["psnr"]


def test_other_units_are_doubted(capsys):
    evaluate("input=grey.nii.gz", "reference=truth.nii.gz")
    assert "grey.nii.gz: its intensities go 0.001 times" in capsys.readouterr().out


PAIR = "input=restored.nii.gz reference=truth.nii.gz "
MISTAKES = {
    "input=restored.nii.gz": "add reference=",
    "input=restored.nii.gz reference=null": "add reference=",
    "input=none reference=truth.nii.gz": "There is no file or folder none.",
    "input=made.sdf mask=brain.nii.gz": "mask= is for volumes, and made.sdf is judged as molecules",
    PAIR + "protocols=[edm]": "protocols= is for molecules",
    PAIR + "relax=true": "relax= is for molecules",
    PAIR + "mask=empty.nii.gz": "mask empty.nii.gz selects no voxel",
    PAIR + "mask=moved.nii.gz": "different affines",
    PAIR + "baseline=small.nii.gz": "small.nii.gz has 9x9x9 voxels and truth.nii.gz 24x26x22",
    PAIR + "sd=moved.nii.gz": "different affines",
    PAIR + "sd=negative.nii.gz": "has negative, NaN or infinite",
    PAIR + "regions=holes.nii.gz": "expected names and masks",
    PAIR + "regions={foreground:holes.nii.gz}": "cannot be called 'foreground'",
    "input=small.nii.gz reference=truth.nii.gz": "resample one onto the other's grid",
    "input=scan.mgz reference=truth.nii.gz": "scan.mgz is not a NIfTI file",
    "input=hollow reference=truth.nii.gz": "holds no DICOM slices",
    "input=many reference=few": "few lacks b.nii.gz and 1 more, which many holds",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_answered_in_one_sentence(typed, capsys):
    assert main(["evaluate", *typed.split(), "out=refused.json"]) == 1
    screen = capsys.readouterr()
    assert MISTAKES[typed] in screen.err
    assert screen.err.count("\n") == 1 and "Traceback" not in screen.err and screen.out == ""
    assert not Path("refused.json").exists()


ONE = {"input": "restored.nii.gz", "reference": "truth.nii.gz"}
MANY = {"input": "many", "reference": "truths"}
UNPAIRED = [
    (ONE | {"reference": "none.nii.gz"}, "There is no file none.nii.gz."),
    (ONE | {"input": "many"}, "many is a folder of NIfTI files and truth.nii.gz is not"),
    (ONE | {"reference": "truths"}, "truths is a folder of NIfTI files and restored.nii.gz is not"),
    (ONE | {"sd": "restored.nii.gz"}, "is the restored volume itself"),
    (MANY | {"baseline": "classical.nii.gz"}, "truths is a folder of NIfTI files and classical.nii.gz is not"),
    (MANY | {"input": "few"}, "few lacks b.nii.gz and 1 more, which truths holds"),
    (MANY | {"baseline": "few"}, "few lacks b.nii.gz"),
    (MANY | {"mask": "few"}, "few lacks b.nii.gz"),
    ({"input": "rivals", "reference": "truths", "sd": "rivals"}, "as in a.sd.nii.gz"),
]


@pytest.mark.parametrize(("given", "said"), UNPAIRED)
def test_what_makes_no_pair_is_refused(given, said):
    with pytest.raises(UserError, match=said):
        find_pairs({key: Path(path) for key, path in given.items()}, {})


def test_pairs_find_what_lies_beside():
    given = {key: Path(path) for key, path in (MANY | {"sd": "many", "mask": "brain.nii.gz"}).items()}
    pairs = find_pairs(given, {"holes": Path("masks")})
    assert [pair.name for pair in pairs] == ["a.nii.gz", "b.nii.gz", "c.nii.gz"]
    assert pairs[1].sd == Path("many/b.sd.nii.gz") and pairs[1].mask == Path("brain.nii.gz")
    assert pairs[1].regions == {"holes": Path("masks/b.nii.gz")} and pairs[1].baseline is None


def test_neither_domain_is_loaded_before_it_is_needed():
    code = "import sys, scidiff.cli.evaluate; print(sorted({'rdkit', 'nibabel', 'torch'} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
