"""The screen a chemist reads: what to trust first, ours beside the training data's, how many and by which versions."""

from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

SECTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "One whole, sound molecule": (
        ("strict/valid_connected", "sound, one piece, no H missing, no radical"),
        ("strict/reason/unreadable", "  not: record unreadable"),
        ("strict/reason/no_bonds", "  not: no bonds given"),
        ("strict/reason/valence", "  not: impossible valence"),
        ("strict/reason/kekulisation", "  not: impossible aromatic ring"),
        ("strict/reason/other", "  not: refused for another reason"),
        ("strict/reason/fragments", "  not: in several pieces"),
        ("strict/reason/missing_hydrogens", "  not: hydrogens missing"),
        ("strict/reason/radicals", "  not: radical"),
    ),
    "Plausible in space": (
        ("posebusters/pass", "PoseBusters, all checks"),
        ("posebusters/bond_lengths", "  bond lengths"),
        ("posebusters/bond_angles", "  bond angles"),
        ("posebusters/internal_steric_clash", "  no clash of heavy atoms"),
        ("posebusters/aromatic_ring_flatness", "  aromatic rings flat"),
        ("posebusters/double_bond_flatness", "  double bonds flat"),
        ("posebusters/non-aromatic_ring_non-flatness", "  saturated rings not flat"),
        ("hydrogens/xh_length", "X-H bond lengths"),
        ("hydrogens/no_clash", "no clash with a hydrogen"),
        ("relaxation/energy_median", "GFN2-xTB relaxation, median (kcal/mol)"),
        ("relaxation/rmsd_median", "GFN2-xTB displacement, median (\u212b)"),
    ),
    "New": (
        ("novelty/valid_unique_novel", "valid x unique x novel"),
        ("novelty/uniqueness", "  unique, of the valid"),
        ("novelty/novelty", "  novel, of the unique"),
        ("novelty/tanimoto_median", "nearest in training, Tanimoto, median (0-1)"),
        ("novelty/tanimoto_identical", "  fingerprint met in training"),
    ),
    "Like the data (distance; 0 is alike)": (
        ("distribution/bond_length", "bond lengths, W1 (\u212b)"),
        ("distribution/bond_angle", "bond angles, W1 (degrees)"),
        ("distribution/torsion", "torsions, W1 (degrees)"),
        ("distribution/size", "atoms in a molecule, W1"),
        ("distribution/elements", "elements, total variation (0-1)"),
        ("distribution/bond_types", "bond types, total variation (0-1)"),
        ("distribution/rings", "ring sizes, total variation (0-1)"),
        ("distribution/groups", "functional groups, total variation (0-1)"),
    ),
    "Stable valences": (
        ("revisited/molecule_stability", "corrected table, molecules"),
        ("revisited/atom_stability", "  atoms"),
        ("revisited/kekulised_stability", "  molecules, Kekule bonds"),
    ),
    "As published (only for comparison)": (
        ("midi/molecule_stability", "MiDi: molecules stable"),
        ("midi/validity", "MiDi: valid"),
        ("midi/connectivity", "MiDi: connected"),
        ("edm/atom_stability", "EDM: atoms stable"),
        ("edm/molecule_stability", "EDM: molecules stable"),
        ("edm/validity", "EDM: valid"),
        ("edm/validity_uniqueness", "EDM: valid x unique"),
        ("edm/novelty", "EDM: novel, of the unique"),
    ),
}
"""Heading -> (figure, what it is called on the screen), in the order of trust."""

_NO_RATES = ("distribution/", "relaxation/energy", "relaxation/rmsd", "novelty/tanimoto_m")
_ONLY_IF_ANY = "strict/reason/"


def table(metrics: dict) -> "Table":
    """A rich table of what `evaluate` returned; figures that were not made have no row."""
    from rich.table import Table

    reference = metrics.get("reference", {})
    screen = Table(caption=_foot(metrics), caption_justify="left", pad_edge=False)
    screen.add_column("")
    screen.add_column("generated", justify="right")
    if reference:
        screen.add_column(str(reference.get("name", "reference")), justify="right", style="dim")
    for heading, figures in SECTIONS.items():
        rows = [(key, words) for key, words in figures if _shown(key, metrics)]
        if rows:
            screen.add_section()
            screen.add_row(f"[bold]{heading}[/bold]")
        for key, words in rows:
            screen.add_row(words, shown(key, metrics[key], metrics["n"]), shown(key, reference.get(key)))
    return screen


def shown(key: str, value: float | None, n: int | None = None) -> str:
    """One figure as text: rates in percent, with their standard error when made on `n` molecules."""
    if value is None:
        return ""
    if key.startswith(_NO_RATES):
        return f"{value:.3g}"
    digits = 2 if 0 < value < 0.01 or 0.99 < value < 1 else 1  # 99.98 % is not 100 %
    of_all = n and not key.endswith(("/uniqueness", "/novelty")) and 0 < value < 1
    error = f" \u00b1 {100 * sqrt(value * (1 - value) / n):.{digits}f}" if of_all else ""
    return f"{100 * value:.{digits}f}{error} %"


def _shown(key: str, metrics: dict) -> bool:
    return key in metrics and not (key.startswith(_ONLY_IF_ANY) and metrics[key] == 0)


def _foot(metrics: dict) -> str:
    """How many, of which how many unreadable, and the versions."""
    versions = ", ".join(f"{name} {version}" for name, version in metrics["versions"].items())
    unreadable = f" ({metrics['n_unreadable']} unreadable)" if metrics.get("n_unreadable") else ""
    reference = metrics.get("reference", {})
    beside = f"; {reference['name']} scored on {reference['n']}" if "n" in reference else ""
    return f"{metrics['n']} molecules generated{unreadable}, rates are of all of them{beside}. {versions}"
