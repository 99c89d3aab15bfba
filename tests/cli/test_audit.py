"""scidiff evaluate memorisation=true: who is training and who control, the answer in words, and every mistake."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from scidiff.cli.main import main
from scidiff.molecules import files
from scidiff.molecules.dataset import MoleculeSet
from scidiff.volumes import files as scans
from scidiff.volumes.volume import Volume
from tests.small import sixty
from tests.volumes.heads import head

SHAPE = (40, 44, 36)


@pytest.fixture
def data(elsewhere):
    """Forty molecules to train on and twenty held out, in a prepared folder; copies and others in files."""
    every = sixty()
    parts = np.repeat([0, 1, 2], [40, 10, 10]).astype(np.int8)
    (elsewhere / "mine").mkdir()
    MoleculeSet.from_molecules(every, split=parts).save(elsewhere / "mine" / "molecules.npz")
    files.write_sdf("train.sdf", [every.molecule(k) for k in range(40)])
    files.write_sdf("held.sdf", [every.molecule(k) for k in range(40, 60)])
    files.write_sdf("copies.sdf", [every.molecule(k) for k in range(5, 40)])
    files.write_sdf("both.sdf", [every.molecule(k) for k in range(0, 60, 2)])
    return elsewhere


def audit(*words: str) -> dict:
    assert main(["evaluate", *words, "memorisation=true", "overwrite=true"]) == 0
    return json.loads(Path("metrics.json").read_text())


def test_copies_are_told_from_a_fair_draw(data, capsys):
    found = audit("processes=0", "input=copies.sdf", "reference=mine")
    assert found["memorisation/identical"] == 1 and found["memorisation/graphs/p"] < 1e-3
    assert found["memorisation/copies/train"] == found["memorisation/distinct"] == 35
    screen = capsys.readouterr().out
    assert (
        "training molecules are repeated more often" in screen
        and "Coordinates: those of training are repeated" in screen
    )
    assert any("repeated more often" in answer for answer in found["answers"])
    assert "Memorisation" in Path("metrics.html").read_text() and Path("metrics.json.config.yaml").exists()
    fair = audit("processes=0", "input=both.sdf", "reference=mine")
    assert fair["memorisation/graphs/p"] > 0.1 and "are not favoured over held-out ones" in capsys.readouterr().out
    files_say = audit("processes=0", "input=both.sdf", "reference=train.sdf", "control=held.sdf")
    same = [key for key in fair if key.startswith(("memorisation/graphs", "memorisation/copies", "memorisation/near"))]
    assert len(same) > 20 and all(files_say[key] == fair[key] for key in same)


def test_a_shipped_reference_knows_graphs_alone(data, capsys, monkeypatch):
    texts = SimpleNamespace(smiles=frozenset(MoleculeSet.load("mine/molecules.npz").columns["smiles"].tolist()))
    monkeypatch.setattr("scidiff.cli.audit_molecules.shipped", lambda: ["tiny"])
    monkeypatch.setattr("scidiff.cli.audit_molecules.find", lambda name: texts)
    found = audit("processes=0", "input=both.sdf", "reference=tiny", "control=held.sdf")
    assert "memorisation/copies/p" not in found and found["reference"] == "tiny"
    assert "Coordinates: not compared" in capsys.readouterr().out


def test_scans(elsewhere, capsys):
    for k in range(6):
        room = ("trained", "strangers")[k % 2]
        put(f"{room}/{k}.nii.gz", 900 * head(SHAPE, seed=k))
    put("answers/a.nii.gz", 900 * head(SHAPE, seed=2))
    put("answers/a.sd.nii.gz", np.ones(SHAPE))  # a map, not an answer
    found = audit("input=answers", "reference=trained", "control=strangers")
    assert found["memorisation/n"] == 1 and found["memorisation/copied"] == 1
    assert found["memorisation/control/copied"] < 1
    assert "Copying: what is shown is" in capsys.readouterr().out and Path("metrics.html").exists()
    for room, part in (("trained", "train"), ("strangers", "test")):
        Path("mine").mkdir(exist_ok=True)
        Path(room).rename(f"mine/{part}")
    Path("mine/data.yaml").touch()
    assert audit("input=answers", "reference=mine")["memorisation/margin/p"] == found["memorisation/margin/p"]


def put(path: str, data: np.ndarray) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    scans.write(Volume(data, np.eye(4)), path)


QUICK = ((), ("processes=0",))
MISTAKES = {
    "input=both.sdf reference=qm9": "add control=",
    "input=both.sdf reference=train.sdf": "add control=",
    "input=both.sdf reference=null control=held.sdf": "by name and hash alone",
    "input=both.sdf reference=best.safetensors control=held.sdf": "by name and hash alone",
    "input=both.sdf reference=none control=held.sdf": "no file or prepared set none",
    "input=both.sdf reference=held.sdf control=held.sdf": "the two must differ",
    "input=both.sdf reference=mine relax=true": "relax= is not for memorisation=true",
    "input=a.nii.gz": "needs the scans that were trained on",
    "input=a.nii.gz reference=trained": "add control=",
    "input=a.nii.gz reference=trained control=none": "There is no file or folder none",
    "input=a.nii.gz reference=trained control=trained": "needs two of each",
    "input=thin.nii.gz reference=many control=many": "thin.nii.gz has 9 voxels along one axis",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_answered_in_one_sentence(typed, data, capsys):
    put("a.nii.gz", head((20, 20, 20)))
    for name in ("trained/a", "many/a", "many/b"):
        put(f"{name}.nii.gz", head((20, 20, 20)))
    put("thin.nii.gz", head((20, 20, 9)))
    assert (
        main(
            [
                "evaluate",
                *typed.split(),
                "memorisation=true",
                "out=refused.json",
                *QUICK[typed.startswith("input=both")],
            ]
        )
        == 1
    )
    screen = capsys.readouterr()
    assert MISTAKES[typed] in screen.err and screen.err.count("\n") == 1 and screen.out == ""


def test_a_control_without_an_audit(data, capsys):
    assert main(["evaluate", "input=both.sdf", "control=held.sdf"]) == 1
    assert "control= is for memorisation=true" in capsys.readouterr().err
