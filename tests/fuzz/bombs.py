"""Hostile files made by hand: small on disk, huge when believed."""

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

MEGA = 2**20
Bomb = Callable[[Sequence[Path]], Path]


def gz(path: Path, beginning: bytes, filler: bytes, megabytes: int) -> Path:
    """A gzip file whose content begins so and goes on for megabytes: members may follow one another."""
    chunk = _member(filler * (16 * MEGA // len(filler)))
    path.write_bytes(_member(beginning) + chunk * (megabytes // 16))
    return path


def _member(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(content) + packer.flush()


def npz(path: Path, good: Path, name: str, header: dict, megabytes: int = 0) -> Path:
    """A good .npz with one array whose header says anything, zeros behind it."""
    with zipfile.ZipFile(good) as archive:
        members = {key: archive.read(key) for key in archive.namelist() if key != f"{name}.npy"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for key, content in members.items():
            archive.writestr(key, content)
        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, {"fortran_order": False, **header})
            for _ in range(megabytes):
                member.write(bytes(MEGA))
    return path


def _npz(seeds: Sequence[Path], name: str, megabytes: int = 0, **header: object) -> Path:
    return npz(seeds[0].with_name("bomb.npz"), seeds[0], name, header, megabytes)


def _saved(seeds: Sequence[Path], **changes: object) -> Path:
    """Good arrays but for some."""
    path = seeds[0].with_name("bomb.npz")
    with np.load(seeds[0]) as good:
        np.savez(path, **{**good, **{name: np.asarray(value) for name, value in changes.items()}})
    return path


def _members(seeds: Sequence[Path], names: Sequence[str]) -> Path:
    """Members whose names lead out of the folder."""
    path = seeds[0].with_name("bomb.npz")
    with zipfile.ZipFile(seeds[0]) as good, zipfile.ZipFile(path, "w") as archive:
        content = good.read(good.namelist()[0])
        for name in (*good.namelist(), *names):
            archive.writestr(name, good.read(name) if name in good.namelist() else content)
    return path


def _text(seeds: Sequence[Path], name: str, text: str) -> Path:
    path = seeds[0].with_name(name)
    path.write_text(text)
    return path


def _texts(name: str, text: str, numbers: Sequence[object]) -> dict[str, Bomb]:
    return {f"{str(n)[:20]} promised": partial(_text, name=name, text=text.format(n)) for n in numbers}


def _gz(seeds: Sequence[Path], name: str, beginning: str, filler: str = "x", megabytes: int = 3072) -> Path:
    return gz(seeds[0].with_name(name), beginning.encode(), filler.encode(), megabytes)


def _nifti(seeds: Sequence[Path], name: str, shape: Sequence[int], megabytes: int = 0) -> Path:
    """A good header with another shape, and zeros."""
    header = bytearray(seeds[0].read_bytes()[:352])
    struct.pack_into("<8h", header, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    path = seeds[0].with_name(name)
    if name.endswith(".gz"):
        return gz(path, bytes(header), b"\0", megabytes)
    path.write_bytes(header)
    return path


def _dicom(seeds: Sequence[Path], rows: int, columns: int) -> Path:
    from pydicom import dcmread

    for path in seeds:
        item = dcmread(path)
        item.Rows, item.Columns = rows, columns
        item.save_as(path)
    return seeds[0]


def _safetensors(seeds: Sequence[Path], change: Callable[[dict, dict], None]) -> Path:
    """A good model file with another table and another header."""
    content = seeds[0].read_bytes()
    length = int.from_bytes(content[:8], "little")
    table = json.loads(content[8 : 8 + length])
    header = json.loads(table["__metadata__"]["scidiff"])
    change(table, header)
    table["__metadata__"]["scidiff"] = json.dumps(header)
    packed = json.dumps(table).encode()
    path = seeds[0].with_name("bomb.safetensors")
    path.write_bytes(len(packed).to_bytes(8, "little") + packed + content[8 + length :])
    return path


def _raw(seeds: Sequence[Path], name: str, content: bytes) -> Path:
    path = seeds[0].with_name(name)
    path.write_bytes(content)
    return path


def _network(key: str, value: object) -> Bomb:
    return partial(_safetensors, change=lambda table, header: header["config"]["network"].update({key: value}))


def _header(key: str, value: object) -> Bomb:
    return partial(_safetensors, change=lambda table, header: header.update({key: value}))


def _tensor(**facts: object) -> Bomb:
    return partial(
        _safetensors, change=lambda table, header: next(v for k, v in table.items() if k[0] != "_").update(facts)
    )


def _config(seeds: Sequence[Path], text: str) -> Path:
    config = seeds[0]
    config.write_text(config.read_text() + text)
    return config


def _zip_quine(seeds: Sequence[Path]) -> Path:
    """An .npz whose directory says one byte and whose member unpacks to gigabytes."""
    path = _npz(seeds, "data", 1200, shape=(1200 * MEGA,), descr="|u1")
    content = bytearray(path.read_bytes())
    place = content.rfind(b"PK\x01\x02")
    struct.pack_into("<I", content, place + 24, 1)
    path.write_bytes(content)
    return path


def _product(one: Callable[[str, object], Bomb], keys: Sequence[str], values: Sequence[object]) -> dict[str, Bomb]:
    return {f"{key} {value}": one(key, value) for key in keys for value in values}


def _lattice(n: int, spacing: float) -> str:
    rows = (f"C {spacing * x} {spacing * y} {spacing * z}\n" for x in range(n) for y in range(n) for z in range(n))
    return f"{n**3}\n\n{''.join(rows)}"


LAUGHS = "\nl0: &l0 [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"l{k}: &l{k} [{', '.join([f'*l{k - 1}'] * 9)}]" for k in range(1, 10)
)
DEEP = b"{" * 200_000
COUNTS = "a\n  b\n\n{}  0  0            999 V2000\n    0.0000    0.0000    0.0000 C   0  0\nM  END\n$$$$\n"
V3000 = (
    "a\n  b\n\n  0  0  0     0  0            999 V3000\nM  V30 BEGIN CTAB\nM  V30 COUNTS {} 0 0 0 0\n"
    "M  V30 BEGIN ATOM\nM  V30 1 C 0 0 0 0\nM  V30 END ATOM\nM  V30 END CTAB\nM  END\n$$$$\n"
)
NPY = b"\x93NUMPY\x01\0v\0{'descr': '|b1', 'fortran_order': False, 'shape': (1099511627776,), }"
OUT = ("../../../tmp/out.npy", "/tmp/out.npy", "smiles.npy/../../x.npy")

BOMBS: dict[str, dict[str, Bomb]] = {
    "SDF": {
        "3 GB in one line": partial(_gz, name="bomb.sdf.gz", beginning="a\n"),
        "3 GB in one record": partial(_gz, name="bomb.sdf.gz", beginning="a\n", filler="x\n"),
        "3 GB of a field": partial(_gz, name="bomb.sdf.gz", beginning=">  <a>\n", filler="xxxxxxxxxxxxxxx\n"),
        **_texts("bomb.sdf", COUNTS, ("999999  0", " -1-01  0")),
        **_texts("bomb.sdf", V3000, (10**9, 2**31, 2**63, 10**40, -1)),
    },
    "XYZ": {
        "3 GB in one line": partial(_gz, name="bomb.xyz.gz", beginning="2\n"),
        "3 GB in one frame": partial(_gz, name="bomb.xyz.gz", beginning="2\n\n", filler="C 0 0 0\n"),
        **_texts("bomb.xyz", "{}\n\nC 0 0 0\n", (10**9, 2**63, "9" * 5000)),
        "columns beyond": partial(_text, name="bomb.xyz", text=f"1\nProperties=species:S:{10**18}:pos:R:3\nC 0 0 0\n"),
        "20,000 atoms": partial(_text, name="bomb.xyz", text=_lattice(27, 1.0)),
    },
    "own molecules, XYZ": {
        "a lattice of carbon": partial(_text, name="bomb.xyz", text=_lattice(6, 1.4)),
        "charged beyond all": partial(_text, name="bomb.xyz", text=f"2\ncharge={10**30}\nC 0 0 0\nO 1.1 0 0\n"),
    },
    "prepared molecules": {
        "a huge shape": partial(_npz, name="offsets", shape=(2**60,), descr="<i8"),
        "a huge product": partial(_npz, name="offsets", shape=(2**40, 2**40), descr="<i8"),
        "1.2 GB of zeros": partial(_npz, name="smiles", megabytes=1200, shape=(1200 * MEGA,), descr="|u1"),
        "a lying directory": _zip_quine,
        "long words": partial(_npz, name="smiles", shape=(4,), descr="<U500000000"),
        "objects": partial(_npz, name="smiles", shape=(4,), descr="|O"),
        "names that lead out": partial(_members, names=OUT),
    },
    "reference": {"1.2 GB of zeros": partial(_npz, name="smiles", megabytes=1200, shape=(1200 * MEGA,), descr="|u1")},
    "NIfTI": {
        "a huge shape": partial(_nifti, name="bomb.nii", shape=[32767] * 3),
        "huger": partial(_nifti, name="bomb.nii", shape=[32767] * 7),
        "below memory": partial(_nifti, name="bomb.nii", shape=[1000, 1000, 100]),
        "below memory, packed": partial(_nifti, name="bomb.nii.gz", shape=[500, 500, 100], megabytes=16),
        "3 GB of zeros": partial(_nifti, name="bomb.nii.gz", shape=[1000, 1000, 1000], megabytes=3072),
        "3 GB behind a scan": partial(_nifti, name="bomb.nii.gz", shape=[10, 10, 10], megabytes=3072),
    },
    "DICOM": {"65,535 rows": partial(_dicom, rows=65535, columns=65535), "no rows": partial(_dicom, rows=0, columns=9)},
    "k-space": {
        "a huge shape": partial(_npz, name="kspace", shape=(2**20, 2**20), descr="<c8"),
        "1.2 GB of zeros": partial(_npz, name="kspace", megabytes=1200, shape=(512, 512, 600), descr="<c8"),
        "a lying directory": _zip_quine,
        "axes beyond": partial(_saved, axes=[2**62, 0]),
        "small numbers": partial(_saved, sigma=1e-300),
    },
    "sinogram": {
        "1.2 GB of zeros": partial(_npz, name="sinogram", megabytes=1200, shape=(1200, 512, 512), descr="<f4"),
        "many voxels": partial(_saved, shape=[30_000, 30_000]),
        "small voxels": partial(_saved, spacing=1e-9),
        "wide detectors": partial(_saved, pitch=1e9),
        "a far fan": partial(_saved, fan=[1e300, 1e301]),
        "an axis beyond": partial(_saved, axis=2**62),
    },
    "k-space mask": {
        "a huge .npy": partial(_raw, name="bomb.npy", content=NPY.ljust(127) + b"\n"),
    },
    "model file": {
        **_product(_network, ("width", "blocks", "heads", "pair", "atoms"), (10**12, 10**6, -1, 0, "a", None, 1.5)),
        **_product(_header, ("scale", "sizes", "vocabulary", "config"), (1e400, -1, "a", None, [], {})),
        "bonds without end": _header("vocabulary", {"elements": ["H"] * 10**6, "charges": [0], "bonds": 10**12}),
        "a deep header": partial(_raw, name="bomb.safetensors", content=len(DEEP).to_bytes(8, "little") + DEEP),
        "a long header": partial(_raw, name="bomb.safetensors", content=(2**63).to_bytes(8, "little") + b"{"),
        "a huge tensor": _tensor(shape=[2**40, 2**20]),
        "a tensor beyond the end": _tensor(data_offsets=[0, 2**62]),
        "a tensor before the beginning": _tensor(data_offsets=[-1, 10]),
        "a tensor of words": _tensor(data_offsets=["0", "9"]),
    },
    "run to resume": {
        "a billion laughs": partial(_config, text=LAUGHS),
        "deep": partial(_config, text=f"\na: {'[' * 5000}{']' * 5000}\n"),
        "an object": partial(_config, text="\na: !!python/object/apply:os.system ['true']\n"),
        "itself": partial(_config, text="\na: &a [*a]\n"),
        "an interpolation to itself": partial(_config, text="\na: ${b}\nb: ${a}\n"),
    },
}  # fmt: skip
