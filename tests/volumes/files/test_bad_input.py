"""Every file that cannot be used is refused in the user's words, and never half-written."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from scidiff.store.errors import UserError
from scidiff.volumes.files import check_memory, memory_needed, read, read_mask, write
from scidiff.volumes.files import checks as checks_module
from scidiff.volumes.volume import Volume
from tests.volumes.heads import head

RANDOM = np.random.default_rng(2)
HEAD = head((10, 11, 12))


def saved(path, data, affine=None):
    nib.save(nib.Nifti1Image(data, np.diag([1.0, 1, 2, 1]) if affine is None else affine), path)
    return path


def with_field(path, **fields):
    """A good file whose header is then changed."""
    header = nib.load(saved(path, HEAD)).header
    content = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    path.write_bytes(content)
    return path


def broken(value):
    data = HEAD.copy()
    data[3, 4, 5] = value
    return data


RGB = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
SAME = np.diag([1.0, 1, 1, 1])
SAME[:3, 1] = SAME[:3, 0]
MAKERS = {
    "there is no file": lambda p: p,
    "not a NIfTI file": lambda p: p.write_bytes(b"P5 something else" * 100) and p,
    "not a NIfTI": lambda p: p.write_bytes(b"") or p,
    "cut short": lambda p: saved(p, HEAD) and p.write_bytes(p.read_bytes()[:-100]) and p,
    "half of a": lambda p: with_field(p, magic=b"ni1"),
    "NaN or infinite": lambda p: saved(p, broken(np.nan)),
    "1 voxels of 1,320": lambda p: saved(p, broken(np.inf)),
    "constant: every voxel is 3": lambda p: saved(p, np.full((4, 5, 6), 3, "f4")),
    "zero or undefined affine": lambda p: with_field(p, srow_x=0, srow_y=0, srow_z=0, qform_code=0, sform_code=1),
    "undefined affine": lambda p: with_field(p, srow_x=np.nan, sform_code=1),
    "singular affine": lambda p: with_field(p, srow_x=1, srow_y=1, srow_z=1, sform_code=1),
    "complex": lambda p: saved(p, HEAD.astype("c8")),
    "colours": lambda p: saved(p, RGB),
    "holds 3 volumes .* frame=0 to frame=2": lambda p: saved(p, RANDOM.normal(size=(4, 4, 4, 3)).astype("f4")),
    "one intensity a voxel": lambda p: saved(p, RANDOM.normal(size=(4, 4, 4, 1, 3)).astype("f4")),
    "holds no image": lambda p: with_field(p, dim=[1, 1320, 1, 1, 1, 1, 1, 1]),
    "needs .* GB; .* are free": lambda p: with_field(p, dim=[3, 32767, 32767, 32767, 1, 1, 1, 1]),
}


@pytest.mark.parametrize("words", MAKERS)
def test_a_bad_file_is_refused(tmp_path, words):
    path = MAKERS[words](tmp_path / "scan.nii")
    with pytest.raises(UserError, match=f"(?i){words}") as told:
        read(path)
    assert "scan.nii" in str(told.value) and len(str(told.value).removeprefix(str(path))) < 260


def test_a_packed_file_cut_short_or_with_a_wrong_checksum(tmp_path):
    content = saved(tmp_path / "scan.nii.gz", HEAD).read_bytes()
    for changed in (content[:-200], content[:-8] + b"\0\0\0\0" + content[-4:], content[:50]):
        (tmp_path / "cut.nii.gz").write_bytes(changed)
        with pytest.raises(UserError, match="damaged or cut short"):
            read(tmp_path / "cut.nii.gz")


def test_a_frame_that_is_not_there(tmp_path):
    path = saved(tmp_path / "scan.nii", RANDOM.normal(size=(4, 4, 4, 3)).astype("f4"))
    for frame in (3, -1):
        with pytest.raises(UserError, match="from 0 to 2"):
            read(path, frame=frame)
    with pytest.raises(UserError, match="4D NIfTI"):
        read(tmp_path, frame=0)


def test_masks_of_another_grid_or_of_nothing(tmp_path):
    volume = read(saved(tmp_path / "scan.nii", HEAD))
    with pytest.raises(UserError, match="selects no voxel"):
        read_mask(saved(tmp_path / "none.nii", np.zeros(HEAD.shape, "u1")), volume)
    with pytest.raises(UserError, match="10x11x11 voxels"):
        read_mask(saved(tmp_path / "other.nii", np.ones((10, 11, 11), "u1")), volume)
    with pytest.raises(UserError, match="different affines"):
        read_mask(saved(tmp_path / "moved.nii", np.ones(HEAD.shape, "u1"), np.diag([1.0, 1, 1, 1])), volume)


@pytest.mark.filterwarnings("ignore:.*its header is wrong")
def test_fuzz_only_errors_in_the_users_words(tmp_path):
    """200 packed and plain files, cut or with a flipped bit: a volume or a UserError, nothing else."""
    packed = saved(tmp_path / "scan.nii.gz", (100 * HEAD).astype("i2")).read_bytes()
    path, refused = tmp_path / "fuzz.nii.gz", 0
    truth = read(tmp_path / "scan.nii.gz").data
    for k in range(200):
        content = bytearray(packed if k % 2 else gzip.decompress(packed))
        where = int(RANDOM.integers(len(content) if k % 2 else 400))  # a plain file's header is what can go wrong
        if k % 4 < 2:
            content = content[:where]
        else:
            content[where] ^= 1 << int(RANDOM.integers(8))
        path.write_bytes(content)
        try:
            volume = read(path)
            assert not k % 2 or np.array_equal(volume.data, truth)  # a checksum lets no change pass
        except UserError:
            refused += 1
    assert refused > 120


def test_what_is_written_is_whole_or_not_at_all(tmp_path):
    volume = read(saved(tmp_path / "scan.nii", HEAD))
    before = (tmp_path / "scan.nii").read_bytes()
    with pytest.raises(UserError, match="exists already"):
        write(volume, tmp_path / "scan.nii")
    with pytest.raises(UserError, match="NaN or infinite"):
        write(volume.replace(data=broken(np.nan)), tmp_path / "new.nii")
    with pytest.raises(UserError, match=r"ends in .nii"):
        write(volume, tmp_path / "new.png")
    with pytest.raises(UserError, match="singular"):
        write(volume.replace(affine=SAME), tmp_path / "new.nii")
    assert [path.name for path in tmp_path.iterdir()] == ["scan.nii"]
    assert (tmp_path / "scan.nii").read_bytes() == before
    write(volume.replace(data=1 - HEAD), tmp_path / "scan.nii", like=volume, overwrite=True)
    assert np.array_equal(read(tmp_path / "scan.nii").data, 1 - HEAD)


def test_memory_is_counted_in_float32_volumes(monkeypatch):
    assert memory_needed((256, 256, 256)) == 2**26
    assert memory_needed((10, 10, 10), 2.5) == 10_000
    monkeypatch.setattr(checks_module, "free_memory", lambda: 10**9)
    check_memory((256, 256, 256), 14, "scan.nii")
    with pytest.raises(UserError, match=r"256 x 256 x 256 voxels and needs 1\.0 GB; 1\.0 GB are free\. Use windows\."):
        check_memory((256, 256, 256), 15, "scan.nii", "Use windows.")


def test_the_result_of_a_damaged_model_is_not_written(tmp_path):
    with pytest.raises(UserError, match="zero or undefined affine"):
        write(Volume(HEAD, np.zeros((4, 4))), tmp_path / "new.nii.gz")
