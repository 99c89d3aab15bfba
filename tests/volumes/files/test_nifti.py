"""What goes in comes out: every format, scaling, code and unit, to the bit where nothing changed."""

import gzip
from itertools import product

import nibabel as nib
import numpy as np
import pytest

from scidiff.volumes.files import read, read_mask, write
from scidiff.volumes.volume import Header, Volume
from tests.volumes.heads import head

RANDOM = np.random.default_rng(11)
SHAPE = (5, 6, 7)
TURN = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, 0.2, 0.3) @ np.diag([-0.9, 1.1, 2.5]), [10, -20, 30])
DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
SCALINGS = [(1.0, 0.0), (18.25, 0.0), (0.0123, -1024.0), (-2.0, 7.5)]


def stored_numbers(dtype: str, shape=SHAPE) -> np.ndarray:
    """Random numbers that fill the format."""
    if np.dtype(dtype).kind == "f":
        return RANDOM.normal(0, 300, shape).astype(dtype)
    info = np.iinfo(dtype)
    return RANDOM.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def file_of(path, numbers, slope=1.0, inter=0.0, qform=1, sform=1, units=("mm", "sec"), kind=nib.Nifti1Image):
    """A NIfTI file with exactly these stored numbers and header fields."""
    image = kind(numbers, None, dtype=numbers.dtype)
    header = image.header
    header.set_qform(TURN, qform)
    header.set_sform(TURN, sform)
    header.set_xyzt_units(*units)
    header["descrip"] = b"kept"
    header.set_data_dtype(numbers.dtype)
    header["vox_offset"], header["scl_slope"], header["scl_inter"] = header.single_vox_offset, slope, inter
    content = header.binaryblock + bytes(header.single_vox_offset - header.sizeof_hdr) + numbers.tobytes(order="F")
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


def check_same(before, after):
    """Two files are the same to nibabel: voxels, affines, codes, units, format, scaling, description."""
    one, other = nib.load(before), nib.load(after)
    assert np.array_equal(one.dataobj.get_unscaled(), other.dataobj.get_unscaled())
    assert np.array_equal(one.get_fdata(), other.get_fdata()) and one.shape == other.shape
    assert (one.dataobj.slope, one.dataobj.inter) == (other.dataobj.slope, other.dataobj.inter)
    assert np.array_equal(one.affine, other.affine)
    for field in ("qform_code", "sform_code", "xyzt_units", "datatype", "descrip", "quatern_b", "srow_x", "pixdim"):
        assert np.array_equal(one.header[field], other.header[field]), field
    assert one.header.endianness == other.header.endianness


@pytest.mark.parametrize(("dtype", "scaling"), list(product(DTYPES, SCALINGS)))
def test_every_format_and_scaling_comes_back_to_the_bit(tmp_path, dtype, scaling):
    source, target = file_of(tmp_path / "in.nii", stored_numbers(dtype), *scaling), tmp_path / "out.nii.gz"
    volume = read(source)
    written = write(volume, target, like=source)
    check_same(source, target)
    assert written.clipped == 0 and written.step == (abs(volume.header.slope) if dtype[0] in "iu" else 0)
    again = tmp_path / "again.nii"
    write(volume, again)  # without the file: what float32 tells apart, and that is all a Volume holds
    assert np.array_equal(read(again).data, volume.data)


@pytest.mark.parametrize(("qform", "sform"), list(product((0, 1, 2, 4), (0, 1, 3))))
def test_every_code_is_kept(tmp_path, qform, sform):
    source = file_of(tmp_path / "in.nii.gz", stored_numbers("i2"), qform=qform, sform=sform)
    volume = read(source)
    assert (volume.header.qform_code, volume.header.sform_code) == (qform, sform)
    write(volume, tmp_path / "out.nii.gz")
    check_same(source, tmp_path / "out.nii.gz")


@pytest.mark.parametrize("units", list(product(("mm", "micron", "meter", "unknown"), ("sec", "msec", "unknown"))))
def test_every_unit_is_kept(tmp_path, units):
    source = file_of(tmp_path / "in.nii", stored_numbers("u1"), units=units)
    assert read(source).header.units == units
    write(read(source), tmp_path / "out.nii")
    check_same(source, tmp_path / "out.nii")


@pytest.mark.parametrize(
    ("shape", "dtype"), [((5, 6), "i2"), ((5, 6, 1), "u1"), ((5, 6, 7, 1), "f4"), ((5, 6, 1, 1), "i2")]
)
def test_flat_and_deep_shapes_come_back_as_they_were(tmp_path, shape, dtype):
    source = file_of(tmp_path / "in.nii", stored_numbers(dtype, shape))
    volume = read(source)
    assert volume.shape == (*shape, 1)[:3]
    write(volume, tmp_path / "out.nii", like=source)
    check_same(source, tmp_path / "out.nii")


def test_byte_order_and_the_second_version_are_kept(tmp_path):
    swapped = nib.Nifti1Image(stored_numbers("i2"), TURN, nib.Nifti1Header(endianness=">"))
    for name, image in (("swapped", swapped), ("second", nib.Nifti2Image(stored_numbers("f4"), TURN))):
        source, target = tmp_path / f"{name}.nii", tmp_path / f"{name}.out.nii"
        nib.save(image, source)
        write(read(source), target)
        check_same(source, target)
        assert type(nib.load(target)) is type(image)


def test_changed_voxels_are_rounded_to_the_grid_and_clipped_to_the_range(tmp_path):
    source = file_of(tmp_path / "in.nii", stored_numbers("u1"), 2.0, 10.0)
    volume = read(source)
    data = volume.data.copy()
    data[0, 0, :4] = 10.0 + 2 * np.array([3.4, 3.6, -5, 300])
    written = write(volume.replace(data=data), tmp_path / "out.nii")
    assert (written.step, written.clipped) == (2.0, 2)
    after = read(tmp_path / "out.nii").data
    assert after[0, 0, :4].tolist() == [16, 18, 10, 520]
    assert np.array_equal(after[1:], volume.data[1:])
    assert np.abs(after - np.clip(data, 10, 520)).max() <= 1


def test_a_map_may_be_stored_finer_than_its_scan(tmp_path):
    volume = read(file_of(tmp_path / "in.nii", stored_numbers("u1"), 18.0))
    deviation = volume.replace(data=RANDOM.uniform(0, 1, SHAPE)).stored_as(np.float32)
    write(deviation, tmp_path / "sd.nii")
    assert np.array_equal(read(tmp_path / "sd.nii").data, deviation.data)
    assert np.array_equal(nib.load(tmp_path / "sd.nii").affine, volume.affine)


def test_another_grid_gets_its_own_affine(tmp_path):
    volume = read(file_of(tmp_path / "in.nii", stored_numbers("i2")))
    finer = volume.affine @ np.diag([0.5, 0.5, 0.5, 1])
    write(volume.replace(data=np.kron(volume.data, np.ones((2, 2, 2))), affine=finer), tmp_path / "out.nii")
    image = nib.load(tmp_path / "out.nii")
    assert np.allclose(image.affine, finer, atol=1e-5) and np.allclose(image.get_qform(), finer, atol=1e-4)
    assert np.allclose(image.header.get_zooms(), np.array(volume.spacing) / 2)


def test_a_sheared_affine_from_memory_is_written_where_it_can_be(tmp_path):
    sheared = TURN.copy()
    sheared[0, 1] += 0.5
    for facts in (Header(qform_code=1, sform_code=0), Header(qform_code=0, sform_code=0), Header()):
        write(Volume(head((8, 9, 10)), sheared, facts), tmp_path / "out.nii", overwrite=True)
        assert np.allclose(nib.load(tmp_path / "out.nii").affine, sheared, atol=1e-5)


def test_two_forms_that_differ_are_both_kept(tmp_path):
    image = nib.Nifti1Image(stored_numbers("i2"), TURN)
    image.set_qform(np.diag([1.0, 2, 3, 1]), 1)
    image.set_sform(TURN, 4)
    nib.save(image, tmp_path / "in.nii")
    write(read(tmp_path / "in.nii"), tmp_path / "out.nii")
    check_same(tmp_path / "in.nii", tmp_path / "out.nii")
    assert np.array_equal(nib.load(tmp_path / "out.nii").get_qform(), nib.load(tmp_path / "in.nii").get_qform())


def test_a_frame_of_a_series(tmp_path):
    numbers = stored_numbers("i2", (4, 5, 6, 3))
    source = file_of(tmp_path / "in.nii.gz", numbers, 0.5)
    assert np.array_equal(read(source, frame=2).data, 0.5 * numbers[..., 2].astype(np.float32))
    write(read(source, frame=1), tmp_path / "out.nii.gz", like=source)
    assert np.array_equal(nib.load(tmp_path / "out.nii.gz").get_fdata(), 0.5 * numbers[..., 1])


def test_the_same_volume_gives_the_same_bytes(tmp_path):
    volume = Volume(head((9, 8, 7)), TURN)
    for name in ("a.nii.gz", "b.nii.gz"):
        write(volume, tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_mask_of_ones_is_a_mask(tmp_path):
    volume = read(file_of(tmp_path / "in.nii", stored_numbers("i2")))
    mask = file_of(tmp_path / "mask.nii", np.ones(SHAPE, "u1"))
    assert read_mask(mask, volume).all() and read_mask(mask, volume).dtype == bool


@pytest.mark.parametrize(
    ("name", "modality"),
    [("sub-01_T1w", "T1w"), ("x_FLAIR_brain", "FLAIR"), ("chest_ct", "CT"), ("scan", ""), ("sub-01_acq-T1_T2w", "T2w")],
)
def test_the_name_tells_the_modality(tmp_path, name, modality):
    source = file_of(tmp_path / f"{name}.nii", RANDOM.integers(0, 200, SHAPE).astype("i2"))
    assert read(source).modality == modality and read(source).name == name


def test_air_tells_a_ct(tmp_path):
    numbers = np.where(head((16, 16, 16)) > 0, 40, -1000).astype("i2")
    assert read(file_of(tmp_path / "scan.nii", numbers)).modality == "CT"


WRONG = {
    "a size below 0": {"pixdim": [1, -2, 2, 2, 1, 1, 1, 1]},
    "no such code": {"qform_code": 99},
    "bits of another format": {"bitpix": 7},
    "voxels at an odd place": {"vox_offset": 358},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_header_is_told_in_one_sentence_if_voxels_may_have_moved(tmp_path, caplog, recwarn, name):
    """Reading, writing and reading again; nibabel's own remarks are not heard."""
    path, header = tmp_path / "a.nii", nib.Nifti1Header()
    header.set_data_shape(SHAPE)
    header.set_sform(TURN, 1)
    header["vox_offset"] = 352
    for key, value in WRONG[name].items():
        header[key] = value
    before = bytes(int(header["vox_offset"]) - len(header.binaryblock))
    path.write_bytes(header.binaryblock + before + RANDOM.normal(size=SHAPE).astype("f4").tobytes())
    write(read(path), tmp_path / "b.nii")
    read(tmp_path / "b.nii")
    moved = {"pixdim", "qform_code"} & set(WRONG[name])
    assert [str(each.message).partition(" (")[0] for each in recwarn] == [f"{path}: its header is wrong"] * len(moved)
    assert not caplog.records
