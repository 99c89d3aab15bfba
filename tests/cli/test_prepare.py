"""scidiff prepare as it is typed, and scidiff train on what it made."""

import csv

import numpy as np
import pytest
from omegaconf import OmegaConf
from small import NETWORKS, write_heads

from scidiff.cli.config import read
from scidiff.cli.main import main
from scidiff.molecules.dataset import MoleculeSet
from scidiff.store.model import load_model

LIST = "CCO a,OCC b,c1ccccc1C c,CX d,CC(=O)[O-].[Na+] e,CCCN f,CCCS g,CC#N h,C1CCC1 i,CCCF j,CCl k"


@pytest.fixture
def listed(elsewhere):
    (elsewhere / "mine.smi").write_text("smiles name\n" + LIST.replace(",", "\n"))
    return elsewhere


def prepare(*words: str) -> int:
    return main(["prepare", *words, "processes=0"])


def small(network: str) -> list[str]:
    return [f"network.{key}={value}" for key, value in NETWORKS[network].items()]


def test_molecules_and_then_the_training(listed, capsys):
    assert prepare("input=mine.smi", "out=mine", "licence=CC0") == 0
    screen = capsys.readouterr().out
    assert "9 molecules of 11 records; 2 records dropped." in screen and "Next: scidiff train data=mine\n" in screen
    with (listed / "mine" / "dropped.csv").open() as text:
        assert [(row["record"], row["name"]) for row in csv.DictReader(text)] == [("3", "b"), ("5", "d")]
    assert sorted(path.name for path in (listed / "mine").iterdir()) == ["data.yaml", "dropped.csv", "molecules.npz"]
    assert OmegaConf.load("mine.config.yaml").licence == "CC0" and not (listed / "mine.unfinished").exists()
    assert main(["train", "data=mine", "steps=1", "batch=4", "out=run", *small("transformer")]) == 0
    header = load_model(listed / "run" / "model.safetensors")[1]
    assert header["data"]["name"] == "mine" and header["data"]["licence"] == "CC0"
    assert header["vocabulary"]["elements"] == ["H", "C", "N", "O", "F", "S", "Cl"]
    assert header["data"]["n"] == (MoleculeSet.load("mine/molecules.npz").columns["split"] == 0).sum()


def test_scans_and_then_the_training(elsewhere, capsys):
    write_heads(elsewhere / "bids", 5)
    assert prepare("input=bids", "out=my heads", "ledger=who.csv") == 0
    assert "Split by subject: train 3, validation 1, test 1." in capsys.readouterr().out
    with (elsewhere / "who.csv").open() as text:
        rows = list(csv.DictReader(text))
    assert all((elsewhere / "my heads" / row["name"]).is_file() for row in rows) and len(rows) == 5
    quick = ["steps=1", "batch=2", "data.draws=1", "data.patch=16", "data.tasks=[denoise]", *small("unet3d")]
    assert main(["train", "experiment=brain", "data=my heads", *quick, "out=run", "data.cache=bank"]) == 0
    header = load_model(elsewhere / "run" / "model.safetensors")[1]
    assert header["data"]["name"] == "my heads" and header["data"]["n"] == 3, "of the training part alone"


def test_ct_brings_its_window(elsewhere):
    for k, path in enumerate(write_heads(elsewhere / "in", 3).rglob("*T1w.nii.gz")):
        path.rename(path.with_name(f"scan{k}_ct.nii.gz"))
    assert prepare("input=in", "out=chests") == 0
    data = read("train", ["experiment=brain", "data=chests"]).data
    assert data.intensity == {"_target_": "scidiff.volumes.intensity.Window", "low": -1000, "high": 1000}
    assert data.source == "chests/train" and data.name == "chests"


def test_what_is_there_is_kept_unless_told(listed, capsys):
    assert prepare("input=mine.smi", "out=mine") == 0
    before = (listed / "mine" / "molecules.npz").read_bytes()
    assert prepare("input=mine.smi", "out=mine") == 1
    assert "mine exists already" in capsys.readouterr().err
    assert prepare("input=mine.smi", "out=mine", "overwrite=true", "fewest=3") == 0
    assert (listed / "mine" / "molecules.npz").read_bytes() != before


def test_an_interrupted_run_says_how_to_go_on(listed, capsys, monkeypatch):
    monkeypatch.setattr("scidiff.molecules.prepare.run._SHARD", 4)
    add = __import__("scidiff.molecules.prepare.shelf", fromlist=["Shelf"]).Shelf.add

    def stopped(self, outcomes):
        if self.count == 1:
            raise KeyboardInterrupt
        add(self, outcomes)

    with monkeypatch.context() as patch:
        patch.setattr("scidiff.molecules.prepare.shelf.Shelf.add", stopped)
        assert prepare("input=mine.smi", "out=mine") == 130
    assert "type the same again to go on" in capsys.readouterr().out and not (listed / "mine").exists()
    assert prepare("input=mine.smi", "out=mine", "seed=1") == 1
    assert "mine.unfinished was begun with another seed" in capsys.readouterr().err
    assert prepare("input=mine.smi", "out=mine") == 0
    assert len(MoleculeSet.load("mine/molecules.npz")) == 9


def mixed(folder):
    write_heads(folder / "both", 1)
    (folder / "both" / "a.sdf").write_text("")
    (folder / "empty").mkdir()
    (folder / "other").mkdir()
    (folder / "other" / "thesis.pdf").write_text("")
    (folder / "t.csv").write_text("structure,y\nCCO,1\n")
    (folder / "mine.smi").write_text("CX\n")
    (folder / "blank.smi").write_text("# nothing\n\n")
    (folder / "dir").mkdir()
    (folder / "dir" / "mine.smi").write_text("CCO\n")
    np.save(folder / "a.npy", np.zeros(3))


MISTAKES = {
    "input=none out=o": "There is no file or folder none.",
    "out=o": "prepare needs input=...",
    "input=empty out=o": "The folder empty is empty.",
    "input=other out=o": "holds neither molecules",
    "input=both out=o": "holds scans (sub-01/anat/sub-01_T1w.nii.gz) and molecules (a.sdf)",
    "input=both/sub-01/anat/sub-01_T1w.nii.gz out=o": "is one scan; name a folder of them",
    "input=a.npy out=o": "Cannot tell what a.npy is from its ending",
    "input=t.csv out=o": "t.csv has the columns structure, y, and none is called smiles. Add column=",
    "input=t.csv column=strcture out=o": "Did you mean 'structure'?",
    "input=mine.smi out=o": "none could be kept (mine.smi, record 1: cannot be read: 'CX' is no SMILES)",
    "input=mine.smi out=o modality=T1w": "modality= is for scans",
    "input=both/sub-01 out=o conformers=2": "conformers= is for molecules",
    "input=both/sub-01 out=o split=random": "scans are always divided by subject",
    "input=mine.smi out=o shares=[1,1,1]": "expected those of training, validation and test",
    "input=mine.smi out=o fragments=all": "expected one of largest, drop, refuse",
    "input=none.smi out=o": "There is no file or folder none.smi",
    "input=blank.smi out=o": "blank.smi holds no record of a molecule.",
    "input=dir out=dir/o": "out=dir/o lies in the folder input=dir",
    "input=mine.smi out=other overwrite=true": "other holds no data.yaml",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_answered_in_one_sentence_and_leaves_nothing(elsewhere, capsys, typed):
    mixed(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    assert prepare(*typed.split()) == 1
    screen = capsys.readouterr()
    assert MISTAKES[typed] in screen.err and screen.err.count("\n") == 1, screen.err
    assert sorted(elsewhere.rglob("*")) == before


def test_a_folder_that_was_not_prepared_is_no_data(elsewhere, capsys):
    mixed(elsewhere)
    assert main(["train", "data=dir"]) == 1
    assert "The folder dir has no data.yaml: make a data set of it with scidiff prepare" in capsys.readouterr().err
    own = elsewhere / "own" / "data"
    own.mkdir(parents=True)
    (own / "dir.yaml").write_text("defaults: [files]\nname: of my own\n")
    assert read("train", ["data=dir"], elsewhere / "own").data.name == "of my own"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: [1", "dir/data.yaml cannot be read."),
        ("kind: files", "is not as scidiff prepare writes it"),
        ("{kind: files, source: ../../etc}", "is not as scidiff prepare writes it"),
        ("{kind: files, source: mine.smi, _target_: os.system}", "is not as scidiff prepare writes it"),
        ("{kind: files, source: mine.smi, name: '${oc.env:HOME}'}", "is not as scidiff prepare writes it"),
        ("{kind: scans, source: train, intensity: {_target_: os.system, low: 0, high: 1}}", "os.system"),
    ],
)
def test_what_a_prepared_folder_says_is_not_believed_blindly(elsewhere, capsys, text, said):
    mixed(elsewhere)
    (elsewhere / "dir" / "data.yaml").write_text(text)
    assert main(["train", "experiment=brain", "data=dir", "out=run"]) == 1
    screen = capsys.readouterr()
    assert said in screen.err and screen.err.count("\n") == 1 and not (elsewhere / "run").exists()
