"""What was written is read as it was, whatever it is: found by hypothesis, where examples of ours would be tame."""

import string

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scidiff.molecules import files as molecule_files
from scidiff.molecules.molecule import Molecule
from scidiff.volumes import files
from scidiff.volumes.volume import Header, Volume

OFTEN = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = st.text(string.ascii_letters + string.digits + " .-+()[]=#@µ", max_size=60).map(str.split).map(" ".join)


@st.composite
def molecules(draw):
    """Any atoms anywhere, with any charges and bonds: sense is not asked for."""
    n = draw(st.integers(2, 12))
    numbers = draw(arrays.arrays(np.uint8, n, elements=st.integers(1, 118)))
    charges = draw(arrays.arrays(np.int8, n, elements=st.integers(-4, 4)))
    places = draw(
        arrays.arrays(np.float32, (n, 3), elements=st.integers(-99_999, 99_999).map(lambda k: k / 1000), unique=True)
    )
    pairs = draw(
        st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] < p[1]), max_size=9)
    )
    bonds = [(*pair, draw(st.integers(1, 3))) for pair in sorted(pairs)]
    fields = draw(st.dictionaries(WORDS.filter(bool), WORDS.filter(bool), max_size=3))
    return Molecule(numbers, places, charges, np.array(bonds, dtype=np.int16).reshape(-1, 3), draw(WORDS), fields)


@OFTEN
@given(molecule=molecules())
def test_sdf(molecule, tmp_path):
    path = tmp_path / "a.sdf"
    text = molecule_files.sdf.to_text(molecule)
    path.write_text(text, encoding="utf-8")
    (again,) = [molecule_files.sdf._parse(1, record, path.name) for record in molecule_files.sdf._records(path)]
    for part in ("numbers", "charges", "bonds"):
        assert np.array_equal(getattr(again, part), getattr(molecule, part)), text
    assert np.abs(again.positions - molecule.positions).max() <= 0.5e-4 + 1e-5  # four decimals
    assert (again.name, again.properties) == (molecule.name, molecule.properties)


@OFTEN
@given(molecule=molecules())
def test_xyz(molecule, tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(molecule_files.xyz.to_text(molecule), encoding="utf-8")
    (again,) = [molecule_files.xyz._parse(1, frame, path.name) for frame in molecule_files.xyz._frames(path)]
    assert np.array_equal(again.numbers, molecule.numbers)
    assert np.abs(again.positions - molecule.positions).max() <= 0.5e-5 + 1e-5


KINDS = [np.dtype(kind) for kind in ("uint8", "int8", "int16", "uint16", "int32", "float32", "float64")]


@st.composite
def volumes(draw):
    """Any numbers that the format holds, on any grid that is one."""
    kind, shape = (
        draw(st.sampled_from(KINDS)),
        draw(st.tuples(*[st.integers(1, 5)] * 3).filter(lambda s: np.prod(s) > 1)),
    )
    slope = draw(st.sampled_from([1.0, 0.5, 0.0625, -2.0, 1e-3])) if kind.kind in "iu" else 1.0
    inter = draw(st.sampled_from([0.0, -1024.0, 0.25])) if kind.kind in "iu" else 0.0
    header = Header(kind, slope, inter, draw(st.integers(0, 4)), draw(st.integers(0, 4)), ("mm", "sec"))
    least, most = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else (-10_000, 10_000)
    stored = draw(arrays.arrays(np.int64, shape, elements=st.integers(int(least), int(most))))
    turn = draw(arrays.arrays(np.float64, (3, 3), elements=st.integers(-20, 20).map(lambda k: k / 10)))
    affine = np.eye(4)
    affine[:3, :3] += 0.1 * turn
    affine[:3, 3] = draw(st.tuples(*[st.integers(-300, 300)] * 3))
    if abs(np.linalg.det(affine[:3, :3])) < 0.05:
        affine[:3, :3] = np.eye(3)
    return Volume((stored * slope + inter).astype(np.float32), affine, header)


@OFTEN
@given(volume=volumes(), packed=st.booleans())
def test_nifti(volume, packed, tmp_path):
    path = tmp_path / ("a.nii.gz" if packed else "a.nii")
    files.write(volume, path, overwrite=True)
    again = files.read_nifti(path)
    assert np.allclose(again.affine, volume.affine, rtol=1e-5, atol=1e-4)
    assert again.header.dtype == volume.header.dtype and again.header.units == volume.header.units
    assert (again.header.slope, again.header.inter) == (np.float32(volume.header.slope), volume.header.inter)
    half = 0.5 * abs(volume.header.slope) if volume.header.dtype.kind in "iu" else 0.0
    assert np.abs(again.data - volume.data).max() <= 1.001 * half + 1e-6 * np.abs(volume.data).max()
    files.write(again, path, like=path, overwrite=True)
    assert np.array_equal(files.read_nifti(path).data, again.data), "an unchanged voxel comes back to the bit"
