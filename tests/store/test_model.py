"""Model files: the round trip, and every way a file can be something else."""

import json
import pickle

import pytest
import torch

from scidiff.store import model
from scidiff.store.errors import UserError
from scidiff.store.model import find_model, load_model, read_header, save_model, shipped

HEADER = {"domain": "molecules", "config": {"width": 8}, "note": "Größe 1 Å"}


@pytest.fixture
def tensors():
    """Shapes and kinds of all sorts."""
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    return {
        "matrix": base,
        "shared": base[1:],
        "strided": base.t(),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "count": torch.tensor(7),
        "empty": torch.zeros(0, 3),
    }


@pytest.fixture
def file(tmp_path, tensors):
    """A good model file."""
    return save_model(tmp_path / "tiny.safetensors", tensors, HEADER)


def test_the_round_trip(file, tensors):
    back, header = load_model(file)
    assert header == {"format": model.FORMAT, **HEADER} == read_header(file)
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype and torch.equal(back[name], tensor)


def test_gradients_stay_behind(tmp_path):
    parameter = torch.nn.Parameter(torch.ones(2))
    path = save_model(tmp_path / "a.safetensors", {"w": parameter}, HEADER)
    assert not load_model(path)[0]["w"].requires_grad


def test_truncation_is_told_at_every_length(file, tmp_path):
    whole = file.read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(UserError) as caught:
            load_model(cut)
        assert ("is truncated: " in str(caught.value)) == (length >= 8), length


def table_of(text: str, data: bytes = b"") -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(8, "little") + raw + data


def headed(header: str, data: bytes = b"") -> bytes:
    return table_of(json.dumps({"__metadata__": {"scidiff": header}}), data)


OTHERS = {
    "text": b"This is a README, not a model; and it is long enough to look at.",
    "zeros": bytes(64),
    "pickle": pickle.dumps({"state": list(range(100))}),
    "zip": b"PK\x03\x04" + bytes(100),
    "no metadata": table_of("{}"),
    "another tool's": table_of('{"__metadata__": {"format": "pt"}}'),
    "metadata no mapping": table_of('{"__metadata__": 3}'),
    "table no mapping": table_of("[1]"),
    "table no JSON": table_of("{1}"),
    "table no text": (4).to_bytes(8, "little") + b"{\xff\xfe}",
    "deep table": table_of('{"a":' * 20000 + "1" + "}" * 20000),
    "header no JSON": headed("{"),
    "header no mapping": headed("[1]"),
    "deep header": headed("[" * 20000 + "]" * 20000),
    "header empty": headed("{}"),
    "no config": headed('{"format": 1, "domain": "molecules"}'),
    "config no mapping": headed('{"format": 1, "domain": "molecules", "config": []}'),
    "domain no text": headed('{"format": 1, "domain": 3, "config": {}}'),
    "format no number": headed('{"format": "1", "domain": "molecules", "config": {}}'),
    "format true": headed('{"format": true, "domain": "molecules", "config": {}}'),
    "data behind": headed('{"format": 1, "domain": "molecules", "config": {}}', b"xxxx"),
    "offsets no numbers": table_of('{"a": {"dtype": "F32", "shape": [1], "data_offsets": ["x", "y"]}}', bytes(4)),
    "offsets missing": table_of('{"a": {}}', bytes(4)),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_files_are_no_models(kind, tmp_path):
    path = tmp_path / "other.safetensors"
    path.write_bytes(OTHERS[kind])
    with pytest.raises(UserError, match=r"other\.safetensors is not a scidiff model file"):
        load_model(path)


def test_a_table_that_contradicts_its_tensors(tmp_path, file):
    whole = file.read_bytes()
    path = tmp_path / "bad.safetensors"
    path.write_bytes(whole.replace(b'"shape":[3,4]', b'"shape":[4,4]'))
    with pytest.raises(UserError, match="is not a scidiff model file"):
        load_model(path)


def test_a_newer_format_asks_for_an_upgrade(tmp_path):
    path = tmp_path / "new.safetensors"
    path.write_bytes(headed('{"format": 99, "domain": "molecules", "config": {}}'))
    with pytest.raises(UserError, match=r"newer scidiff.*Upgrade"):
        load_model(path)


@pytest.mark.parametrize("missing", ["domain", "config"])
def test_an_incomplete_header_is_not_written(tmp_path, missing):
    header = {key: value for key, value in HEADER.items() if key != missing}
    with pytest.raises(UserError, match=missing):
        save_model(tmp_path / "a.safetensors", {}, header)
    assert not list(tmp_path.iterdir())


def test_the_ending_and_an_existing_file_are_kept(file, tensors):
    with pytest.raises(UserError, match=r"ends in \.safetensors"):
        save_model(file.with_suffix(".pt"), tensors, HEADER)
    before = file.read_bytes()
    with pytest.raises(UserError, match="overwrite=true"):
        save_model(file, {}, HEADER)
    assert file.read_bytes() == before
    save_model(file, {}, HEADER, overwrite=True)
    assert load_model(file)[0] == {}


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(UserError, match=r"Cannot read .*No such file"):
        load_model(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="Cannot read"):
        load_model(tmp_path)


def test_shipped_models_are_found_by_name(file, monkeypatch, tmp_path):
    monkeypatch.setattr(model, "SHIPPED", tmp_path)
    assert find_model("tiny") == file == find_model(file)
    assert shipped() == [("tiny", read_header(file))]
    with pytest.raises(UserError, match=r"no model or file 'tinyy'\. Did you mean 'tiny'\? Shipped models: tiny\."):
        find_model("tinyy")
    with pytest.raises(UserError, match=r"no file 'some/where\.safetensors'"):
        find_model("some/where.safetensors")


def test_others_may_read_what_the_umask_lets_them(file, tmp_path):
    (tmp_path / "plain").write_text("")
    assert file.stat().st_mode == (tmp_path / "plain").stat().st_mode
