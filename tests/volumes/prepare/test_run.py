"""Folders as people have them become folders to learn from, and say nothing of the patients."""

import csv
import gzip

import nibabel as nib
import numpy as np
import pytest

from scidiff.store.errors import UserError
from scidiff.volumes import files
from scidiff.volumes.learning.scans import find as find_training
from scidiff.volumes.prepare.find import find
from scidiff.volumes.prepare.run import PIECES, TABLE, prepare
from scidiff.volumes.prepare.scan import convert
from tests.volumes.files.test_dicom import SHAPE, report, series, tags

SHARES = (0.6, 0.2, 0.2)


def scan(path, seed=0, shape=(9, 10, 11), data=None):
    """Noise with a free text in the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(seed).integers(0, 900, shape) if data is None else data
    image = nib.Nifti1Image(np.asarray(data, dtype=np.int16 if data.dtype.kind == "i" else np.float32), 2 * np.eye(4))
    image.header["descrip"] = b"Secret^Name 19700101"
    image.header["db_name"] = b"SECRET"
    nib.save(image, path)
    return path


def fill(scans, folder, **options):
    folder.mkdir(exist_ok=True)
    return prepare(scans, folder, SHARES, **{"processes": 0, **options})


def patients(folder, count=5):
    """A T1 of each; the first also has a FLAIR in the same folder, the second a localiser."""
    folder.mkdir()

    def one(name, slices, **changes):
        series(folder / name, [tags(k, **changes) for k in range(slices)])

    for k in range(count):
        one(
            f"Secret_{k}",
            SHAPE[2],
            PatientID=f"S-{k}",
            SeriesInstanceUID=f"1.{k}",
            SeriesDescription="t1_mprage Secret",
        )
    one("Secret_0", SHAPE[2], PatientID="S-0", SeriesInstanceUID="2.0", SeriesNumber=4, ProtocolName="FLAIR")
    one("Secret_1", 1, PatientID="S-1", SeriesInstanceUID="2.1", SeriesNumber=5)
    series(folder / "Secret_1", [report()])
    return folder


def test_dicom_series_become_files_that_know_no_patient(tmp_path):
    found = find(patients(tmp_path / "hospital"))
    prepared = fill(found, tmp_path / "out", fewest=4)
    assert sorted(each.facts.modality for each in prepared.scans) == ["FLAIR", *["T1w"] * 5]
    assert {each.subject for each in prepared.scans} == {f"sub-00{k}" for k in range(1, 6)}
    assert sorted(reason.partition(":")[0] for _, reason in prepared.dropped) == ["2D or nearly", "cannot be read"]
    parts = {(each.subject, each.part) for each in prepared.scans}
    assert len(parts) == 5, "a subject is in one part"
    volume = files.read(tmp_path / "out" / prepared.scans[0].path)
    assert volume.header.dtype == np.uint16 and (volume.header.slope, volume.header.inter) == (2, -1024)
    for path in (tmp_path / "out").rglob("*"):
        assert "ecret" not in str(path.relative_to(tmp_path)).lower()
        if path.is_file() and PIECES not in path.parts:
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            assert not any(word in content.lower() for word in (b"ecret", b"s-0", b"1970", b"1.2.3.4"))


def test_bids_and_flat_folders(tmp_path):
    """Labels stay, dates in sessions and names of files go, and one person's scans stay together."""
    bids = tmp_path / "bids"
    for day in ("20190412", "20200101"):
        scan(bids / "sub-A7" / f"ses-{day}" / "anat" / f"sub-A7_ses-{day}_acq-x_T1w.nii.gz", int(day))
    scan(bids / "sub-002" / "anat" / "sub-002_T1w.nii", 1)
    scan(bids / "derivatives" / "sub-A7" / "sub-A7_FLAIR.nii.gz", 2)
    scan(bids / "Doe_John_T1.nii.gz", 3)
    scan(bids / "Doe_John_T2.nii.gz", 4)
    (bids / "participants.tsv").write_text("participant_id\nsub-A7\n")
    prepared = fill(find(bids), tmp_path / "out")
    names = {each.found.place: each.name for each in prepared.scans}
    assert sorted(names.values()) == [
        "sub-001_T1w.nii.gz",
        "sub-001_T2w.nii.gz",
        "sub-002_T1w.nii.gz",
        "sub-A7_ses-1_FLAIR.nii.gz",
        "sub-A7_ses-2_T1w.nii.gz",
        "sub-A7_ses-3_T1w.nii.gz",
    ]
    assert len({each.part for each in prepared.scans if each.subject == "sub-A7"}) == 1
    numbered = fill(find(bids), tmp_path / "numbers", labels="number")
    assert {each.subject for each in numbered.scans} == {"sub-001", "sub-002", "sub-003"}


def test_two_data_sets_may_have_the_same_label(tmp_path):
    for name in ("ds11_sub-01_T1w", "ds48_sub-01_T1w"):
        scan(tmp_path / "in" / f"{name}.nii.gz", len(name))
    assert {each.label for each in find(tmp_path / "in")} == {"sub-ds1101", "sub-ds4801"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (np.zeros((9, 9, 9)), "constant"),
        (np.full((9, 9, 9), np.nan), "NaN or infinite"),
        (np.random.default_rng(0).normal(size=(9, 9, 9, 3)), "4D: 3 volumes"),
        (np.random.default_rng(0).normal(size=(9, 9)), "2D or nearly: 9 x 9 x 1"),
        (np.random.default_rng(0).integers(0, 4, (9, 9, 9)), "mask or labels: 4 different"),
    ],
)
def test_what_is_left_out_and_why(tmp_path, data, reason):
    scan(tmp_path / "in" / "x_T1w.nii.gz", data=data)
    (found,) = find(tmp_path / "in")
    assert convert(found, tmp_path / "000000.nii.gz", 8, None).dropped.startswith(reason)
    assert not (tmp_path / "000000.nii.gz").exists()


def test_voxels_and_places_are_the_input_s_to_the_bit(tmp_path):
    path = scan(tmp_path / "in" / "x_T1w.nii.gz")
    (found,) = find(tmp_path / "in")
    facts = convert(found, tmp_path / "000000.nii.gz", 8, "t1w")
    before, after = nib.load(path), nib.load(tmp_path / "000000.nii.gz")
    assert np.array_equal(before.dataobj.get_unscaled(), after.dataobj.get_unscaled())
    assert np.array_equal(before.affine, after.affine) and after.get_data_dtype() == np.int16
    assert facts.shape == (9, 10, 11) and facts.spacing == (2, 2, 2) and facts.modality == "T1w"
    assert convert(found, tmp_path / "000001.nii.gz", 8, "CT").dropped == "another kind: T1w"


def test_an_interrupted_run_goes_on(tmp_path):
    for k in range(5):
        scan(tmp_path / "in" / f"sub-{k}_T1w.nii.gz", k)
    scans = find(tmp_path / "in")

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(scans, tmp_path / "out", progress=stop)
    first = tmp_path / "out" / PIECES / "000000.nii.gz"
    made = first.stat().st_mtime_ns
    prepared = fill(scans, tmp_path / "out")
    assert (tmp_path / "out" / prepared.scans[0].path).stat().st_mtime_ns == made
    fill(scans, tmp_path / "whole")
    assert (tmp_path / "out" / TABLE).read_bytes() == (tmp_path / "whole" / TABLE).read_bytes()
    with (tmp_path / "out" / TABLE).open() as text:
        rows = list(csv.DictReader(text))
    assert [row["file"] for row in rows] == sorted(each.path for each in prepared.scans)
    assert [row["shape"] for row in rows] == ["9 10 11"] * 5 and {row["modality"] for row in rows} == {"T1w"}
    (tmp_path / "out" / "data.yaml").write_text("")
    training, _ = find_training(tmp_path / "out", "**/*.nii*", [])
    assert len(training) == 3, "validation and test are not learnt from"


def test_nothing_to_keep_and_nothing_there(tmp_path):
    scan(tmp_path / "in" / "x_T1w.nii.gz", data=np.zeros((9, 9, 9)))
    with pytest.raises(UserError, match=r"Of 1 scans none could be kept \(x_T1w.nii.gz: constant"):
        fill(find(tmp_path / "in"), tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no NIfTI file"):
        find(tmp_path / "empty")
