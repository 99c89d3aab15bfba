"""The pages behind --help, made from the schema and the defaults."""

import shutil
import textwrap

import scidiff
from scidiff.cli.schema import VERBS, keys_of


def overview() -> str:
    """The page of `scidiff --help`."""
    verbs = [(verb, kind.__doc__) for verb, kind in VERBS.items()]
    return "\n".join(
        [
            f"scidiff {scidiff.__version__}: one diffusion engine for two sciences",
            "",
            "Usage:  scidiff <verb> key=value ...",
            "",
            *_columns(verbs),
            "",
            *_columns([("scidiff <verb> --help", "what each key means, with examples"), ("scidiff --version", "")]),
            "",
            "Start with:  scidiff demo",
        ]
    )


def page(verb: str) -> str:
    """The page of `scidiff <verb> --help`."""
    defaults = _defaults(verb)
    keys = [
        (f"{name}={_shown(defaults[name])}", field.metadata["meaning"])
        for name, field in keys_of(verb).items()
        if name in defaults
    ]
    lines = [*_wrap(f"scidiff {verb}: {VERBS[verb].__doc__}"), "", "Keys and their defaults:", "", *_columns(keys)]
    if used := _used_groups(verb):
        lines += ["", *_group_lines(used)]
    if verb == "train":
        lines += ["", *_more_of_train()]
    return "\n".join([*lines, "", "Examples:", "", *(f"  {example}" for example in VERBS[verb].examples)])


def _defaults(verb: str) -> dict:
    return {key: value for key, value in _file(verb).items() if key != "defaults"}


def _used_groups(verb: str) -> set[str]:
    return {name for each in _file(verb).get("defaults", []) if isinstance(each, dict) for name in each}


def _file(verb: str) -> dict:
    from omegaconf import OmegaConf

    from scidiff.cli.config import folder

    file = folder() / f"{verb}.yaml"
    return OmegaConf.to_container(OmegaConf.load(file), resolve=False) if file.exists() else {}


def _shown(value: object) -> str:
    words = {None: "null", True: "true", False: "false", "???": "<needed>"}
    return words[value] if isinstance(value, bool | None) or value == "???" else str(value)


def _group_lines(used: set[str]) -> list[str]:
    from scidiff.cli.config import groups

    choices = [(f"{group}=", ", ".join(names)) for group, names in groups().items() if group in used]
    return ["Groups and their choices (any key inside can be set too, as network.width=256):", "", *_columns(choices)]


def _more_of_train() -> list[str]:
    options = [
        ("--config-dir FOLDER", "take configurations from your own folder as well"),
        ("--multirun", "run every combination of comma-separated values; Hydra's launchers apply"),
    ]
    return ["Options:", "", *_columns(options)]


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    """Two columns, the second wrapped to the width of the screen."""
    left = min(max((len(first) for first, _ in rows), default=0), 28) + 4
    lines = []
    for first, second in rows:
        wrapped = textwrap.wrap(second, max(_screen() - left, 24)) or [""]
        if len(first) + 4 > left:
            lines.append(f"  {first}")
            first = ""
        lines += [f"  {first:<{left - 2}}{wrapped[0]}".rstrip(), *(" " * left + line for line in wrapped[1:])]
    return lines


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, _screen())


def _screen() -> int:
    return min(shutil.get_terminal_size().columns, 100)
