"""The screen an imaging scientist reads: whole volume and foreground, the baseline beside, the protocol below."""

from collections.abc import Callable, Mapping
from importlib.metadata import version

from rich.table import Table
from rich.text import Text

import scidiff
from scidiff.volumes.evaluate.errors import HFEN_SIGMA
from scidiff.volumes.evaluate.similarity import SLICE_WINDOW, WINDOW

PACKAGES = ("numpy", "scipy", "scikit-image", "nibabel")
PROTOCOL = {
    "data_range": "the reference's greatest less its least intensity, one for a volume",
    "ssim": f"3D Gaussian window of {WINDOW} voxels, sigma 1.5, K .01 and .03, windows wholly inside the volume",
    "ssim_fastmri": f"uniform windows of {SLICE_WINDOW} x {SLICE_WINDOW} in each slice across the last axis",
    "hfen": f"Laplacian of a Gaussian of {HFEN_SIGMA} voxels, in space",
}
"""How the figures are made, in words that can be published with them."""

FIGURES = {
    "psnr": ("PSNR, dB (higher is better)", ".2f"),
    "ssim": ("SSIM in space (higher)", ".4f"),
    "ssim_fastmri": ("SSIM in slices, as fastMRI (higher)", ".4f"),
    "nrmse": ("NRMSE, of the range (lower)", ".4f"),
    "nmse": ("NMSE (lower)", ".3g"),
    "hfen": ("HFEN, edges (lower)", ".4f"),
    "gain": ("gain (1 is right)", ".3f"),
    "coverage90": ("inside 90 % intervals (90 % is right)", ".1%"),
}
"""Figure -> what it is called on the screen, and its digits."""

Column = tuple[str, Callable[[str, str], str]]  # heading; from a figure's key and its digits to the cell


def table(metrics: Mapping) -> Table:
    """A rich table of what scidiff evaluate found in volumes; figures that were not made have no row."""
    columns = _several(metrics) if "volumes" in metrics else _one(metrics)
    screen = Table(caption=Text(_foot(metrics)), caption_justify="left", pad_edge=False)
    screen.add_column("")
    for heading, _ in columns:
        screen.add_column(heading, justify="right", style="dim" if heading.startswith("baseline") else None)
    for heading, prefix in _sections(metrics["protocol"]).items():
        screen.add_section()
        screen.add_row(Text(heading, style="bold"))
        for name, (words, digits) in FIGURES.items():
            cells = [cell(prefix + name, digits) for _, cell in columns]
            if any(cells):
                screen.add_row(words, *cells)
    return screen


def _sections(protocol: Mapping) -> dict[str, str]:
    """Heading -> how the names of its figures begin."""
    regions = {f"{name}: {file}": f"{name}/" for name, file in protocol["regions"].items()}
    return {"Whole volume": "", f"Foreground: {protocol['foreground']}": "foreground/"} | regions


def _one(metrics: Mapping) -> list[Column]:
    """The columns of one volume."""

    def of(prefix: str, sign: str = "") -> Callable[[str, str], str]:
        return lambda key, digits: _shown(metrics.get(prefix + key), sign + digits)

    beside: list[Column] = [("baseline", of("baseline/")), ("difference", of("difference/", "+"))]
    return [("restored", of("")), *(beside if "baseline" in metrics["protocol"] else [])]


def _several(metrics: Mapping) -> list[Column]:
    """The columns of many volumes: means, with their deviation over the volumes."""

    def of(mean: str, sd: str | None = None, sign: str = "") -> Callable[[str, str], str]:
        def cell(key: str, digits: str) -> str:
            middle = _shown(metrics.get(f"{key}/{mean}"), sign + digits)
            spread = _shown(metrics.get(f"{key}/{sd}"), digits)
            return f"{middle} \u00b1 {spread}" if spread else middle

        return cell

    beside: list[Column] = [
        ("baseline", of("baseline_mean")),
        ("difference", of("difference", "difference_sd", "+")),
        ("p", lambda key, _: _shown(metrics.get(f"{key}/p"), ".2g")),
    ]
    return [("restored", of("mean", "sd")), *(beside if "baseline" in metrics["protocol"] else [])]


def _shown(value: float | None, digits: str) -> str:
    return "" if value is None else f"{value:{digits}}".replace("%", " %")


def _foot(metrics: Mapping) -> str:
    """What was judged against what, and by which definitions."""
    protocol = metrics["protocol"]
    beside = f", beside {protocol['baseline']}" if "baseline" in protocol else ""
    many = f"; {metrics['n']} volumes, mean \u00b1 standard deviation" if "volumes" in metrics else ""
    paired = "; p of the paired t test" if beside and many else ""
    span = f" ({metrics['data_range']:g})" if "data_range" in metrics else ""
    versions = ", ".join(f"{name} {version}" for name, version in metrics["versions"].items())
    return "\n".join(
        [
            f"{protocol['input']} against {protocol['reference']}{beside}{many}{paired}.",
            f"Data range: {protocol['data_range']}{span}.",
            f"SSIM in space: {protocol['ssim']}; in slices: {protocol['ssim_fastmri']}.",
            f"HFEN: {protocol['hfen']}. {versions}",
        ]
    )


def versions() -> dict[str, str]:
    """The versions that the figures depend on."""
    return {name: version(name) for name in PACKAGES} | {"scidiff": scidiff.__version__}
