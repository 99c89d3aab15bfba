"""scidiff reconstruct: a better scan, the classical answer beside it, how sure it is, and a picture."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from omegaconf import DictConfig, OmegaConf

import scidiff
from scidiff.cli import report, study
from scidiff.cli.config import write_beside
from scidiff.cli.deal import Spread
from scidiff.cli.progress import progress
from scidiff.cli.report_volumes import restored
from scidiff.cli.study import BESIDE
from scidiff.store import memory
from scidiff.store.atomic import claim
from scidiff.store.errors import UserError
from scidiff.store.suggest import file_you_mean
from scidiff.volumes import files
from scidiff.volumes.model import VolumeModel
from scidiff.volumes.observe import Asked, Observed
from scidiff.volumes.picture import Panel, draw
from scidiff.volumes.problem import TASKS
from scidiff.volumes.restore import scan
from scidiff.volumes.restore.run import How, Work
from scidiff.volumes.restore.scan import Restoration
from scidiff.volumes.restore.ticks import Progress

DONE = {
    "denoise": "denoised",
    "inpaint": "filled in",
    "superres": "made finer",
    "mri": "from k-space",
    "ct": "from X-ray views",
}
"""Task -> what was done to the scan, in a title."""


def run(config: DictConfig) -> None:
    """Restore one scan, or a folder of them.

    Raises:
        UserError: an input, a setting, a model or a place that will not do.
    """
    source = Path(config.input).expanduser()
    if not source.exists():
        raise UserError(f"There is no file or folder {source}.{file_you_mean(source)}")
    if study.is_study(config):
        _refuse(config)
        study.run(config, restore)
    else:
        restore(config)


def restore(config: DictConfig, watched: bool = True) -> None:
    """Restore, write and draw; everything that can be refused is refused before the work.

    Args:
        watched: show how far it is.

    Raises:
        UserError: an input, a setting, a model or a place that will not do.
    """
    out, how = _claimed(config), How(**_keys(config, How))
    page = report.place(out, config)
    model = _model(config.model)
    observed = scan.take(model, Path(config.input).expanduser(), config.task, Asked(**_keys(config, Asked)), how)
    _tell(observed.notes, observed.warnings)
    start = perf_counter()
    with progress("Restoring", None, "steps") if watched else nullcontext() as show:
        found = give(model, observed, how, show, config.devices)
    seconds = perf_counter() - start
    _tell((), found.warnings[len(observed.warnings) :])
    figures = found.figures() | {"seconds": round(seconds, 2)}
    written = write(config, out, found, figures)
    check = judgement(found, model.name)
    print(f"Check:     {check}")
    if found.truth is not None:
        print(f"Quality:   {quality(figures)}")
    if config.picture:
        written.append(draw_page(out, found, figures).name)
    print(f"Restored:  {out} ({seconds:.1f} s)")
    print(f"Beside it: {', '.join(written)}")
    if page is not None:
        section = restored(found, panels_of(found, figures), figures, check, config)
        report.publish(page, f"{report.called(config.input)}, {DONE[found.task]}", [section], overwrite=True)


def give(model: VolumeModel, observed: Observed, how: How, show: Progress | None, devices: int) -> Restoration:
    """Restore what was taken, its samples drawn by so many processes, which share the memory."""
    if devices == 1 or how.samples < 2:
        return scan.give(model, observed, how, show)
    before = memory.share(devices)
    try:
        return scan.give(model, observed, how, show, spread=Spread(devices))
    finally:
        memory.share(before)


def write(config: DictConfig, out: Path, found: Restoration, figures: Mapping[str, Any]) -> list[str]:
    """The restored scan in the way of the input, and what lies beside it: all of them or none; the others' names."""
    volumes = {name: volume for name, volume in found.volumes.items() if name != "restored"}
    if found.truth is not None and found.seen is not None:
        volumes["input"] = found.seen
    with _together(out.parent) as folder:
        files.write(found.restored, folder / out.name, _source(config, found))
        for name, volume in volumes.items():
            files.write(volume, folder / beside(out, name).name)
        (folder / f"{stem(out)}.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        write_beside(config, folder / out.name)
        for stale in {*BESIDE} - {*volumes}:  # of an earlier run, by overwrite=true: they are not this answer's
            beside(out, stale).unlink(missing_ok=True)
    return [*(beside(out, name).name for name in volumes), f"{stem(out)}.json"]


def judgement(found: Restoration, name: str) -> str:
    """One sentence on whose answer was returned, and why."""
    judged = found.verdict
    if not judged.held:
        return f"not done ({judged.reason.rstrip('.')})."
    if judged.ours != judged.ours or judged.ours == float("inf"):
        return f"'{name}' gave numbers that are none, so the classical answer is returned."
    change = 100 * ((judged.ours / judged.classical) ** 0.5 - 1) if judged.classical else 0.0
    close = (
        "as closely as"
        if abs(change) < 0.005
        else f"{abs(change):.2g} % {'more' if change < 0 else 'less'} closely than"
    )
    words = f"'{name}' predicts {judged.held:,} held-out measurements {close} the classical answer"
    if not judged.harmless:
        return f"{words}, so the classical one is returned."
    return f"{words}{', which may be chance' if change > 0.005 else ''}."


def quality(figures: Mapping[str, Any]) -> str:
    """The figures most asked for, held against the truth."""
    ours, rival = ((figures[f"{prefix}psnr"], figures[f"{prefix}ssim"]) for prefix in ("", "baseline/"))
    return f"PSNR {ours[0]:.2f} dB, SSIM {ours[1]:.3f}; the classical answer {rival[0]:.2f} dB, {rival[1]:.3f}."


def panels_of(found: Restoration, figures: Mapping[str, Any]) -> list[Panel]:
    """The input, both answers, the uncertainty, and where the truth is known the error."""
    panels = [] if found.seen is None else [Panel("input", found.seen.data, affine=found.seen.affine)]
    panels.append(Panel("classical", found.classical.data, caption=_psnr(figures, "baseline/")))
    if found.verdict.harmless:
        panels.append(Panel("scidiff", found.restored.data, caption=_psnr(figures, "")))
    if found.sd is not None:
        panels.append(Panel("uncertainty", found.sd.data, "sd"))
    if found.truth is not None:
        panels += [Panel("truth", found.truth.data), Panel("error", found.restored.data - found.truth.data, "error")]
    return panels


def draw_page(out: Path, found: Restoration, figures: Mapping[str, Any]) -> Path:
    """All of that in three planes."""
    title = f"{found.task}: {found.restored.name}"
    panels = panels_of(found, figures)
    return draw(out.with_name(f"{stem(out)}.png"), panels, found.restored, title, overwrite=True)


def beside(out: Path, name: str) -> Path:
    """out.nii.gz -> out.<name>.nii.gz."""
    return out.with_name(f"{stem(out)}.{name}{out.name[len(stem(out)) :]}")


def stem(out: Path) -> str:
    """The name without .nii or .nii.gz."""
    return re.sub(r"\.nii(\.gz)?$", "", out.name, flags=re.IGNORECASE)


def _refuse(config: DictConfig) -> None:
    """What is wrong with every scan of a folder is told once."""
    how = How(**_keys(config, How))
    if config.degrade is None and config.task is None:
        raise UserError(f"reconstruct needs a task: one of {', '.join(TASKS)}.")
    if config.degrade is None:
        Work(_model(config.model), config.task, how)


def _claimed(config: DictConfig) -> Path:
    """Where the answer goes, once all places are sure to be free."""
    out = files.claim_nifti(config.out, config.overwrite)
    for path in [
        *(beside(out, name) for name in BESIDE),
        *(out.with_name(stem(out) + end) for end in (".json", ".png")),
    ]:
        claim(path, config.overwrite)
    return out


def _keys(config: DictConfig, kind: type) -> dict[str, Any]:
    """The keys that are settings of this kind, as plain values."""
    plain = OmegaConf.to_container(config)
    return {each.name: plain[each.name] for each in fields(kind)}


def _model(name: str) -> VolumeModel:
    """The model of this name.

    Raises:
        UserError: there is none, or it is not one of scans.
    """
    model = scidiff.load(name)
    if not isinstance(model, VolumeModel):
        raise UserError(f"{name} is a model of {model.header['domain']}; reconstruct needs a model of scans.")
    return model


def _source(config: DictConfig, found: Restoration) -> Path | None:
    """The file whose very numbers are kept where float32 would round them: of the same grid, and of many bits."""
    path = Path(config.input).expanduser()
    kind = found.restored.header.dtype
    same_grid = found.task in ("denoise", "inpaint") and config.frame is None
    return path if same_grid and kind.itemsize > 2 and kind != "float32" and not path.is_dir() else None


@contextmanager
def _together(parent: Path) -> Iterator[Path]:
    """A folder to fill; its files are moved to `parent` when all of them are there, and none if one fails."""
    with TemporaryDirectory(dir=parent, prefix=".reconstruct.") as name:
        yield Path(name)
        for path in sorted(Path(name).iterdir()):
            path.replace(parent / path.name)


def _tell(notes: tuple[str, ...], warnings: tuple[str, ...]) -> None:
    for sentence in (*notes, *(f"Warning: {warning}" for warning in warnings)):
        print(sentence)


def _psnr(figures: Mapping[str, Any], prefix: str) -> str:
    key = f"{prefix}psnr"
    return f"PSNR {figures[key]:.1f} dB" if key in figures else ""
