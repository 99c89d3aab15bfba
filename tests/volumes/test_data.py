"""Which scans are learnt from, what is refused in the user's words, and how much memory is foreseen."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from small import write_heads

from scidiff.cli.config import folder
from scidiff.store.build import build
from scidiff.store.errors import UserError
from scidiff.volumes import data as module
from scidiff.volumes.data import VolumeData
from scidiff.volumes.learning import bank, memory
from scidiff.volumes.learning.scans import find, names
from scidiff.volumes.networks.unet import UNet

GIVEN = {"estimate": 1, "detail": 1, "mismatch": 1, "mask": 1, "noise": 1, "fraction": 1, "along": 3}
BRAIN = OmegaConf.load(folder() / "data" / "brain.yaml")
KEPT_BACK = [22, 23, 24, 59, 60, 61]  # of ds002748
KEPT_BACK_TOO = [8, 9]  # of ds000011


def volumes(source, **changes) -> VolumeData:
    return VolumeData(**{"name": "mine", "source": str(source), "cache": f"{source}-bank", "draws": 1, **changes})


def save(path: Path, shape: tuple[int, ...]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(0).integers(0, 99, shape).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), path)
    return path


@pytest.fixture
def heads(tmp_path, monkeypatch):
    """Four small heads; examples are prepared in this process."""
    monkeypatch.setattr(bank, "workers", lambda count, space: 1)
    return write_heads(tmp_path / "heads", 4, (14, 16, 12))


@pytest.mark.parametrize(
    ("word", "path", "named"),
    [
        ("sub-08", "ds/sub-08/anat/sub-08_T1w.nii.gz", True),
        ("sub-08", "ds/sub-080/anat/sub-080_T1w.nii.gz", False),
        ("sub-08", "ds/sub-08.nii", True),
        ("ds000011_sub-08", "brain/ds000011/sub-08/anat/sub-08_T1w.nii.gz", True),
        ("ds000011_sub-08", "brain/ds000011_sub-08_T1w_head.nii.gz", True),
        ("ds000011_sub-08", "brain/ds002748/sub-08/anat/sub-08_T1w.nii.gz", False),
        ("ds000011/sub-08", "brain/ds000011_sub-08_T1w_head.nii.gz", True),
        ("ds000011_sub-08", "brain/ds000011/derivatives/sub-08/sub-08_T1w.nii.gz", False),
        ("sub-0*", "ds/sub-08/anat/sub-08_T1w.nii.gz", True),
        ("bold", "ds/sub-01/func/sub-01_task-rest_bold.nii.gz", True),
        ("validation", "scans/validation/a.nii.gz", True),
        ("", "scans/a.nii.gz", False),
    ],
)
def test_words_name_whole_words_of_a_path(word, path, named):
    assert names(word, Path(path)) is named


def published(root: Path) -> dict[str, list[int]]:
    """As OpenNeuro and OpenfMRI have them: a folder each data set, and what else lies there."""
    subjects = {"ds002748": list(range(1, 73)), "ds000011": list(range(1, 15))}
    for dataset, numbers in subjects.items():
        for number in numbers:
            anat = root / dataset / f"sub-{number:02}" / "anat"
            anat.mkdir(parents=True)
            (anat / f"sub-{number:02}_T1w.nii.gz").touch()
            (anat / f"sub-{number:02}_inplaneT2.nii.gz").touch()
            (anat / f"sub-{number:02}_T1w.json").touch()
    hidden = root / "ds002748" / ".git" / "annex" / "objects"
    hidden.mkdir(parents=True)
    (hidden / "sub-01_T1w.nii.gz").touch()
    return subjects


def flat(root: Path) -> dict[str, list[int]]:
    """As the shipped model's were: one folder, the data set in each name."""
    subjects = {"ds002748": [*range(1, 21), *KEPT_BACK], "ds000011": list(range(1, 10))}
    root.mkdir()
    for dataset, what in (("ds002748", "brain"), ("ds000011", "head")):
        for number in subjects[dataset]:
            (root / f"{dataset}_sub-{number:02}_T1w_{what}.nii.gz").touch()
    return subjects


@pytest.mark.parametrize("layout", [published, flat])
def test_the_subjects_of_the_brain_model_that_are_kept_back(tmp_path, layout):
    """In both layouts, from the folder of both data sets: the card's and no others, not sub-08 of the other set."""
    subjects = layout(tmp_path / "brain")
    kept, left = find(tmp_path / "brain", BRAIN.files, BRAIN.exclude)
    wanted = {("ds002748", n) for n in subjects["ds002748"] if n not in KEPT_BACK}
    wanted |= {("ds000011", n) for n in subjects["ds000011"] if n not in KEPT_BACK_TOO}
    found = [str(path.relative_to(tmp_path / "brain")) for path in kept]
    assert {(d, n) for d, n in wanted if sum(f.startswith(d) and f"sub-{n:02}" in f for f in found) == 1} == wanted
    assert len(found) == len(wanted) and left == len(KEPT_BACK) + len(KEPT_BACK_TOO)


@pytest.mark.parametrize(("dataset", "left"), [("ds002748", 6), ("ds000011", 2)])
def test_they_are_kept_back_from_the_folder_of_one_data_set_too(tmp_path, monkeypatch, dataset, left):
    published(tmp_path)
    assert find(tmp_path / dataset, BRAIN.files, BRAIN.exclude)[1] == left
    monkeypatch.chdir(tmp_path / dataset)
    assert find(Path(), BRAIN.files, BRAIN.exclude)[1] == left


def test_the_card_names_the_subjects_that_the_configuration_keeps_back():
    card = (folder().parent / "datasets" / "brain" / "README.md").read_text()
    for words in (KEPT_BACK, KEPT_BACK_TOO):
        assert ", ".join(f"sub-{n:02}" for n in words) in card.replace(" and ", ", ")


def test_scans_kept_for_validation_are_never_read(heads):
    """Not even opened: an example would be refused."""
    (heads / "sub-04" / "anat" / "sub-04_T1w.nii.gz").write_bytes(b"not a scan")
    kept = volumes(heads, exclude="sub-04", tasks="denoise")
    assert [path.name[:6] for path in kept.scans] == ["sub-01", "sub-02", "sub-03"] and len(kept.examples) == 3
    assert str(kept) == "3 scans of mine (1 left out), 3 examples"
    assert kept.facts()["data"]["n"] == 3


def test_facts_for_the_model_file(heads):
    """The hash is that of the training scans' own bytes: it follows them, and nothing else."""
    data = volumes(heads, tasks=["denoise", "inpaint"], draws=2)
    facts = data.facts()
    assert facts["tasks"] == list(facts["difficulty"]) == ["denoise", "inpaint"] and facts["domain"] == "volumes"
    values = np.concatenate([e.clean.astype(np.float64).ravel() for e in data.examples])
    assert facts["spread"] == pytest.approx(np.sqrt(np.mean(values**2)), rel=1e-3)
    assert build(facts["intensity"]) == data.intensity
    same, fewer = volumes(heads, tasks="denoise", seed=3), volumes(heads, tasks="denoise", exclude=["sub-02"])
    assert facts["data"]["sha256"] == same.facts()["data"]["sha256"] != fewer.facts()["data"]["sha256"]
    errors = [e.error for e in data.examples if e.task == "denoise"]
    assert min(errors) / 2 < np.exp(np.mean([np.log(data.difficulty(e)) for e in data.examples if e.task == "denoise"]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tasks": ["denose"]}, "There is no task 'denose'. Did you mean 'denoise'?"),
        ({"tasks": []}, "Tasks: denoise, inpaint, superres, mri, ct."),
        ({"patch": 50}, "data.patch=50: expected a multiple of 8 voxels"),
        ({"patch": 0}, "expected a multiple of 8 voxels"),
        ({"prior": 1.5}, "data.prior=1.5: expected a share of the patches, from 0 to 1."),
        ({"prior": "some"}, "expected a share"),
        ({"draws": 0}, "data.draws=0: expected 1 or more examples"),
        ({"draws": 2.5}, "data.draws=2.5: expected 1 or more examples"),
    ],
)
def test_settings_that_cannot_be(tmp_path, changes, said):
    with pytest.raises(UserError) as error:
        volumes(tmp_path, **changes)
    assert said in str(error.value)


def test_folders_that_will_not_do(heads, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "readme.txt").touch()
    refused = [
        (volumes("nowhere"), "There is no folder nowhere of scans to train on. Set data.source=<folder>."),
        (volumes("???"), "Training needs data.source=<folder>"),
        (volumes(empty), f"{empty} holds 0 scans that match **/*.nii*; at least 3 are needed."),
        (volumes(heads, files="*.nii.gz"), "holds 0 scans that match *.nii.gz"),
        (volumes(heads, files="/tmp/*"), "data.files=/tmp/*: expected a pattern of paths below the folder"),
        (volumes(heads, exclude=["sub-01", "sub-02", "sub-03"]), "holds 1 scan that match **/*.nii*, not counting 3"),
    ]
    for data, said in refused:
        with pytest.raises(UserError) as error:
            _ = data.scans
        assert said in str(error.value)


def test_a_series_of_volumes_among_them(heads):
    save(heads / "sub-01" / "func" / "sub-01_task-rest_bold.nii.gz", (6, 6, 4, 5))
    with pytest.raises(UserError, match=r"sub-01_task-rest_bold.nii.gz holds 5 volumes \(4D, as BOLD .* \[bold\]"):
        _ = volumes(heads).shapes
    assert volumes(heads, exclude=["bold"]).shapes == [(14, 16, 12)] * 4
    assert volumes(heads, files="**/*T1w*").shapes == [(14, 16, 12)] * 4


def test_flat_shapes_are_volumes_too(tmp_path):
    for number, shape in enumerate([(6, 5), (6, 5, 4), (6, 5, 4, 1)]):
        save(tmp_path / f"{number}.nii", shape)
    assert volumes(tmp_path).shapes == [(6, 5, 1), (6, 5, 4), (6, 5, 4)]


def test_what_is_no_scan_is_named_before_any_work(heads):
    (heads / "sub-02" / "anat" / "sub-02_T1w.nii.gz").write_bytes(b"not a scan, but long enough for a header" * 30)
    with pytest.raises(UserError, match=r"sub-02_T1w.nii.gz is not a NIfTI file"):
        _ = volumes(heads).examples
    assert not Path(f"{heads}-bank").exists()


def test_links_to_nothing_and_hidden_files(heads):
    """datalad leaves links to what was not fetched, macOS a shadow of each file."""
    (heads / "._sub-01_T1w.nii.gz").write_bytes(b"shadow")
    assert len(volumes(heads).scans) == 4
    (heads / "sub-05_T1w.nii.gz").symlink_to(heads / "annex" / "abc")
    with pytest.raises(UserError, match=r"sub-05_T1w.nii.gz is a link to a file that is not here: fetch it first"):
        _ = volumes(heads).scans


def test_a_patch_larger_than_a_scan_is_mirrored(heads):
    data = volumes(heads, tasks=["denoise", "mri"], patch=32)
    shapes = {tuple(sorted(data.batches(1, 0).sample(step, 0)[0].shape[2:])) for step in range(8)}
    assert shapes == {(32, 32, 32), (24, 40, 40)}
    assert all(torch.isfinite(data.batches(1, 0).sample(step, 0)[0]).all() for step in range(8))


def test_memory_of_examples_is_that_of_their_arrays(heads):
    """An upper bound, as the slices' axis is drawn; near to what is held all the same."""
    data = volumes(heads, tasks=["denoise", "inpaint", "superres"], draws=2)
    arrays = [value for each in data.examples for value in vars(each).values() if isinstance(value, np.ndarray)]
    foreseen = memory.held(data.shapes, data.tasks, data.draws)
    assert foreseen == sum(array.nbytes for array in arrays)
    assert memory.held([(256, 200, 100)], ["mri"], 1) == 6 * 256 * 200 * 24
    assert memory.held([(256, 200, 100)], ["denoise"], 3) == 3 * 6 * 96**3


@pytest.mark.parametrize("width", [8, 16])
def test_memory_of_a_step_follows_the_network(width):
    """What autograd keeps is proportional to the voxels, to the width of a wide network, and nothing is left behind."""
    network = UNet(GIVEN, width=width, blocks=(1, 1))
    kept = memory.kept(network)
    assert kept == pytest.approx((memory._kept(network, 2, 24) - memory._kept(network, 1, 24)) / 24**3, rel=0.01)
    wider = memory.kept(UNet(GIVEN, width=2 * width, blocks=(1, 1)))
    channels = 6 * (1 + sum(GIVEN.values()))  # bytes of what is given, in both precisions, which does not grow
    assert 2 * (kept - channels) <= wider <= 2.1 * kept
    assert all(p.grad is None for p in network.parameters())
    one, two = (memory.step(network, voxels) for voxels in (1e6, 2e6))
    assert two - one == pytest.approx(1e6 * (memory.PEAK * kept + memory.BATCH))


def test_memory_that_is_not_there_is_refused_with_advice(heads, monkeypatch):
    data, network = volumes(heads, tasks=["denoise"]), UNet(GIVEN, width=4, blocks=(1,))
    held = memory.held(data.shapes, data.tasks, 1)
    step = memory.step(network, 4 * 48**3)
    said = data.foresee(network, 4)
    assert "for 4 examples, " in said and "for a step of 4 patches of 48 x 48 x 48 voxels." in said
    monkeypatch.setattr(memory, "LIBRARIES", 0.0)
    monkeypatch.setattr(module, "free_memory", lambda: held + step - 1)
    with pytest.raises(UserError) as error:
        data.foresee(network, 4)
    assert "Make data.draws=1, batch=4 or data.patch=48 smaller." in str(error.value)
    assert "on each GPU" in data.foresee(network, 4, gpus=2) and "of 2 patches" in data.foresee(network, 4, gpus=2)
    monkeypatch.setattr(module, "free_memory", lambda: 1e9)
    monkeypatch.setattr(memory, "held", lambda *_: 2e9)
    with pytest.raises(UserError, match=r"needs 2.0 GB of memory, and 1.0 GB are free: .* Make data.draws=1 smaller\."):
        data.foresee(network, 4, gpus=2)
    assert not Path(f"{heads}-bank").exists()


def test_memory_of_the_preparation_is_that_of_the_largest_scan(heads, monkeypatch):
    """A slab of whole slices of a chest counts for more than a cube of it."""
    chest = (512, 512, 300)
    cubes, slabs = (memory.preparing([(99, 99, 99), chest], [task]) for task in ("denoise", "ct"))
    assert cubes == 4e8 + 40 * 512 * 512 * 300 and slabs == 4e8 + 1000 * 512 * 512 * 24
    monkeypatch.setattr(module, "free_memory", lambda: 1e8)
    with pytest.raises(UserError, match=r"takes .* of memory, and 100 MB are free\. Crop the largest"):
        volumes(heads).foresee(UNet(GIVEN, width=4, blocks=(1,)), 1)
