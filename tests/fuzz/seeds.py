"""Small good files of every kind that scidiff reads, made on the spot."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from rdkit import Chem

from scidiff.cli.main import main
from scidiff.molecules import files as molecule_files
from scidiff.molecules.chemistry import to_rdkit
from scidiff.molecules.dataset import MoleculeSet
from scidiff.molecules.evaluate.reference import Reference
from scidiff.molecules.molecule import Molecule
from scidiff.volumes import files
from scidiff.volumes.operators.radon import Radon, views
from scidiff.volumes.volume import Header, Volume
from tests.molecules.awkward import molecule
from tests.small import words
from tests.volumes.heads import head
from tests.volumes.tiny import tiny_model

SMILES = ("[NH3+]CC(=O)[O-]", "c1cc[nH]c1", "C#CC#N", "C[C@H](N)C(=O)O")
SHAPE = (10, 12, 8)


def molecules() -> list[Molecule]:
    """A few, with data fields."""
    return [replace(molecule(smiles), name=smiles, properties={"energy": "-1.5", "note": "a b"}) for smiles in SMILES]


def sdf(folder: Path) -> list[Path]:
    """V2000, V3000, packed."""
    molecule_files.write_sdf(folder / "a.sdf", molecules())
    molecule_files.write_sdf(folder / "b.sdf.gz", molecules())
    blocks = (Chem.MolToV3KMolBlock(to_rdkit(each)) for each in molecules())
    (folder / "c.sdf").write_text("".join(f"{block}>  <energy>\n-1.5\n\n$$$$\n" for block in blocks))
    return sorted(folder.iterdir())


def xyz(folder: Path) -> list[Path]:
    """Plain, extended, packed."""
    molecule_files.write_xyz(folder / "a.xyz", molecules())
    molecule_files.write_xyz(folder / "b.xyz.gz", molecules())
    rows = "C 0.0 0.0 0.0 0.1\nO 1.2 0.0 0.0 0.2\n"
    head = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:charge:R:1 name=CO charge=0'
    (folder / "c.extxyz").write_text(f"2\n{head}\n{rows}" * 2)
    return sorted(folder.iterdir())


def lists(folder: Path) -> list[Path]:
    """SMILES by line, with names, packed; tables with commas and tabs."""
    rows = [
        (smiles, f"m{k}", "5.1") for k, smiles in enumerate((*SMILES, "CC(=O)[O-].[Na+]", "OS(=O)(=O)c1ccc(Cl)cc1"))
    ]
    (folder / "a.smi").write_text("".join(f"{smiles} {name}\n" for smiles, name, _ in rows))
    (folder / "b.smi.gz").write_bytes(gzip.compress((folder / "a.smi").read_bytes()))
    for name, sign in (("c.csv", ","), ("d.tsv", "\t")):
        heading = sign.join(("SMILES", "name", "pIC50"))
        (folder / name).write_text("\n".join([heading, *(sign.join(row) for row in rows)]) + "\n")
    return sorted(folder.iterdir())


def molecule_sets(folder: Path) -> list[Path]:
    """Prepared molecules, packed and not."""
    made = MoleculeSet.from_molecules(molecules(), split=np.array([0, 0, 1, 2]), smiles=np.array(SMILES))
    made.save(folder / "a.npz")
    with np.load(folder / "a.npz") as arrays:
        np.savez(folder / "b.npz", **arrays)
    return sorted(folder.iterdir())


def references(folder: Path) -> list[Path]:
    """What generated molecules are held against."""
    census = np.array([3, 5, 9]), np.array([2, 1, 4])
    made = Reference("tiny", 4, frozenset(SMILES), frozenset(SMILES), census, {"edm/validity": 1.0}, {"source": "x"})
    made.save(folder / "a.reference.npz")
    return [folder / "a.reference.npz"]


def scans(folder: Path) -> list[Path]:
    """Whole numbers with a scaling, floats, packed, several volumes, NIfTI-2."""
    volume = Volume(900 * head(SHAPE), np.diag([1.0, 1.1, 2.0, 1.0]))
    scaled = Header(dtype=np.dtype("int16"), slope=0.05, inter=-2.0, qform_code=1, sform_code=1, units=("mm", "sec"))
    files.write(volume, folder / "a.nii")
    files.write(replace(volume, header=scaled), folder / "b.nii.gz")
    files.write(
        replace(volume, header=replace(scaled, dtype=np.dtype("uint8"), slope=4.0, inter=0.0)), folder / "c.nii"
    )
    long = Volume(np.random.default_rng(0).random((32768, 1, 1), dtype=np.float32), np.eye(4))
    files.write(long, folder / "d.nii.gz")
    return sorted(folder.iterdir())


def slices(folder: Path, shape: tuple[int, int, int] = (9, 12, 4)) -> list[Path]:
    """A series of DICOM slices (columns, rows, slices); one of them is broken at a time."""
    stored = (1000 * head(shape)).astype(np.uint16)
    for k in range(shape[2]):
        item = Dataset()
        item.file_meta = FileMetaDataset()
        item.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        item.file_meta.MediaStorageSOPClassUID = item.SOPClassUID = CTImageStorage
        item.file_meta.MediaStorageSOPInstanceUID = item.SOPInstanceUID = f"1.2.3.{k}"
        item.Modality, item.SeriesInstanceUID, item.SeriesNumber = "CT", "1.2.3", 3
        item.ImageOrientationPatient, item.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-5.0, 3.0, 2.5 * k]
        item.PixelSpacing, item.SliceThickness = [0.8, 1.1], 2.5
        item.Columns, item.Rows, item.SamplesPerPixel, item.PhotometricInterpretation = *shape[:2], 1, "MONOCHROME2"
        item.BitsAllocated, item.BitsStored, item.HighBit, item.PixelRepresentation = 16, 12, 11, 0
        item.RescaleSlope, item.RescaleIntercept = 2, -1024
        item.PixelData = stored[..., k].T.tobytes()
        item.save_as(folder / f"{k:02}.dcm", enforce_file_format=True)
    return sorted(folder.iterdir())


def study(folder: Path) -> list[Path]:
    """Slices of one series beside scans of two subjects."""
    slices(folder)
    volume = Volume(900 * head(SHAPE), np.diag([1.0, 1.1, 2.0, 1.0]))
    for name in ("sub-01_T1w.nii.gz", "other.nii"):
        files.write(volume, folder / name)
    return sorted(folder.iterdir())


def kspaces(folder: Path) -> list[Path]:
    """One coil with its mask, and two coils with maps."""
    image = head(SHAPE)
    k = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(image), norm="ortho")).astype(np.complex64)
    mask = np.ones(SHAPE, dtype=bool)
    mask[:, ::3] = False
    mask[:, 3:9] = True
    both = np.stack([k, 0.7j * k])
    facts = {
        "axes": [0, 1, 2],
        "centred": 1,
        "sigma": 0.01,
        "spacing": [1.0, 1.0, 2.0],
        "affine": np.diag([1, 1, 2, 1.0]),
    }
    np.savez(folder / "a.npz", kspace=k * mask, mask=mask, coils=0)
    maps = np.stack([np.ones(SHAPE), 0.7j * np.ones(SHAPE)]).astype(np.complex64)
    np.savez_compressed(folder / "b.npz", kspace=both * mask, mask=mask, maps=maps, **facts)
    return sorted(folder.iterdir())


def sinograms(folder: Path) -> list[Path]:
    """Parallel rays, and a fan."""
    angles = views(12)
    y = Radon((10, 10), angles, 15)(torch.from_numpy(head((10, 10, 3)))[None, None])[0, 0].numpy()
    np.savez(folder / "a.npz", sinogram=y, angles=angles)
    facts = {"pitch": 1.5, "fan": [500.0, 900.0], "shape": [10, 10], "axis": 2, "sigma": 0.1, "spacing": 1.0}
    np.savez_compressed(folder / "b.npz", sinogram=y, angles=angles, **facts)
    return sorted(folder.iterdir())


def masks(folder: Path) -> list[Path]:
    """Of k-space, in files of their own."""
    np.save(folder / "a.npy", np.ones(SHAPE, dtype=bool))
    np.savez(folder / "b.npz", mask=np.ones(SHAPE, dtype=np.uint8))
    return sorted(folder.iterdir())


def models(folder: Path) -> list[Path]:
    """One of each domain."""
    trained = runs(folder)[0].parent / "model.safetensors"
    tiny_model().save(folder / "scans.safetensors")
    return [trained, folder / "scans.safetensors"]


def runs(folder: Path) -> list[Path]:
    """A run that stopped half way: its configuration, its figures and its checkpoint."""
    made = MoleculeSet.from_molecules(molecules()[1:])
    made.save(folder / "set.npz")
    changes = {"data.cache": folder / "cache.npz", "trainer.max_steps": 2, "callbacks.1.every_n_train_steps": 1}
    assert main(["train", *words(folder / "set.npz", out=folder / "run", **changes)]) == 0
    run = folder / "run"
    return [run / "config.yaml", run / "metrics.csv", run / "checkpoints" / "last.ckpt"]


def command_lines(folder: Path) -> list[Path]:
    """One word a line, the verb first."""
    lines = {
        "a": "generate\nn=5\nout=a.sdf\nsizes=[17,18]\nsteps=20\nchurn=0.5",
        "b": "train\ndata=files\ndata.source=x.sdf\ndata.elements=[H,C,N]\noptimizer.lr=1e-3\nscheduler=cosine\n+a.b=1",
        "c": "reconstruct\ninput=scan.nii.gz\ntask=superres\nfactor=[1,1,4]\nsigma=0.1\nwindow=64\nspacing=[1,1,2]",
        "d": "evaluate\ninput=a.nii.gz\nreference=b.nii.gz\nregions={holes: h.nii.gz}\nprotocols=[edm]",
    }
    for name, text in lines.items():
        (folder / f"{name}.txt").write_text(text)
    return sorted(folder.iterdir())
