"""scidiff <verb> key=value ...: the entrance."""

import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path

import scidiff
from scidiff.cli import meant
from scidiff.cli.schema import VERBS
from scidiff.store.errors import UserError
from scidiff.store.memory import LARGE_PAGES, keep_freed, ran_out
from scidiff.store.suggest import did_you_mean

WAITING = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"  # how torch's threads wait for one another, by the user's word or by ours
SPINS = "1000"  # some microseconds: on quiet cores as fast as to wait actively, on busy ones as fast as not to wait
HELP = ("--help", "-h", "help")
FULL = "Memory ran out. Close other programs, or ask for less at once: batch= of molecules, window= of a scan."


def main(words: Sequence[str] | None = None) -> int:
    """Run what was typed; returns the exit status: 0 when everything asked for was done, 1 on an error, 130 on Ctrl-C.

    Args:
        words: the command line without the program's name; what the shell gave when None.
    """
    _prepare_torch()
    warnings.formatwarning = _formatted
    keep_freed()
    words = list(sys.argv[1:] if words is None else words)
    debug = "debug=true" in [word.lower() for word in words]
    try:
        return _dispatch(words)
    except KeyboardInterrupt:
        return _fail("Stopped.", 130)
    except BrokenPipeError:  # as in `scidiff models | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except UserError as error:
        return _fail(str(error), 1, debug)
    except Exception as error:
        if ran_out(type(error).__name__, str(error)):
            return _fail(FULL, 1, debug)
        what = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":.")
        hint = "" if debug else " Add debug=true to see where."
        return _fail(f"Something unexpected went wrong ({what}).{hint}", 1, debug)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in HELP:
        print(_help(words[1:2]))
        return 0
    if words[0] in ("--version", "-V"):
        print(f"scidiff {scidiff.__version__}")
        return 0
    verb = _verb(words[0])
    if any(word in HELP for word in words[1:]):
        print(_help([verb]))
        return 0
    if "--multirun" in words or "-m" in words:
        return _sweep(verb, words[1:])
    return _once(verb, words[1:])


def _verb(word: str) -> str:
    if word not in VERBS:
        raise UserError(f"There is no verb '{word}'.{did_you_mean(word, VERBS)} There are: {', '.join(VERBS)}.")
    return word


def _help(verbs: list[str]) -> str:
    from scidiff.cli.help import overview, page

    return page(_verb(verbs[0])) if verbs else overview()


def _once(verb: str, words: list[str]) -> int:
    from scidiff.cli.config import read

    words, extra = _config_dir(verb, words)
    config = read(verb, words, extra)
    importlib.import_module(f"scidiff.cli.{verb}").run(config)
    return 0


def _config_dir(verb: str, words: list[str]) -> tuple[list[str], Path | None]:
    """Take --config-dir FOLDER (or --config-dir=FOLDER) out of the words."""
    rest, extra, queue = [], None, iter(words)
    for word in queue:
        option, equals, value = word.partition("=")
        if option == "--config-dir":
            extra = Path(value if equals else next(queue, "")).expanduser()
        elif word.startswith("-"):
            raise UserError(f"There is no option '{word}'. {meant.option(word, verb, next(queue, ''))}")
        else:
            rest.append(word)
    return rest, extra


def _sweep(verb: str, words: list[str]) -> int:
    """Hand a sweep to Hydra, whose launchers know of clusters."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf import DictConfig

    from scidiff.cli.config import check, explain, folder, groups
    from scidiff.cli.prepared import expanded

    if verb != "train":
        raise UserError("--multirun belongs to scidiff train.")

    def task(config: DictConfig) -> None:
        check(config, verb)
        config.out = f"{config.out}-{HydraConfig.get().job.num}"  # runs of one sweep never share a folder
        if os.environ.get("SLURM_RESTART_COUNT") and (Path(config.out) / "checkpoints" / "last.ckpt").exists():
            config.resume = config.out  # the cluster stopped it, and has begun it again
        importlib.import_module("scidiff.cli.train").run(config)

    sys.argv = ["scidiff", *expanded(words, groups()["data"])]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach us, and `main` tells them
    try:
        hydra.main(config_path=str(folder()), config_name=verb, version_base="1.3")(task)()
    except HydraException as error:
        raise UserError(explain(error, verb, [word for word in words if not word.startswith("-")])) from error
    return 0


def _formatted(message: Warning | str, category: type[Warning], filename: str, *place: object) -> str:
    """Our own warnings are sentences; those of others keep their place."""
    if Path(filename).is_relative_to(Path(scidiff.__file__).parent):
        return f"Warning: {message}\n"
    return f"{filename}: {category.__name__}: {message}\n"


def _prepare_torch() -> None:
    """What torch reads from the environment when it is imported, which is later, unless the user has said otherwise."""
    if not any(name in os.environ for name in WAITING):
        os.environ["GOMP_SPINCOUNT"] = SPINS
    os.environ.setdefault(LARGE_PAGES, "1")


def _fail(message: str, status: int, debug: bool = False) -> int:
    if debug:
        traceback.print_exc()
    print(f"scidiff: {message}" if status == 1 else message, file=sys.stderr)
    return status
