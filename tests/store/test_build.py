"""Building from configuration: what may be named, and what a hostile one must not reach."""

import functools
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scidiff.store.build import ALLOWED, MODEL_ALLOWED, Allowed, build, locate
from scidiff.store.errors import UserError

THING = {"_target_": "scidiff.store.build.Allowed", "names": ["a"]}

HOSTILE = [
    "os.system",
    "posix.system",
    "subprocess.Popen",
    "builtins.eval",
    "builtins.__import__",
    "eval",
    "",
    "scidiff",
    "scidiff.",
    ".scidiff.store",
    "scidiff..store",
    "scidiff.store.build.importlib.import_module",
    "scidiff.store.build.inspect.os.system",
    "scidiff.store.build.functools.partial",
    "scidiff.store.build.Callable",
    "scidiff.store.atomic.os.system",
    "scidiff.store.atomic.tempfile.mkdtemp",
    "scidiff.store.build.__builtins__",
    "scidiff.store.build.build.__globals__",
    "scidiff.store.build.Allowed.__init__",
    "scidiff.store.build.Allowed.names_it",
    "scidiff.store.build._import",
    "scidiff.cli.main.main",  # functions that write files or start work
    "scidiff.molecules.files.write_xyz",
    "scidiff.store.model.save_model",
    "lightning.pytorch.callbacks.OnExceptionCheckpoint",
    "lightning.pytorch.callbacks.LambdaCallback",
    "scidiff.store.build._call",
    "scidiff.__main__.main",
    "scidiffed.store.build.Allowed",
    "torch.load",
    "torch.hub.load",
    "torch.optim.lr_scheduler.types.FunctionType",
    "torch.nn.SiLU.forward",
    "lightning.pytorch.callbacks.os.system",
    "scidiff.store.build.Allowed; import os",
    "scidiff.store.build:Allowed",
    3,
    None,
    ["os.system"],
    {"_target_": "os.system"},
]


@pytest.mark.parametrize("allowed", [ALLOWED, MODEL_ALLOWED], ids=["user", "model"])
@pytest.mark.parametrize("target", HOSTILE, ids=str)
@pytest.mark.parametrize("wrap", ["bare", "nested", "listed", "partial"])
def test_what_is_not_allowed_is_refused_wherever_it_stands(target, wrap, allowed):
    evil = {"_target_": target, "command": "echo", "_partial_": wrap == "partial"}
    config = {"nested": {"a": {"b": evil}}, "listed": [1, [evil]]}.get(wrap, evil)
    with pytest.raises(UserError):
        build(config, allowed)


@pytest.mark.parametrize("argument", [{"_target_": "os.system"}, [{"_target_": "os.system"}]])
def test_the_arguments_of_an_allowed_target_are_held_to_the_same_rule(argument):
    with pytest.raises(UserError, match=r"os\.system"):
        build({**THING, "names": argument})


def test_nothing_is_imported_for_a_name_that_is_not_allowed():
    sys.modules.pop("antigravity", None)
    with pytest.raises(UserError, match="not allowed"):
        locate("antigravity.geohash")
    assert "antigravity" not in sys.modules


@given(st.text(alphabet="abcdeimnoprstuy._", max_size=40))
@settings(max_examples=200, deadline=None)
def test_no_random_name_of_another_package_passes(name):
    assert not MODEL_ALLOWED.names_it(name)


def test_a_model_file_may_not_name_functions_outside_the_engine():
    listed = Allowed(packages_of_classes=("scidiff.store",))
    assert locate("scidiff.store.build.Allowed", listed) is Allowed
    for function in ("scidiff.store.build.locate", "scidiff.store.atomic.whole"):
        with pytest.raises(UserError, match="not allowed"):
            locate(function, listed)


@pytest.mark.parametrize("target", ["scidiff.store.build.Allowed", "scidiff.training.rates.Cosine", "torch.optim.Adam"])
def test_a_model_file_may_name_the_engine_and_the_domains_alone(target):
    locate(target)
    with pytest.raises(UserError, match="not allowed"):
        locate(target, MODEL_ALLOWED)


def test_a_class_that_was_merely_imported_is_refused():
    with pytest.raises(UserError, match="not allowed"):
        locate("scidiff.store.atomic.Path")


def test_objects_are_built_innermost_first_with_lists_and_extras():
    built = build({"outer": {**THING, "packages": [{**THING, "names": ["inner"]}]}, "n": [1, {"k": 2}]})
    assert built["n"] == [1, {"k": 2}]
    assert built["outer"].packages[0].names == ["inner"]
    assert build(THING, names=("extra",)).names == ("extra",)
    assert build(5) == 5 and build("text") == "text" and build(None) is None


def test_partial():
    made = build({**THING, "_partial_": True})
    assert isinstance(made, functools.partial) and made(packages=("p",)) == Allowed(("p",), (), ["a"])
    assert build({**THING, "_partial_": False}).names == ["a"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"_target_": "scidiff.store.build.Allowd"}, "Did you mean 'Allowed'"),
        ({"_target_": "scidiff.stor.build.Allowed"}, "there is no module scidiff.stor"),
        ({**THING, "pakages": []}, "Did you mean 'packages'"),
        ({"_target_": "scidiff.store.build.Allowed.x"}, "there is no module scidiff.store.build.Allowed"),
        ({"_target_": "torch.optim.AdamW", "lr": 1e-3}, "still needs params"),
        ({"_target_": "torch.optim.AdamW", "params": []}, "Cannot build torch.optim.AdamW: optimizer got an empty"),
        (json.loads('{"a":' * 40 + "1" + "}" * 40), "nested more than"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(config, said):
    with pytest.raises(UserError, match=said):
        build(config)


def test_extras_need_a_target():
    with pytest.raises(UserError, match="no _target_"):
        build({"a": 1}, names=())


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    def refuse(name):
        raise ModuleNotFoundError(f"No module named '{name}'", name="lightning")

    monkeypatch.setattr("scidiff.store.build.importlib.import_module", refuse)
    with pytest.raises(UserError, match="needs the package 'lightning'"):
        locate("lightning.pytorch.callbacks.ModelCheckpoint")


def test_extras_arrive_untouched():
    extra = {"_target_": "os.system"}  # an object of ours that happens to look like a configuration
    assert build(THING, names=extra).names is extra
