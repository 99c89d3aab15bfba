"""A folder of scans into a folder: as one by one, on from where it stopped, and past a file that will not do."""

from pathlib import Path

import numpy as np
import pytest

from scidiff.cli import reconstruct, study
from scidiff.cli.main import main
from scidiff.volumes import files
from scidiff.volumes.volume import Volume
from tests.volumes.heads import head
from tests.volumes.tiny import tiny_model

SHAPE = (16, 18, 16)


def put(path: str, seed: int) -> None:
    """A noisy head."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    noise = 40 * np.random.default_rng(seed).standard_normal(SHAPE)
    files.write(Volume(900 * head(SHAPE, seed=seed) + noise, np.eye(4)), path, overwrite=True)


@pytest.fixture
def restore(elsewhere):
    """Two scans, one of them in a folder of its own, and how to restore what is there."""
    tiny_model().save("tiny.safetensors")
    put("study/sub-01/anat/scan.nii.gz", 1)
    put("study/b.nii.gz", 2)

    def run(*more: str) -> int:
        typed = ["model=tiny.safetensors", "input=study", "task=denoise", "picture=false", "report=false"]
        return main(["reconstruct", *typed, "out=done", *more])

    return run


def test_each_scan_as_if_by_itself(restore, capsys):
    assert restore() == 0
    assert "2 scans, in done" in capsys.readouterr().out
    assert restore("input=study/sub-01/anat/scan.nii.gz", "out=alone.nii.gz") == 0
    assert Path("alone.nii.gz").read_bytes() == Path("done/sub-01/anat/scan.nii.gz").read_bytes()
    assert Path("done/b.json").exists() and Path("done/b.classical.nii.gz").exists()


def test_a_bad_scan_does_not_stop_the_others_and_is_tried_again(restore, monkeypatch, capsys):
    Path("study/a.nii.gz").write_bytes(Path("study/b.nii.gz").read_bytes()[:900])
    assert restore() == 1
    said = capsys.readouterr().err
    assert "scidiff: a.nii.gz: " in said and "1 of 3 scans could not be restored: a.nii.gz." in said
    assert not list(Path("done").glob("a.*")) and Path("done/b.nii.gz").exists()
    asked = []
    monkeypatch.setattr(study.Study, "__call__", lambda its, k, *_: asked.append(its.scans[k][0]) or 1)
    assert restore() == 1 and asked == ["a.nii.gz"]
    assert "Going on: 2 of 3" in capsys.readouterr().out
    put("study/b.nii.gz", 3)  # a newer scan has no answer yet
    asked.clear()
    assert restore() == 1 and asked == ["a.nii.gz", "b.nii.gz"]


def test_interrupted_it_goes_on(restore, monkeypatch):
    scan, seen = reconstruct.scan.give, []

    def give(*args, **told):
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return scan(*args, **told)

    monkeypatch.setattr(reconstruct.scan, "give", give)
    assert restore() == 130
    assert len([path for path in Path("done").rglob("*.nii.gz") if path.name in ("b.nii.gz", "scan.nii.gz")]) == 1
    assert restore() == 0 and len(seen) == 3, "only the second was restored again"


def test_answers_of_other_settings_are_not_taken_for_these(restore, capsys):
    assert restore("sigma=40") == 0
    assert restore("sigma=20") == 1
    assert "overwrite=true" in capsys.readouterr().err
    before = Path("done/b.nii.gz").read_bytes()
    assert restore("sigma=20", "overwrite=true") == 0 and Path("done/b.nii.gz").read_bytes() != before


def test_an_old_answer_does_not_hide_that_the_new_one_failed(restore, monkeypatch, capsys):
    assert restore() == 0
    monkeypatch.setattr(reconstruct.scan, "give", lambda *_, **__: 1 / 0)
    assert restore("overwrite=true") == 1
    assert "2 of 2 scans could not be restored" in capsys.readouterr().err


@pytest.mark.parametrize("typed", ["task=null", "task=polish", "model=none", "samples=1"])
def test_what_is_wrong_with_all_is_told_once(restore, typed, capsys):
    assert restore(typed) == 1
    assert capsys.readouterr().err.count("\n") == 1 and not Path("done").exists()


def test_its_own_answers_are_no_scans(restore):
    assert restore("out=study/done") == 0
    assert restore("out=study/done") == 0
    assert sorted(path.name for path in Path("study/done").iterdir() if path.is_dir()) == ["sub-01"]


def test_two_scans_that_would_have_one_answer(restore, capsys):
    put("study/b.nii", 4)
    assert restore() == 1
    assert "would both become b.nii.gz" in capsys.readouterr().err and not Path("done").exists()


def test_masks_of_the_same_names(restore):
    holes = np.zeros(SHAPE)
    holes[6:9, 6:9, 6:9] = 1
    for name in ("sub-01/anat/scan.nii.gz", "b.nii.gz"):
        Path("holes", name).parent.mkdir(parents=True, exist_ok=True)
        files.write(Volume(holes, np.eye(4)), Path("holes", name))
    assert restore("task=inpaint", "mask=holes") == 0
    scan, filled = (files.read(Path(room, "b.nii.gz")).data for room in ("study", "done"))
    assert np.array_equal(scan[holes == 0], filled[holes == 0]) and not np.array_equal(scan, filled)


def test_a_folder_without_scans(restore, capsys):
    Path("nothing").mkdir()
    assert restore("input=nothing") == 1 and "holds no NIfTI file" in capsys.readouterr().err
    assert restore("input=nothing", "task=mri") == 1 and "holds no .npz file" in capsys.readouterr().err


def test_what_lies_beside_an_older_answer_is_no_scan(restore, capsys):
    assert restore("input=study/b.nii.gz", "out=study/c.nii.gz", "samples=2") == 0
    put("study/d.sd.nii.gz", 3)  # a name like another, beside no answer
    assert restore() == 0
    assert "4 scans, in done" in capsys.readouterr().out
    assert sorted(path.name for path in Path("done").glob("*.sd.nii.gz")) == ["d.sd.nii.gz"]


def test_a_folder_that_is_not_there(restore, capsys):
    assert restore("input=studies") == 1
    assert "There is no file or folder studies. Did you mean 'study'?" in capsys.readouterr().err


def test_a_folder_of_scans_into_a_file(restore, capsys):
    assert restore("out=answer.nii.gz") == 1
    assert "holds no DICOM slices; name one of its NIfTI files, or a folder as out=" in capsys.readouterr().err
