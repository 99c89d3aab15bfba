"""scidiff reconstruct, interrupted or on a full disk: all of its files or none."""

import pytest

from scidiff.cli.main import main
from scidiff.volumes import files
from scidiff.volumes.volume import Volume
from tests.volumes.heads import head
from tests.volumes.tiny import tiny_model

TYPED = ["reconstruct", "model=tiny.safetensors", "input=scan.nii.gz", "task=denoise", "samples=2", "out=out/o.nii.gz"]


@pytest.fixture(autouse=True)
def scan(elsewhere):
    """A head and a model."""
    tiny_model().save("tiny.safetensors")
    files.write(
        Volume(900 * head((16, 18, 16)), [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "scan.nii.gz"
    )


@pytest.mark.parametrize("size", [500, 6000], ids=["in the scan", "in a file beside it"])
def test_a_full_disk(full_disk, elsewhere, capsys, size):
    with full_disk(size):
        assert main(TYPED) == 1
    error = capsys.readouterr().err
    assert "Cannot write" in error and "unexpected" not in error
    assert not list((elsewhere / "out").iterdir())
    assert main(TYPED) == 0


@pytest.mark.parametrize("when", [1, 2])
def test_interrupted_while_writing(elsewhere, monkeypatch, when):
    write, done = files.write, []

    def stop(*args, **options):
        done.append(1)
        if len(done) == when:
            raise KeyboardInterrupt
        return write(*args, **options)

    monkeypatch.setattr(files, "write", stop)
    assert main(TYPED) == 130
    assert not list((elsewhere / "out").iterdir())
    monkeypatch.setattr(files, "write", write)
    assert main(TYPED) == 0
