"""What somebody who types options, spaces or a bare file name was probably after."""

from collections.abc import Sequence

from scidiff.cli.schema import keys_of
from scidiff.store.model import shipped


def option(word: str, verb: str, after: str) -> str:
    """--n 10, --n=10 or --overwrite, as it is typed here; `after` is the word behind it."""
    name, _, value = word.lstrip("-").partition("=")
    key = keys_of(verb).get(name)
    value = value or after
    if key is None or not (value or key.type is bool):
        return f"Keys are typed as key=value. See scidiff {verb} --help."
    return f"Type {name}={'true' if key.type is bool else value}."


def bare(words: Sequence[str], verb: str) -> str:
    """The first word without `=` (n 10, scan.nii.gz, my scan.nii.gz in no quotes), as it is typed here."""
    at = next(k for k, word in enumerate(words) if "=" not in word)
    word, before, keys = words[at], words[at - 1] if at else "", keys_of(verb)
    value = next((each.lstrip("=") for each in words[at + 1 : at + 3] if each != "="), "")
    if word in keys and value and "=" not in value:
        return f"Type {word}={value}."
    if before.endswith("="):
        return f"Type {before}{word}."
    lone = "input" if "input" in keys else "model"
    given = any(each.startswith(f"{lone}=") for each in words)
    if not given and (lone == "input" or word in dict(shipped())):
        return f"Type {lone}={word}."
    if "=" in before:
        return "A value with a space in it needs quotes: " + f'"{before} {word}".'.replace("'", "")
    return f"See scidiff {verb} --help."
