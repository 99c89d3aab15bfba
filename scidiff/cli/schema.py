"""The keys of every verb: their types, their meaning, examples. The defaults stand in configs/<verb>.yaml."""

from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar


def key(meaning: str, least: float | None = None) -> Any:
    """A key of a verb: what it means, and the smallest value it may have."""
    return field(default="???", metadata={"meaning": meaning, "least": least})


OVERWRITE = "write over files that exist already"
REPORT = "also write a page to look at in a browser, beside out: one HTML file that needs no network"
DEBUG = "show the traceback of an error"
SEED = "the same seed gives the same result"
STEPS = "denoising steps; null is the model's own number, 50 of the shipped ones: 20 are a draft, 100 the best"


@dataclass
class Demo:
    """See what scidiff does with its shipped models: generate molecules and restore a scan, draw and judge both."""

    examples: ClassVar = ("scidiff demo", "scidiff demo n=25 out=look")
    out: str = key("folder for the molecules, the scan, the pictures and the metrics")
    n: int = key("number of molecules", least=1)
    steps: int | None = key(f"of the molecules, {STEPS}", least=1)
    seed: int = key(SEED, least=0)
    report: bool = key(REPORT)
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


@dataclass
class Generate:
    """Generate molecules in 3D, with bonds, charges and hydrogens, and write them to a file."""

    examples: ClassVar = (
        "scidiff generate",
        "scidiff generate model=qm9 n=1000 out=molecules.sdf.gz",
        "scidiff generate model=runs/mine/model.safetensors n=20 steps=100 seed=7 out=best.sdf",
        "scidiff generate n=50 sizes=19 out=nineteen_atoms.xyz",
    )
    model: str = key("name of a shipped model (see scidiff models) or a model file")
    n: int = key("number of molecules", least=1)
    first: int = key("number of the first, where several machines share a seed: at best a multiple of 2,048", least=0)
    out: str = key("file to write: .sdf or .xyz, or either with .gz")
    steps: int | None = key(STEPS, least=1)
    seed: int = key(f"{SEED}; molecule 37 is the same in any batch", least=0)
    sizes: Any = key(
        "atoms in each molecule, hydrogens counted: one number, a list of n, or null for the training data's"
    )
    batch: int | None = key("molecules at a time; null chooses", least=1)
    churn: float | None = key("noise put back before each step: 0 is none, null the model's own choice", least=0)
    temperature: float | None = key(
        "of atoms, charges and bonds: below 1 sounder molecules of less variety; null as churn"
    )
    devices: int = key(
        "processes, or GPUs, that share the work, 2,048 molecules at a time; the molecules are the same", least=1
    )
    accelerator: str = key("cpu, or gpu")
    picture: bool = key("also draw the first molecules, beside out")
    report: bool = key(REPORT)
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


@dataclass
class Reconstruct:
    """Restore a scan: denoise, fill in, resolve, or reconstruct it from k-space or X-ray views, with error bars."""

    examples: ClassVar = (
        "scidiff reconstruct input=scan.nii.gz task=denoise",
        "scidiff reconstruct input=thick.nii.gz task=superres factor=[1,1,4] out=thin.nii.gz samples=8",
        "scidiff reconstruct input=scan.nii.gz task=inpaint mask=holes.nii.gz",
        "scidiff reconstruct input=kspace.npz task=mri",
        "scidiff reconstruct input=good.nii.gz degrade=mri-8 samples=8",
        "scidiff reconstruct input=study/ task=denoise out=restored/ devices=4",
    )
    model: str = key("name of a shipped model (see scidiff models) or a model file")
    input: str = key(
        "a NIfTI file or a folder of DICOM slices; for mri and ct what was measured, an .npz file; with out a folder, a"
        " folder of all these"
    )
    task: str | None = key("denoise, inpaint, superres, mri or ct")
    out: str = key(
        "NIfTI file to write; the classical answer, maps, figures and a picture are written beside it; or a folder, for"
        " a folder of scans"
    )
    sigma: float | None = key("standard deviation of the noise, in the units of the input; null estimates it", least=0)
    mask: str | None = key(
        "inpaint: a NIfTI file, nonzero where to fill in; mri: a file that says what was sampled, or nonzero: what is"
        " not 0"
    )
    factor: Any = key("superres: how much finer to make the voxels, one number or one for each axis")
    profile: str | None = key("superres: the shape of the input's slices, box (null is that) or gaussian")
    frame: int | None = key("which volume of a 4D file, from 0", least=0)
    axes: Any = key("mri: which axes of k-space are transformed, as [0,1]; null finds them")
    coils: bool | None = key("mri: whether the first of three axes is coils; null finds out")
    centred: bool | None = key("mri: whether the centre of k-space and of the image is index n // 2; null finds out")
    spacing: Any = key("mri and ct: voxel sizes in mm, where the file does not say")
    samples: int = key("samples of the posterior; 2 or more give the uncertainty, 8 are a good number", least=0)
    steps: int | None = key("evaluations of the network a sample; null is the model's own number", least=1)
    seed: int = key(SEED, least=0)
    method: str = key("conditioned on the classical answer, or posterior: the prior guided by the measurements alone")
    guidance: str = key("of method=posterior: moment, diffpir, ddnm or dps")
    window: int | None = key(
        "voxels along each axis that the network sees at a time; null is what memory allows", least=1
    )
    check: bool = key("return the classical answer if it predicts held-out measurements better")
    baseline: str | None = key("the classical answer to start from and to compare with; null is the task's best")
    degrade: str | None = key(
        "take the input for a truth, and degrade it first in a named way, as denoise-0.1 or mri-8"
    )
    devices: int = key("processes that share the samples of one scan, or the scans of a folder", least=1)
    picture: bool = key("also draw the input, both answers and the uncertainty")
    report: bool = key(REPORT)
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


@dataclass
class Evaluate:
    """Judge the molecules of any tool's file under every protocol, or restored scans against the true ones."""

    examples: ClassVar = (
        "scidiff evaluate input=molecules.sdf",
        "scidiff evaluate input=theirs.sdf.gz reference=mine.sdf out=judged.json",
        "scidiff evaluate input=frames.xyz protocols=[edm]",
        "scidiff evaluate input=restored.nii.gz reference=truth.nii.gz mask=brain.nii.gz",
        "scidiff evaluate input=restored.nii.gz reference=truth.nii.gz baseline=classical.nii.gz",
        "scidiff evaluate input=mine.nii.gz reference=truth.nii.gz 'regions={holes: holes.nii.gz}'",
        "scidiff evaluate input=restored/ reference=truths/ baseline=classical/ out=study.json",
        "scidiff evaluate model=mine.safetensors input=held_out/ calibrate=more/ out=judged.json",
        "scidiff evaluate input=molecules.sdf reference=mine memorisation=true out=memory.json",
    )
    input: str = key(
        "molecules to judge: .sdf, .mol or .xyz, also with .gz (an XYZ has no bonds and gets edm's only); or a restored"
        " scan: .nii, .nii.gz or a folder of DICOM slices; or a folder of NIfTI files"
    )
    reference: str | None = key(
        "what to compare with: qm9, a molecule file, or null for nothing; for scans, the true one, or a folder of them"
        " with the same file names"
    )
    out: str = key("JSON file for the figures")
    protocols: Any = key("molecules: a list of protocols; a model of scans: a list of settings; or null for all")
    processes: int | None = key("molecules: judging processes; null uses every core", least=0)
    memorisation: bool = key(
        "instead, is it nearer to the training data than held-out data are? reference= is then what was trained on: a"
        " prepared set, a molecule file or a folder of scans"
    )
    control: str | None = key(
        "memorisation: data of the same kind, not trained on; null is what a prepared reference holds out"
    )
    relax: bool = key("molecules: also relax with GFN2-xTB (slow; needs pip install 'scidiff[xtb]')")
    model: str | None = key(
        "molecules: model file that made them; scans: model file to be judged on input, clean scans that it was not"
        " trained on; its header and its card get the figures"
    )
    calibrate: str | None = key("a model of scans: a folder of further held-out scans to fit its error bars on first")
    side: int | None = key("a model of scans: judge on the middle of each scan, so many voxels a side", least=32)
    baseline: str | None = key("scans: another tool's or the classical answer to the same problem, to stand beside")
    mask: str | None = key("scans: the foreground, nonzero inside; null finds it in the reference")
    sd: str | None = key("scans: stated standard deviation of each voxel; tells whether 90 % intervals hold 90 %")
    regions: Any = key("scans: further masks by name, each to be judged by itself, as '{holes: holes.nii.gz}'")
    frame: int | None = key("scans: which volume of files that hold several (4D), from 0", least=0)
    report: bool = key(REPORT)
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


@dataclass
class Models:
    """List the models that are shipped: what they were trained on and how good they are. Or join models of scans."""

    examples: ClassVar = (
        "scidiff models",
        "scidiff models model=qm9",
        "scidiff models join=[denoise.safetensors,mri.safetensors] out=both.safetensors",
    )
    model: str | None = key("show all that is known of this model; null lists the shipped ones")
    join: Any = key("a list of models of scans, each of other tasks and trained on the same scans: one file of them")
    out: str = key("the file of the joined models")
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


@dataclass
class Benchmark:
    """Measure how fast this machine runs and trains each network, and how fast a model generates, as tables."""

    examples: ClassVar = (
        "scidiff benchmark",
        "scidiff benchmark n=500 steps=20 out=speed.json",
        "scidiff benchmark model=null networks=[transformer] atoms=25",
        "scidiff benchmark model=null networks=[unet3d,monai] side=96",
    )
    model: str | None = key("name of a shipped model or a model file to sample from; null samples from none")
    networks: Any = key("a list of networks, of molecules or of scans, or null for all")
    n: int = key("molecules to sample", least=1)
    steps: int = key("denoising steps", least=1)
    batch: int = key("molecules at a time", least=1)
    atoms: int = key("atoms of each molecule that the networks are given", least=1)
    side: int = key("voxels along each axis of the scan that the networks are given", least=16)
    sizes: bool = key("also time the default networks on other sizes, from half to several times as large")
    repeats: int = key("how often each is timed; the median counts", least=1)
    seed: int = key(SEED, least=0)
    out: str | None = key("JSON file for the figures; null writes none")
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


@dataclass
class Train:
    """Train a model from a configuration."""

    examples: ClassVar = (
        "scidiff train experiment=qm9",
        "scidiff train experiment=qm9 trainer=gpu seed=1",
        "scidiff train experiment=qm9 trainer=gpu trainer.max_time=00:00:25:00 batch=auto steps=1000000",
        "scidiff train experiment=brain data=scans data.source=my_scans",
        "scidiff train --config-dir my_configs experiment=mine",
        "scidiff train --multirun experiment=qm9 seed=0,1,2",
    )
    name: str = key("name of the model")
    recipe: Any = key("name of the recipe, kept in the model file")
    out: str = key("folder of the run: checkpoints, metrics and the finished model")
    resume: str | None = key("folder of an interrupted run to continue")
    init: str | None = key("model to take the first weights from, by name or file: to go on with your own data or task")
    seed: int = key(SEED, least=0)
    steps: int = key("optimiser steps in all", least=1)
    batch: Any = key("molecules or patches a step; auto is as many as memory holds and the machine is the faster for")
    compile: Any = key("torch.compile: true, false or cudagraphs; null compiles on a GPU alone")
    save_every: int = key("steps between model files", least=1)
    score_every: int = key("steps between samples drawn and scored; 0 is never", least=0)
    score_n: int = key("molecules in such a sample", least=1)
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


@dataclass
class Prepare:
    """Make a data set of your own molecules or scans, which scidiff train data=<it> takes."""

    examples: ClassVar = (
        "scidiff prepare input=molecules.smi out=mine",
        "scidiff prepare input=assay.csv column=structure out=mine fragments=drop conformers=3",
        "scidiff prepare input=sdf_folder/ out=mine elements=[H,C,N,O,F,S,Cl] most=40 split=random",
        "scidiff prepare input=dicom_folder/ out=mine modality=T1w",
        "scidiff train data=mine",
    )
    input: str = key(
        "molecules: a SMILES list (.smi), a table (.csv, .tsv), an SDF, XYZ or prepared .npz, also with .gz, or a"
        " folder of them; scans: a folder of NIfTI files or DICOM slices with its subfolders, BIDS or not"
    )
    out: str = key("folder to make; an interrupted run goes on where it stopped when the same is typed again")
    name: str | None = key("name of the data set, for the model card; null is out's")
    licence: str = key("of the data, for the model card")
    split: str | None = key(
        "what is never divided between training and test; molecules: scaffold (null is that) or random, by molecule;"
        " scans: always by subject"
    )
    shares: Any = key("of training, validation and test")
    column: str | None = key("molecules: the column of a table that holds SMILES; null finds it")
    elements: Any = key("molecules: elements that may occur; others are dropped")
    charges: Any = key("molecules: formal charges that may occur; charges are kept as they are")
    fewest: int = key("molecules: fewest heavy atoms", least=1)
    most: int = key("molecules: most heavy atoms", least=1)
    fragments: str = key("molecules: of salts and mixtures keep the largest organic fragment, or drop them, or refuse")
    conformers: int = key("molecules: structures kept of each, lowest energy first where they are made", least=1)
    remake: bool = key("molecules: make conformers (ETKDGv3, MMFF94) also where coordinates are given")
    seconds: float = key("molecules: that building one may take", least=1)
    modality: str | None = key("scans: keep those of this kind alone: T1w, T2w, FLAIR, PDw, CT ...")
    slices: int = key("scans: fewest voxels along each axis; fewer are called 2D and dropped", least=1)
    labels: str = key("scans: keep BIDS's subject labels where there are some, or number all subjects")
    ledger: str | None = key("scans: also write a CSV that says which file became which; it names patients if files do")
    seed: int = key(f"of conformers and split; {SEED}", least=0)
    processes: int | None = key("how many work; null uses every core, 0 none but this", least=0)
    overwrite: bool = key(OVERWRITE)
    debug: bool = key(DEBUG)


VERBS: dict[str, type] = {
    "demo": Demo,
    "generate": Generate,
    "reconstruct": Reconstruct,
    "evaluate": Evaluate,
    "models": Models,
    "prepare": Prepare,
    "train": Train,
    "benchmark": Benchmark,
}


def keys_of(verb: str) -> dict[str, Field]:
    """The typed keys of a verb, by name."""
    return {each.name: each for each in fields(VERBS[verb])}
