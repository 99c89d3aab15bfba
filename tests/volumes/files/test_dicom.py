"""A series of DICOM slices made here: in the right place, in the right order, without its patient."""

import warnings

import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import BasicTextSRStorage, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from scidiff.store.errors import UserError
from scidiff.volumes.files import read, write
from scidiff.volumes.volume import Volume
from tests.volumes.heads import head

SHAPE = (9, 12, 6)  # columns, rows, slices
STORED = (1000 * head(SHAPE)).astype(np.uint16)
TURN = nib.eulerangles.euler2mat(0.2, -0.1, 0.15)
ACROSS, DOWN, NORMAL = TURN.T
FIRST, GAP, ROWS_APART, COLUMNS_APART = np.array([-100.0, 50.0, 20.0]), 2.5, 0.8, 1.1
SERIES = "1.2.3.4.5"


def tags(k: int, **changes) -> Dataset:
    """The k-th slice."""
    item = Dataset()
    item.file_meta = FileMetaDataset()
    item.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    item.file_meta.MediaStorageSOPClassUID = item.SOPClassUID = CTImageStorage
    item.file_meta.MediaStorageSOPInstanceUID = item.SOPInstanceUID = generate_uid()
    item.PatientName, item.PatientID, item.PatientBirthDate = "Secret^Name", "SECRET-1", "19700101"
    item.Modality, item.SeriesInstanceUID, item.SeriesNumber = "CT", SERIES, 3
    item.ImageOrientationPatient = [round(float(n), 6) for n in (*ACROSS, *DOWN)]
    item.ImagePositionPatient = [round(float(n), 4) for n in FIRST + k * GAP * NORMAL]
    item.PixelSpacing, item.SliceThickness = [ROWS_APART, COLUMNS_APART], 5.0
    item.Columns, item.Rows = SHAPE[:2]
    item.BitsAllocated, item.BitsStored, item.HighBit, item.PixelRepresentation = 16, 12, 11, 0
    item.SamplesPerPixel, item.PhotometricInterpretation = 1, "MONOCHROME2"
    item.RescaleSlope, item.RescaleIntercept = 2, -1024
    item.PixelData = STORED[..., k % SHAPE[2]].T.tobytes()
    for name, value in changes.items():
        if value is None:
            delattr(item, name)
        else:
            setattr(item, name, value)
    return item


def series(folder, slices):
    """Files whose names say nothing of their order."""
    folder.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for item in slices:
            item.save_as(folder / f"{str(item.SOPInstanceUID)[-12:]}.dcm", enforce_file_format=True)
    return folder


def report() -> Dataset:
    """A DICOM file that is no image."""
    item = tags(0, Rows=None, Columns=None, PixelData=None, SOPClassUID=BasicTextSRStorage)
    item.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    return item


@pytest.fixture
def folder(tmp_path):
    return series(tmp_path / "slices", [tags(k) for k in range(SHAPE[2])])


def test_intensities_and_places(folder):
    (folder / "README.txt").write_text("not a slice")
    series(folder, [report()])
    volume = read(folder)
    assert np.array_equal(volume.data, 2 * STORED.astype(np.float32) - 1024)
    assert volume.spacing == pytest.approx((COLUMNS_APART, ROWS_APART, GAP), abs=1e-3)
    assert np.linalg.det(volume.affine[:3, :3]) > 0 and volume.orientation == "LPS"
    column, row, k = 4, 7, 3
    patient = FIRST + column * COLUMNS_APART * ACROSS + row * ROWS_APART * DOWN + k * GAP * NORMAL
    expected = patient * [-1, -1, 1]  # left-posterior-superior to right-anterior-superior
    assert volume.affine @ [column, row, k, 1] == pytest.approx([*expected, 1], abs=1e-3)
    assert (volume.modality, volume.name) == ("CT", "slices")
    assert volume.header.dtype == np.uint16 and (volume.header.slope, volume.header.inter) == (2, -1024)


def test_written_as_nifti_nothing_is_lost_and_no_patient_is_found(folder, tmp_path):
    write(read(folder), tmp_path / "out.nii", like=folder)
    image = nib.load(tmp_path / "out.nii")
    assert np.array_equal(image.dataobj.get_unscaled(), STORED) and image.get_data_dtype() == np.uint16
    assert np.allclose(image.affine, read(folder).affine, atol=1e-4)
    assert image.header.get_xyzt_units()[0] == "mm" and int(image.header["sform_code"]) == 1
    assert b"ecret" not in (tmp_path / "out.nii").read_bytes().lower()
    assert "ecret" not in repr(read(folder)).lower()


def test_a_scaling_for_each_slice(tmp_path):
    folder = series(tmp_path / "pet", [tags(k, RescaleSlope=0.5 + k) for k in range(SHAPE[2])])
    assert np.array_equal(read(folder).data[..., 3], (3.5 * STORED[..., 3] - 1024).astype(np.float32))
    assert read(folder).header.dtype == np.float32


def test_a_tilted_gantry_and_a_single_slice(tmp_path):
    tilt = 0.4 * DOWN
    moved = [tags(k, ImagePositionPatient=[*np.round(FIRST + k * (GAP * NORMAL + tilt), 4)]) for k in range(SHAPE[2])]
    volume = read(series(tmp_path / "tilted", moved))
    assert volume.affine[:3, 2] == pytest.approx((GAP * NORMAL + tilt) * [-1, -1, 1], abs=1e-3)
    write(volume, tmp_path / "tilted.nii")
    assert np.allclose(nib.load(tmp_path / "tilted.nii").affine, volume.affine, atol=1e-4)
    single = read(series(tmp_path / "single", [tags(2)]))
    assert single.shape == (*SHAPE[:2], 1) and single.spacing[2] == pytest.approx(5)


def position(k: float) -> list[float]:
    return [round(float(n), 4) for n in FIRST + k * GAP * NORMAL]


SIX = range(SHAPE[2])
BAD = {
    "no DICOM slices": list,
    "2 series .number 3 with 3 slices, number 4 with 3 slices": lambda: [
        tags(k, **({} if k < 3 else {"SeriesInstanceUID": SERIES + ".1", "SeriesNumber": 4})) for k in SIX
    ],
    "lacks 1 of 6 slices": lambda: [tags(k) for k in SIX if k != 2],
    "unequally spaced": lambda: [tags(k, ImagePositionPatient=position(k + 0.1 * (k == 2))) for k in SIX],
    "at one position": lambda: [tags(k // 2) for k in SIX],
    "tilted against each other": lambda: [tags(0), tags(1, ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
    "differ in shape": lambda: [tags(0), tags(1, Rows=6)],
    "lacks a sound position": lambda: [tags(0, ImagePositionPatient=None)],
    "several frames": lambda: [tags(0, NumberOfFrames=4)],
    "colours": lambda: [tags(0, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0,
                             BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=bytes(324))],
    "pixels are damaged": lambda: [tags(k, **({"PixelData": b"\0" * 20} if k == 1 else {})) for k in SIX],
}  # fmt: skip


@pytest.mark.parametrize("words", BAD)
def test_a_bad_series_is_refused(tmp_path, words):
    folder = series(tmp_path / "slices", BAD[words]())
    with pytest.raises(UserError, match=words) as told:
        read(folder)
    assert "ecret" not in str(told.value) and SERIES not in str(told.value)


def test_a_slice_cut_short(folder):
    path = next(folder.iterdir())
    content = path.read_bytes()
    for length in (20, 140, 200, 350, 600, len(content) - 50):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"lacks|damaged|cut short|not a DICOM"):
            read(folder)


def test_a_volume_follows_a_folder(folder, tmp_path):
    volume = Volume(read(folder).data + 0.7, read(folder).affine)
    written = write(volume, tmp_path / "out.nii.gz", like=folder)
    assert written.step == 2
    assert np.array_equal(read(tmp_path / "out.nii.gz").data, read(folder).data)
