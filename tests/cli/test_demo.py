"""scidiff demo, with models that are no good and a head made of formulas in place of the template."""

import json

import nibabel
import numpy as np
import pytest

import scidiff
from scidiff.cli import demo, demo_volumes
from scidiff.cli.main import main
from scidiff.volumes.volume import Volume
from tests.volumes.heads import head
from tests.volumes.tiny import tiny_model

MOLECULES = {"molecules.sdf", "molecules.png", "metrics.json"}
SCAN = {"scan.input.nii.gz", "scan.restored.nii.gz", "scan.classical.nii.gz", "scan.png", "scan.json"}
PAGES = {"report.html", "demo.config.yaml"}


@pytest.fixture(autouse=True)
def both(model, monkeypatch):
    """Models of both domains that nobody trained, known by the names of the shipped ones, and quick judges."""
    tiny, fake = tiny_model(name="brain"), scidiff.load
    monkeypatch.setattr("scidiff.load", lambda name: tiny if name == "brain" else fake(name))
    monkeypatch.setattr(demo, "shipped", lambda: [("brain", {}), ("qm9", {})])
    monkeypatch.setattr(demo_volumes, "brain", small_brain)
    monkeypatch.setattr("scidiff.cli.demo_molecules.evaluate.shipped", list)
    monkeypatch.setattr("scidiff.cli.demo_molecules.evaluate.DEFAULT", ("strict", "edm"))
    monkeypatch.setattr("scidiff.cli.evaluate._cores", lambda: 0)


def small_brain() -> Volume:
    return Volume(np.rint(1000 * head((24, 28, 22))), np.diag([1.0, 1.0, 1.5, 1.0])).stored_as(np.int16)


def test_both_halves_leave_files_pictures_and_figures(model, elsewhere, capsys):
    assert main(["demo", "n=4", "seed=3"]) == 0
    assert {path.name for path in (elsewhere / "demo").iterdir()} == MOLECULES | SCAN | PAGES
    assert json.loads((elsewhere / "demo/metrics.json").read_text())["strict/valid_connected"] == 0.75
    assert model.asked["seed"] == 3
    screen = capsys.readouterr().out
    assert "3 of 4 sanitise" in screen and "Restored in" in screen and "restored.nii.gz" in screen
    assert all(word in screen for word in ("scidiff generate n=1000", "scidiff evaluate input=", "scidiff reconstruct"))
    assert main(["demo", "n=4"]) == 1, "the folder is taken"


def test_the_figures_are_those_of_the_files(elsewhere, capsys):
    assert main(["demo", "n=1"]) == 0
    truth, room = small_brain().data, elsewhere / "demo"
    metrics, screen = json.loads((room / "scan.json").read_text()), capsys.readouterr().out
    for name, prefix in (("input", "input/"), ("classical", "baseline/"), ("restored", "")):
        image = nibabel.load(room / f"scan.{name}.nii.gz")
        assert image.get_data_dtype() == np.int16 and image.header.get_zooms() == (1.0, 1.0, 1.5)
        error = np.sqrt(np.mean((image.get_fdata() - truth) ** 2))
        psnr = 20 * np.log10(np.ptp(truth) / error)
        assert metrics[f"{prefix}psnr"] == pytest.approx(psnr, abs=0.05)  # the files hold rounded numbers
        assert f"{metrics[f'{prefix}psnr']:.1f} dB" in screen
    assert metrics["input/psnr"] == pytest.approx(20, abs=1), "a tenth of the brightest tissue"
    assert metrics["baseline/psnr"] > metrics["input/psnr"] + 3
    assert metrics["degrade"] == "denoise-0.1" and metrics["model"] == "brain"


@pytest.mark.parametrize(("there", "files"), [("qm9", MOLECULES), ("brain", SCAN)])
def test_a_half_without_its_model_is_left_out(there, files, elsewhere, capsys, monkeypatch):
    monkeypatch.setattr(demo, "shipped", lambda: [(there, {})])
    assert main(["demo", "n=2"]) == 0
    missing = ({"qm9", "brain"} - {there}).pop()
    screen = capsys.readouterr().out
    assert screen.count("No model ") == 1 and f"No model '{missing}' is shipped" in screen
    assert {path.name for path in (elsewhere / "demo").iterdir()} == files | PAGES


@pytest.mark.parametrize(
    ("package", "domain", "files"), [("rdkit", "molecules", SCAN), ("nilearn", "volumes", MOLECULES)]
)
def test_a_half_without_its_packages_is_left_out(package, domain, files, elsewhere, capsys, monkeypatch):
    without(package, domain, monkeypatch)
    assert main(["demo", "n=2"]) == 0
    assert f"needs {package}: pip install 'scidiff[{domain}]'" in capsys.readouterr().out
    assert {path.name for path in (elsewhere / "demo").iterdir()} == files | PAGES


def without(package, domain, monkeypatch):
    """As if the package that this half imports were not installed."""
    real = demo.import_module

    def found(name):
        if name.endswith(domain):
            raise ModuleNotFoundError(f"No module named '{package}'", name=package)
        return real(name)

    monkeypatch.setattr(demo, "import_module", found)


def test_nothing_at_all(capsys, monkeypatch):
    monkeypatch.setattr(demo, "shipped", list)
    assert main(["demo"]) == 1
    assert "nothing to show" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["molecules.sdf", "scan.json"])
def test_a_taken_place_of_either_half_is_found_before_the_work(name, model, elsewhere, capsys):
    (elsewhere / "demo").mkdir()
    (elsewhere / "demo" / name).write_text("mine")
    assert main(["demo"]) == 1
    assert f"{name} exists already" in capsys.readouterr().err and model.asked == {}


def test_the_brain_that_nilearn_carries(monkeypatch):
    monkeypatch.undo()
    scan = demo_volumes.brain()
    assert scan.orientation == "RAS" and scan.spacing == (1.0, 1.0, 1.0) and scan.header.dtype == np.int16
    assert scan.data.max() == 1000 and scan.data.min() == 0 and np.array_equal(scan.data, np.rint(scan.data))
    inside = np.argwhere(scan.data > 0)
    assert (inside.min(0) <= 2).all() and (np.array(scan.shape) - inside.max(0) <= 3).all(), "cut to the brain"
    assert np.abs(scan.affine[:3, :3] @ (np.array(scan.shape) / 2) + scan.affine[:3, 3]).max() < 25, "in its place"
