"""From words to a checked configuration."""

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf

import scidiff
from scidiff.cli.config import _compose, explain, read, write_beside
from scidiff.store.errors import UserError


@pytest.mark.parametrize(
    "name",
    [
        "plain.sdf",
        "with space.sdf",
        "a,b.sdf",
        "brackets(1).sdf",
        "ümlaut=1.sdf",
        "it's.sdf",
        "~/home.sdf",
        "C:\\x\\",
        "1",
    ],
)
def test_any_file_name_may_be_typed_as_it_is(name):
    assert read("generate", [f"out={name}"]).out == name


def test_quotes_and_references_keep_their_meaning():
    assert read("generate", ["out='a b.sdf'"]).out == "a b.sdf"
    assert read("generate", ["n=7", "out=${n}.sdf"]).out == "7.sdf"


def test_values_have_their_declared_types():
    config = read("generate", ["n=1e3", "churn=1", "batch=8", "sizes=[3,4]", "picture=false"])
    assert config.n == 1000 and isinstance(config.n, int)
    assert config.churn == 1.0 and isinstance(config.churn, float)
    assert config.batch == 8 and list(config.sizes) == [3, 4] and config.picture is False
    assert read("generate", ["batch=null"]).batch is None


def test_own_configurations_are_found(tmp_path):
    (tmp_path / "sampler").mkdir()
    (tmp_path / "sampler" / "mine.yaml").write_text("gamma: 0.1\n")
    with pytest.raises(UserError, match=r"Choices: .*mine"):
        _compose_or_explain(["+sampler=yours"], tmp_path)
    assert _compose("models", ["+sampler=mine"], tmp_path).sampler.gamma == 0.1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stepz: 3", r"train has no key 'stepz'\. Did you mean 'steps'\?"),
        ("defaults: [", r"A configuration is not YAML: .*bad\.yaml.*line 3"),
        ("defaults: [override /optmizer: muon]", r"train has no key 'optmizer'\. Did you mean 'optimizer'\?"),
    ],
)
def test_a_wrong_experiment_of_one_s_own_is_named(tmp_path, text, sentence):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "bad.yaml").write_text(f"# @package _global_\n{text}\n")
    with pytest.raises(UserError, match=sentence):
        read("train", ["experiment=bad"], tmp_path)


def _compose_or_explain(words, extra):
    try:
        return _compose("models", words, extra)
    except HydraException as error:
        raise UserError(explain(error, "models", words, extra)) from error


def test_the_resolved_configuration_lies_beside_the_output(tmp_path):
    config = read("generate", ["n=7", "out=${n}.sdf"])
    path = write_beside(config, tmp_path / "seven.sdf")
    assert path == tmp_path / "seven.sdf.config.yaml"
    assert path.read_text().startswith(f"# written by scidiff {scidiff.__version__}\n")
    assert OmegaConf.load(path) == {**config, "out": "7.sdf"}
    write_beside(config, tmp_path / "seven.sdf")  # an older one is replaced
