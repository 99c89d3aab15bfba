"""What scidiff reconstruct is given: models, scans, k-space, a sinogram, and files that will not do."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import torch

from scidiff.cli.main import main
from scidiff.volumes import files
from scidiff.volumes.operators.kspace import KSpace
from scidiff.volumes.operators.radon import Radon, views
from scidiff.volumes.operators.sampling import sampling
from scidiff.volumes.volume import Header, Volume
from tests.volumes.heads import head
from tests.volumes.tiny import tiny_model

SHAPE = (24, 26, 22)
HEAD = 800 * head(SHAPE)
AFFINE = np.array([[0.0, 0, 1.2, -20], [-0.9, 0.1, 0, 31], [0.1, 0.9, 0, 5], [0, 0, 0, 1]])
WAY = Header(np.dtype(np.int16), 0.5, -10.0, 1, 4, ("mm", "sec"))
NOISE = np.random.default_rng(0).standard_normal(SHAPE)
HOLES = np.zeros(SHAPE)
HOLES[8:13, 9:14, 8:12] = 1


def fill(room: Path) -> None:
    """Write all of it."""
    tiny_model().save(room / "tiny.safetensors")
    tiny_model(bias=3.0, name="wrong").save(room / "wrong.safetensors")
    tiny_model(name="denoiser", tasks=["denoise"]).save(room / "denoiser.safetensors")
    scans = {"scan": HEAD + 10, "noisy": HEAD + 40 * NOISE, "nan": np.where(HOLES, np.nan, HEAD), "flat": 0 * HEAD + 7}
    for name, data in scans.items():
        header = WAY if name in ("scan", "noisy") else Header(np.dtype(np.float64))
        nibabel_header(room / f"{name}.nii.gz", data, header)
    for name, mask in {"holes": HOLES, "all": HOLES + 1, "none": 0 * HOLES, "small": HOLES[:9]}.items():
        files.write(Volume(mask, AFFINE), room / f"{name}.nii.gz")
    spoil(room)
    measure(room)


def nibabel_header(path: Path, data: np.ndarray, header: Header) -> None:
    """A NIfTI file, its numbers stored as the header says, whatever they are."""
    image = nibabel.Nifti1Image(np.rint((data - header.inter) / header.slope) if header.slope != 1 else data, None)
    image.header.set_data_dtype(header.dtype)
    image.header.set_xyzt_units(*header.units)
    image.set_qform(np.diag([1.0, 2, 3, 1]), header.qform_code)
    image.set_sform(AFFINE, header.sform_code)
    if header.slope != 1:
        image = nibabel.Nifti1Image(image.get_fdata().astype(header.dtype), AFFINE, image.header)
        image.header.set_slope_inter(header.slope, header.inter)
    nibabel.save(image, path)


def spoil(room: Path) -> None:
    """Files that are not what they seem."""
    whole = (room / "scan.nii.gz").read_bytes()
    (room / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (room / "text.nii.gz").write_text("not a scan")
    plain = bytearray(gzip.decompress(whole))
    plain[280:328] = bytes(48)  # srow_x, srow_y and srow_z
    (room / "sizeless.nii").write_bytes(plain)


def measure(room: Path) -> None:
    """Half of k-space of one coil, and 24 views, with a little noise."""
    x, draw = torch.from_numpy(HEAD)[None, None], torch.Generator().manual_seed(0)
    mask = sampling(SHAPE, 2, (1,), seed=0)
    y = KSpace(mask, (0, 1))(x)[0, 0]
    y = y + 8 * mask * torch.randn(y.shape, dtype=y.dtype, generator=draw)
    facts = {"axes": [0, 1], "centred": True, "coils": False, "affine": AFFINE}
    np.savez(room / "kspace.npz", kspace=y.numpy(), mask=mask.numpy(), **facts)
    np.savez(room / "maskless.npz", kspace=y.numpy(), **facts)
    angles = views(24)
    sinogram = Radon(SHAPE[:2], angles)(x)[0, 0]
    sinogram = (sinogram + 30 * torch.randn(sinogram.shape, generator=draw)).numpy()
    np.savez(room / "sinogram.npz", sinogram=sinogram, angles=angles, shape=SHAPE[:2])
    np.savez(room / "angles.npz", sinogram=sinogram, angles=angles[:-1], shape=SHAPE[:2])


def command(room: Path, *words: str, model: str = "tiny") -> int:
    """A run without a picture, in the folder of the test."""
    words = [word.replace("@", f"{room}/") for word in words]
    return main(["reconstruct", f"model={room}/{model}.safetensors", "picture=false", *words])


def stored(path: Path) -> np.ndarray:
    """The very numbers in a file."""
    return np.asarray(nibabel.load(path).dataobj.get_unscaled())
