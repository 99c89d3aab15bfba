"""Objects from plain configuration, through an allow-list.

A mapping with a `_target_` names a class or function and its keyword arguments, as in Hydra. Whoever writes the
configuration chooses what is called, and a model file from a stranger carries one. So a target is called only when
  1. its dotted name is on the allow-list (checked before anything is imported),
  2. no part of the name starts with an underscore,
  3. it is a class or function *defined* below the allowed package, not one merely imported there.
"""

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean

_REFUSALS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    MemoryError,
)
"""What a constructor makes of a value that is none of its: whoever wrote the configuration chose it."""
DEEPEST = 32  # levels of nesting: far more than any honest configuration has


@dataclass(frozen=True)
class Allowed:
    """What a configuration may name.

    Attributes:
        packages: below these, every public class; functions too.
        packages_of_classes: below these, public classes only (a function there may write files).
        names: exact dotted names.
    """

    packages: tuple[str, ...] = ()
    packages_of_classes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def names_it(self, target: str) -> bool:
        """Whether the dotted name alone is on the list; nothing is imported."""
        public = all(part.isidentifier() and not part.startswith("_") for part in target.split("."))
        return public and (target in self.names or _below(target, self.packages + self.packages_of_classes))

    def holds(self, target: str, found: Any) -> bool:
        """Whether what was found under the name is something that may be called."""
        if target in self.names:
            return callable(found)
        home = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
        if inspect.isclass(found):
            return _below(home, self.packages + self.packages_of_classes)
        return inspect.isfunction(found) and _below(home, self.packages)


_CALLBACKS = (
    "DeviceStatsMonitor", "EarlyStopping", "EMAWeightAveraging", "GradientAccumulationScheduler",
    "LearningRateMonitor", "ModelCheckpoint", "StochasticWeightAveraging", "Timer", "WeightAveraging",
)  # fmt: skip

ALLOWED = Allowed(
    packages=("scidiff.engine",),
    packages_of_classes=("scidiff", "torch.optim.lr_scheduler"),
    names=(
        *(f"lightning.pytorch.callbacks.{name}" for name in _CALLBACKS),
        "torch.optim.AdamW",
        "torch.optim.Adam",
        "torch.optim.Muon",
        "torch.nn.SiLU",
        "torch.nn.GELU",
        "lightning.pytorch.Trainer",
        "lightning.pytorch.loggers.CSVLogger",
    ),
)
"""For configuration the user wrote, or took over from somebody's run: no function that writes files or starts work."""

MODEL_ALLOWED = Allowed(packages=("scidiff.engine",), packages_of_classes=("scidiff.molecules", "scidiff.volumes"))
"""For configuration that came inside a model file, perhaps from a stranger."""


def build(config: Any, allowed: Allowed = ALLOWED, **extra: Any) -> Any:
    """Build what `config` describes, innermost first; anything that is not a mapping or list comes back as it is.

    Args:
        config: a mapping with `_target_` (and `_partial_: true` for a functools.partial), a mapping or list of such,
            or a plain value.
        allowed: what may be named.
        extra: further keyword arguments for the outermost target, as they are; they win over the mapping's own.

    Raises:
        UserError: a target that is not allowed or does not exist, an argument it does not take or still needs, or a
            value it refuses.
    """
    if extra and not (isinstance(config, Mapping) and "_target_" in config):
        raise UserError("The configuration names no _target_ to build.")
    return _build(config, allowed, 0, extra)


def _build(config: Any, allowed: Allowed, depth: int, extra: Mapping[str, Any] | None = None) -> Any:
    if depth > DEEPEST:
        raise UserError(f"The configuration is nested more than {DEEPEST} levels deep.")
    if isinstance(config, Mapping):
        own = {key: value for key, value in config.items() if key not in (extra or ())}
        built = {key: _build(value, allowed, depth + 1) for key, value in own.items()} | dict(extra or {})
        return _call(built, allowed) if "_target_" in built else built
    if isinstance(config, Sequence) and not isinstance(config, str | bytes):
        return [_build(value, allowed, depth + 1) for value in config]
    return config


def _call(arguments: dict, allowed: Allowed) -> Any:
    target, partial = arguments.pop("_target_"), arguments.pop("_partial_", False)
    call = locate(target, allowed)
    _check_arguments(target, call, arguments, partial)
    if partial:
        return functools.partial(call, **arguments)
    try:
        return call(**arguments)
    except _REFUSALS as error:
        raise UserError(f"Cannot build {target}: {str(error).partition(chr(10))[0] or type(error).__name__}") from error


def locate(target: Any, allowed: Allowed = ALLOWED) -> Callable:
    """Import the class or function with this dotted name.

    Raises:
        UserError: it is not allowed, does not exist, or needs a package that is not installed.
    """
    refusal = UserError(f"The configuration names {target!r} as a _target_, which is not allowed.")
    if not isinstance(target, str) or not allowed.names_it(target):
        raise refusal
    module_name, _, name = target.rpartition(".")
    module = _import(module_name, target)
    if not hasattr(module, name):
        public = [key for key, value in vars(module).items() if allowed.holds(f"{module_name}.{key}", value)]
        raise UserError(f"There is no {name} in {module_name}.{did_you_mean(name, public)}")
    found = getattr(module, name)
    if not allowed.holds(target, found):
        raise refusal
    return found


def _import(module_name: str, target: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if f"{module_name}.".startswith(f"{missing}.") and "." in missing:
            raise UserError(f"The configuration names {target!r}, but there is no module {missing}.") from error
        raise UserError(f"{target} needs the package '{missing}', which is not installed.") from error


def _check_arguments(target: str, call: Callable, arguments: dict, partial: bool) -> None:
    try:
        parameters = inspect.signature(call).parameters.values()
    except ValueError:  # written in C, without a signature: the call itself will tell
        return
    by_name = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    unknown = [str(key) for key in arguments if key not in by_name]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        raise UserError(f"{target} takes no argument '{unknown[0]}'.{did_you_mean(unknown[0], by_name)}")
    missing = [name for name, p in by_name.items() if p.default is p.empty and name not in arguments]
    if missing and not partial:
        raise UserError(f"{target} still needs {', '.join(missing)}.")


def _below(name: str, packages: tuple[str, ...]) -> bool:
    return name.startswith(tuple(f"{package}." for package in packages))
