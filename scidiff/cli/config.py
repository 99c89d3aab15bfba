"""What was typed, as a checked configuration; and every misunderstanding in one sentence."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException, ValidationError
from yaml import YAMLError

import scidiff
from scidiff.cli.meant import bare
from scidiff.cli.prepared import expanded
from scidiff.cli.schema import VERBS, keys_of
from scidiff.store.atomic import whole
from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean

OmegaConf.register_new_resolver("count", len, replace=True)  # sizes flow one way: classes: ${count:${data.elements}}
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def folder() -> Path:
    """Where the configuration tree lies: inside an installed package, or beside it in a checkout."""
    package = Path(scidiff.__file__).parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def read(verb: str, typed: Sequence[str], extra: Path | None = None) -> DictConfig:
    """The configuration of a verb, its keys checked and of their declared types.

    Args:
        verb: one of VERBS.
        typed: key=value words as they were typed.
        extra: a folder of one's own configurations, looked in as well.

    Raises:
        UserError: a word that cannot be read, an unknown key or choice, a value of the wrong kind, or one missing.
    """
    words = expanded(typed, _data_names(extra)) if verb == "train" else typed
    words = [_literal(verb, word) for word in words]
    try:
        config = _compose(verb, words, extra)
    except YAMLError as error:
        raise UserError(f"A configuration is not YAML: {' '.join(str(error).split())}.") from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise UserError(explain(error, verb, words, extra)) from error
    known = {*keys_of(verb), *groups()}
    for name in map(str, config):  # an experiment may have names of its own, but not a misspelt key
        if name not in known and (verb != "train" or did_you_mean(name, known)):
            raise UserError(_unknown_key(name, verb, [], extra))
    check(config, verb)
    if verb == "train":  # a resumed run asks what was typed
        names = [word.lstrip("+~").partition("=")[0] for word in typed]
        OmegaConf.update(config, "typed", names, force_add=True)
    return config


def check(config: DictConfig, verb: str) -> None:
    """Give the top-level keys their declared types, in place.

    Raises:
        UserError: a value of the wrong kind, below its smallest, missing, or one that refers to nothing.
    """
    schema = OmegaConf.structured(VERBS[verb])
    try:
        for name, field in keys_of(verb).items():
            if name in config or OmegaConf.is_missing(config, name):
                config[name] = _typed(schema, verb, name, config, field.metadata)
        OmegaConf.resolve(config)
    except OmegaConfBaseException as error:
        raise UserError(f"The configuration of {verb} cannot be read: {_first_line(error)}.") from error


def _typed(schema: DictConfig, verb: str, name: str, config: DictConfig, metadata: Any) -> Any:
    if OmegaConf.is_missing(config, name):
        raise UserError(f"{verb} needs {name}=...: {metadata['meaning']}.")
    value = config[name]
    if isinstance(value, float) and value.is_integer() and _kind(schema, name) is int:
        value = int(value)  # n=1e4 is what people type
    try:
        schema[name] = value
    except ValidationError:
        raise UserError(f"{name}={value}: expected {KINDS[_kind(schema, name)]}.") from None
    if metadata["least"] is not None and schema[name] is not None and not schema[name] >= metadata["least"]:
        raise UserError(f"{name}={value}: expected at least {metadata['least']}.")
    return schema[name]


def _kind(schema: DictConfig, name: str) -> Any:
    return schema._get_node(name)._metadata.ref_type


def write_beside(config: DictConfig, out: str | Path) -> Path:
    """Write the resolved configuration to `<out>.config.yaml`, in place of an older one."""
    path = Path(f"{out}.config.yaml").expanduser()
    with whole(path, overwrite=True) as temporary:
        text = OmegaConf.to_yaml(config, resolve=True)
        temporary.write_text(f"# written by scidiff {scidiff.__version__}\n{text}", encoding="utf-8")
    return path


def groups() -> dict[str, list[str]]:
    """The choices of every configuration group that is shipped."""
    rooms = sorted(path for path in folder().iterdir() if path.is_dir())
    found = {room.name: sorted(file.stem for file in room.glob("*.yaml")) for room in rooms}
    return {name: choices for name, choices in found.items() if choices}


def _data_names(extra: Path | None) -> list[str]:
    """What data= may name besides a prepared folder."""
    own = [file.stem for file in (extra / "data").glob("*.yaml")] if extra else []
    return [*groups()["data"], *own]


def _compose(verb: str, words: Sequence[str], extra: Path | None) -> DictConfig:
    if extra is not None and not extra.is_dir():
        raise UserError(f"There is no folder {extra} to take configurations from.")
    search = [f"hydra.searchpath=['file://{extra.resolve()}']"] if extra else []
    with initialize_config_dir(str(folder()), job_name=verb, version_base="1.3"):
        return compose(verb, [*words, *search])


def _literal(verb: str, word: str) -> str:
    """Quote the value of a text key, so that any file name may be typed as it is."""
    name, equals, value = word.partition("=")
    field = keys_of(verb).get(name.lstrip("+"))
    if not equals or field is None or field.type not in (str, str | None) or value[:1] in ("'", '"'):
        return word
    if value == "null" and field.type is not str:
        return word
    tail = "\\" if value.endswith("\\") else ""  # a backslash before the closing quote would hide it
    return f"{name}='" + value.replace("'", "\\'") + f"{tail}'"


def explain(error: Exception, verb: str, words: Sequence[str], extra: Path | None = None) -> str:
    """Hydra's complaint in one sentence."""
    strange = next((word for word in words if "=" not in word.lstrip("~")), None)
    if strange is not None and not strange.startswith("~"):
        return f"'{strange}' is not of the form key=value. {bare(words, verb)}"
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        if choice.startswith("submitit"):
            return "Jobs of a cluster need hydra-submitit-launcher: pip install 'scidiff[slurm]'."
        listed = ", ".join(error.options)
        own = ", or a folder that scidiff prepare made" if group == "data" else ""
        return f"There is no {group} '{choice}'.{did_you_mean(choice, error.options)} Choices: {listed}{own}."
    unknown = re.search(r"Could not override '([^']+)'", str(error))
    if unknown:
        return _unknown_key(unknown[1], verb, words, extra)
    if "Ambiguous value" in str(error):
        word = re.search(r"argument '(.+)'\n", str(error))
        return f"{word[1] if word else 'A value'}: a comma asks for a sweep, which needs --multirun; a list needs [ ]."
    bad = next((word for word in words if not _readable(word)), None)
    if bad:
        return f"Cannot read {bad} as key=value. Put a value with unusual signs in quotes: key=\"'...'\"."
    return f"{_first_line(error)}."


def _readable(word: str) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    try:
        return bool(OverridesParser.create().parse_override(word))
    except HydraException:
        return False


def _unknown_key(name: str, verb: str, words: Sequence[str], extra: Path | None) -> str:
    """Which key was meant: compared with the keys beside it, under the groups that were chosen."""
    chosen = [word for word in words if word.lstrip("+").partition("=")[0] in groups()]
    try:
        node: Any = _compose(verb, chosen, extra)
    except HydraException:  # the group is not one of this verb's
        node = _compose(verb, [], extra)
    place = ""
    for part in name.split("."):
        if not isinstance(node, DictConfig) or part not in node:
            break
        node, place = node._get_node(part), f"{place}{part}."
    known = [place + str(each) for each in node] if isinstance(node, DictConfig) else []
    hint = did_you_mean(name, known) or (f" Its keys: {', '.join(known)}." if known else "")
    return f"{verb} has no key '{name}'.{hint}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
