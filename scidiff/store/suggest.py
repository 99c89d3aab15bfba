"""The nearest known name to a misspelt one, for error messages."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'width'?" when a known name resembles `word`, else the empty string."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean '{by_lower[near[0]]}'?" if near else ""


def file_you_mean(path: Path) -> str:
    """The same for a file that is not there, from those that are: scan.nii.gz for scan.nii."""
    try:
        return did_you_mean(path.name, [each.name for each in path.parent.iterdir()])
    except OSError:
        return ""
