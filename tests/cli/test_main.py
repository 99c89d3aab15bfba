"""What is typed, and what is answered: exit statuses, help, and one sentence for every mistake."""

import os
import subprocess
import sys

import pytest

import scidiff
from scidiff.cli import help as pages
from scidiff.cli import main as entrance
from scidiff.cli.config import folder
from scidiff.cli.main import main
from scidiff.cli.schema import VERBS, keys_of
from scidiff.store.errors import UserError
from scidiff.store.memory import LARGE_PAGES

READY = [verb for verb in VERBS if (folder() / f"{verb}.yaml").exists()]

MISTAKES = {
    "generat": "Did you mean 'generate'?",
    "generate stpes=3": "generate has no key 'stpes'. Did you mean 'steps'?",
    "generate +foo=3": "generate has no key 'foo'.",
    "generate n=0": "n=0: expected at least 1.",
    "generate seed=-1": "seed=-1: expected at least 0.",
    "generate n=abc": "n=abc: expected a whole number.",
    "generate n=2.5": "n=2.5: expected a whole number.",
    "generate overwrite=perhaps": "overwrite=perhaps: expected true or false.",
    "generate n": "'n' is not of the form key=value. See scidiff generate --help.",
    "generate n 10": "'n' is not of the form key=value. Type n=10.",
    "generate n = 10": "Type n=10.",
    "generate n= 10": "Type n=10.",
    "generate n =10": "Type n=10.",
    "generate qm9": "Type model=qm9.",
    "generate out=my best.sdf": 'A value with a space in it needs quotes: "out=my best.sdf".',
    "evaluate best.sdf": "Type input=best.sdf.",
    "models brain": "Type model=brain.",
    "generate --n 10": "There is no option '--n'. Type n=10.",
    "generate --n=10": "Type n=10.",
    "generate -n 10": "Type n=10.",
    "generate --overwrite": "Type overwrite=true.",
    "generate n=[1": "Cannot read n=[1 as key=value.",
    "generate n=1,2": "needs --multirun",
    "generate n=${nothing}": "'nothing' not found",
    "generate --fast": "There is no option '--fast'. Keys are typed as key=value. See scidiff generate --help.",
    "generate --config-dir nowhere": "There is no folder nowhere",
    "generate --multirun n=1,2": "--multirun belongs to scidiff train.",
    "generate out=molecules.mol2": "expected a name ending in .sdf or .xyz",
    "generate sizes=big": "expected a number of atoms",
    "generate sizes=[1,-2]": "expected a number of atoms",
    "generate model=no/such.safetensors": "There is no file 'no/such.safetensors'.",
    "generate accelerator=gpu devices=99": "torch finds",
    "train data=nowhere": "or a folder that scidiff prepare made",
    "evaluate": "evaluate needs input=...",
    "evaluate input=none.sdf": "There is no file none.sdf",
    "evaluate input=none.sdf protocols=[edmm]": "Did you mean 'edm'?",
    "models model=nobody": "There is no model or file 'nobody'.",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_answered_in_one_sentence(typed, capsys, elsewhere):
    assert main(typed.split()) == 1
    screen = capsys.readouterr()
    assert MISTAKES[typed] in screen.err
    assert screen.err.count("\n") == 1 and "Traceback" not in screen.err and screen.out == ""
    assert not list(elsewhere.iterdir()), "a refused command leaves nothing behind"


@pytest.mark.parametrize("typed", [["--help"], ["-h"], ["help"], []])
def test_the_overview_names_every_verb(typed, capsys):
    assert main(typed) == 0
    text = capsys.readouterr().out
    assert all(f"  {verb} " in text for verb in VERBS)


@pytest.mark.parametrize("verb", READY)
def test_each_verb_explains_each_of_its_keys(verb, capsys):
    assert main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    for name in pages._defaults(verb).keys() & keys_of(verb):
        assert f"  {name}=" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("verb", [verb for verb in READY if verb != "train"])
def test_every_key_has_a_default_and_every_default_a_meaning(verb):
    assert set(pages._defaults(verb)) == set(keys_of(verb))


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"scidiff {scidiff.__version__}"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("The file is upside down."), 1, "scidiff: The file is upside down."),
        (ZeroDivisionError("division by zero"), 1, "unexpected went wrong (ZeroDivisionError: division by zero)."),
        (KeyboardInterrupt(), 130, "Stopped."),
    ],
)
def test_exit_statuses(monkeypatch, capsys, error, status, said):
    monkeypatch.setattr("scidiff.cli.models.run", raising(error))
    assert main(["models"]) == status
    screen = capsys.readouterr().err
    assert said in screen and "Traceback" not in screen


def test_the_traceback_is_for_those_who_ask(monkeypatch, capsys):
    monkeypatch.setattr("scidiff.cli.models.run", raising(ZeroDivisionError("oh")))
    assert main(["models", "debug=true"]) == 1
    assert "Traceback" in capsys.readouterr().err


def raising(error: BaseException):
    def run(config):
        raise error

    return run


def test_the_program_exits_with_what_main_returns():
    code = "import sys; from scidiff.cli.main import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, "generate", "n=0"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == "" and "n=0" in done.stderr


def test_importing_scidiff_imports_the_standard_library_alone():
    heavy = "torch, numpy, rdkit, hydra, lightning, matplotlib, rich, safetensors"
    code = f"import sys, scidiff; print([m for m in '{heavy}'.split(', ') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_config_dir_is_taken_out_of_the_words(tmp_path):
    assert entrance._config_dir("train", ["a=1", "--config-dir", str(tmp_path)]) == (["a=1"], tmp_path)
    assert entrance._config_dir("train", [f"--config-dir={tmp_path}", "a=1"]) == (["a=1"], tmp_path)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ({}, (entrance.SPINS, "1")),
        ({"GOMP_SPINCOUNT": "7", LARGE_PAGES: "0"}, ("7", "0")),
        ({"OMP_WAIT_POLICY": "active"}, ("", "1")),
    ],
)
def test_torch_finds_what_it_reads_on_its_import(typed, found):
    """Waiting actively for busy cores made a scan of seconds take minutes; small pages cost a large scan a fifth."""
    code = "import os, sys; from scidiff.cli.main import main; early = 'torch' not in sys.modules; main(['--version'])"
    code += f"; print(early, *(os.environ.get(name, '') for name in ('GOMP_SPINCOUNT', '{LARGE_PAGES}')), sep=',')"
    clean = {name: value for name, value in os.environ.items() if name not in (*entrance.WAITING, LARGE_PAGES)}
    done = subprocess.run([sys.executable, "-c", code], env=clean | typed, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == ",".join(("True", *found))
