"""The page that each verb leaves beside its output: there or not as asked, never over another, and nobody's secrets."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.table import Table
from rich.text import Text

from scidiff.cli.main import main
from scidiff.cli.report import as_table, beside
from scidiff.molecules import files as molecules
from scidiff.report.pack import unpack
from scidiff.volumes import files
from scidiff.volumes.volume import Volume
from tests.volumes.files.test_dicom import series, tags
from tests.volumes.heads import head
from tests.volumes.tiny import tiny_model

QUICK = ["protocols=[strict,novelty]", "processes=0"]
HEAD = 800 * head((24, 26, 22))
SECRET = "Muster^Hans"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A model of scans that nobody trained."""
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    tiny_model().save(path)
    return path


@pytest.fixture
def scans(elsewhere):
    """A true scan, a noisy one and an answer, in a folder that is named after a patient."""
    room, noise = elsewhere / SECRET, np.random.default_rng(0).normal(0, 40, HEAD.shape)
    room.mkdir()
    for name, data in {"truth": HEAD, "noisy": HEAD + noise, "answer": HEAD + noise / 3, "sd": 0 * HEAD + 13}.items():
        files.write(Volume(data, np.eye(4)), room / f"{name}.nii.gz")
    return room


def data(page: str, name: str) -> object:
    """What the page holds for its scripts."""
    return json.loads(unpack(page.split(f'id="{name}">')[1].split("<")[0]))


@pytest.mark.parametrize(
    ("out", "page"), [("a.sdf.gz", "a.html"), ("b.XYZ", "b.html"), ("c.nii.gz", "c.html"), ("d/e.json", "d/e.html")]
)
def test_a_page_is_named_after_the_output(out, page):
    assert beside(Path(out)) == Path(page)


def test_a_table_of_the_terminal_is_the_table_of_the_page():
    screen = Table(caption=Text("how [it] was made"))
    screen.add_column("")
    screen.add_column("ours", justify="right")
    screen.add_row("[bold]Heading[/bold]")
    screen.add_row("rate", "83 %")
    made = as_table(screen)
    assert made.headings == ["", "ours"] and made.caption == "how [it] was made"
    assert [[cell.text for cell in row] for row in made.cells] == [["Heading", ""], ["rate", "83 %"]]
    assert [row[0].tone for row in made.cells] == ["head", ""]


def test_generate_judges_and_tells(model, elsewhere, capsys):
    assert main(["generate", "n=4", "picture=false"]) == 0
    page = (elsewhere / "molecules.html").read_text()
    assert [each["mark"][:18] for each in data(page, "molecules-data")] == ["", "", "", "impossible valence"]
    assert "75 ± 22 %" in page and "98,395 molecules of qm9 (licence: CC0)" in page
    assert "molecules.html (open it in a browser)" in capsys.readouterr().out
    assert main(["generate", "n=4", "picture=false", "overwrite=true", "report=false", "out=b.sdf"]) == 0
    assert not (elsewhere / "b.html").exists()


@pytest.mark.parametrize("words", [["generate", "n=2"], ["demo", "n=2", "out=."], ["evaluate", "input=none.sdf"]])
def test_nothing_is_done_for_a_page_whose_place_is_taken(model, elsewhere, capsys, words):
    for name in ("molecules.html", "report.html", "metrics.html"):
        (elsewhere / name).write_text("mine")
    assert main(words) == 1
    assert ".html exists already" in capsys.readouterr().err
    assert model.asked == {} and {path.read_text() for path in elsewhere.iterdir()} == {"mine"}


def test_evaluate_tells_of_every_record(elsewhere, sound_and_unsound):
    molecules.write_sdf("made.sdf", sound_and_unsound)
    with (elsewhere / "made.sdf").open("a") as text:
        text.write(f"{SECRET}\n\n\nnonsense\n$$$$\n")
    assert main(["evaluate", "input=made.sdf", "reference=null", *QUICK]) == 0
    page = (elsewhere / "metrics.html").read_text()
    assert [each["formula"] for each in data(page, "molecules-data")] == ["CH₄", "H₄N", "unreadable"]
    assert "33 ± 27 %" in page and SECRET not in page


def test_a_restored_scan_is_told_of_without_where_it_lies(scans, tiny, capsys):
    words = [f"model={tiny}", f"input={scans}/truth.nii.gz", "degrade=denoise-0.1", "samples=2", "picture=false"]
    assert main(["reconstruct", *words, f"out={scans}/out.nii.gz"]) == 0
    page = (scans / "out.html").read_text()
    layers = [layer["name"] for layer in data(page, "scan-data")["layers"]]
    assert layers[:2] == ["input", "classical"] and layers[-2:] == ["truth", "error"]
    figures = json.loads((scans / "out.json").read_text())
    assert f"{figures['psnr']:.1f} dB" in page and f"{figures['foreground/psnr']:.2f}" in page
    assert "3D Gaussian window of 11 voxels" in page, "the protocol is printed"
    assert "truth.nii.gz, denoised" in page and SECRET not in page and str(tiny.parent) not in page


def test_without_a_truth_the_page_says_so(scans, tiny):
    assert main(["reconstruct", f"model={tiny}", f"input={scans}/noisy.nii.gz", "task=denoise", "picture=false"]) == 0
    page = Path("restored.html").read_text()
    assert "No truth is known" in page and "PSNR" not in page and "misfit to the measurements" in page


def test_nothing_of_a_patient_reaches_the_page(tiny, elsewhere):
    """Neither a tag of the DICOM files, nor the name of their folder, nor of a file in it."""
    folder = series(elsewhere / SECRET, [tags(k) for k in range(6)])
    assert main(["reconstruct", f"model={tiny}", f"input={folder}", "task=denoise", "picture=false", "sigma=20"]) == 0
    page = Path("restored.html").read_text()
    for secret in (SECRET, "Secret", "SECRET-1", "19700101", *(path.stem for path in folder.iterdir())):
        assert secret not in page and secret not in json.dumps(data(page, "scan-data"))
    assert "a folder, denoised" in page


def test_one_scan_held_against_the_truth(scans, elsewhere):
    given = {"input": "answer", "reference": "truth", "baseline": "noisy", "sd": "sd"}
    assert main(["evaluate", *(f"{key}={scans}/{name}.nii.gz" for key, name in given.items())]) == 0
    page, figures = (elsewhere / "metrics.html").read_text(), json.loads((elsewhere / "metrics.json").read_text())
    layers = data(page, "scan-data")["layers"]
    assert [layer["name"] for layer in layers] == ["baseline", "restored", "stated deviation", "truth", "error"]
    assert all(f"{figures[key]:.1f} dB" in page for key in ("psnr", "baseline/psnr")) and SECRET not in page


def test_of_many_scans_the_first_is_shown_and_said_to_be(scans, elsewhere):
    for folder in (f"{SECRET}/ours", f"{SECRET}/truths"):
        for name in ("a", "b"):
            (elsewhere / folder).mkdir(exist_ok=True)
            noise = np.random.default_rng(len(folder)).normal(0, 9, HEAD.shape)
            files.write(Volume(HEAD + noise, np.eye(4)), elsewhere / folder / f"{name}.nii.gz")
    assert main(["evaluate", f"input={scans}/ours", f"reference={scans}/truths"]) == 0
    page = (elsewhere / "metrics.html").read_text()
    assert "The pictures are of the first of 2 volumes" in page and "PSNR, mean" in page and SECRET not in page
