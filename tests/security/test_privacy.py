"""Of a patient nothing reaches what scidiff writes or says: every file made of DICOM slices is searched."""

import gzip

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from pydicom import dcmread

from scidiff.cli.main import main
from tests.fuzz.seeds import slices
from tests.volumes.tiny import tiny_model

MARK = "ZEBEDEE"
TAGS = (
    "PatientName", "PatientID", "PatientAddress", "PatientComments", "OtherPatientNames", "InstitutionName",
    "ReferringPhysicianName", "OperatorsName", "StationName", "AccessionNumber", "StudyDescription",
    "SeriesDescription", "ProtocolName", "StudyID", "ImageComments", "PerformedProcedureStepDescription",
)  # fmt: skip


@pytest.fixture
def series(tmp_path, monkeypatch):
    """Slices that name their patient wherever there is room, in a folder that does not."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "series"
    folder.mkdir()
    for path in slices(folder, shape=(16, 18, 16)):
        item = dcmread(path)
        for name in TAGS:
            setattr(item, name, MARK)
        item.PatientBirthDate, item.StudyDate = "19120623", "19540607"
        item.private_block(0x1001, MARK, create=True).add_new(1, "LO", MARK)
        item.save_as(path)
    assert MARK.encode() in path.read_bytes()
    tiny_model().save("tiny.safetensors")
    return folder


def test_no_tag_reaches_a_file_or_the_screen(series, tmp_path, capsys, monkeypatch):
    drawn, draw = [], FigureCanvasAgg.print_png

    def seen(canvas, *args, **options):
        drawn.extend(text.get_text() for text in canvas.figure.findobj(Text))
        return draw(canvas, *args, **options)

    monkeypatch.setattr(FigureCanvasAgg, "print_png", seen)
    before = set(tmp_path.rglob("*"))
    typed = ["model=tiny.safetensors", "input=series", "task=denoise", "samples=2", "out=out.nii.gz"]
    assert main(["reconstruct", *typed]) == 0
    screen = capsys.readouterr()
    said = [screen.out, screen.err, *drawn]
    written = sorted(set(tmp_path.rglob("*")) - before)
    assert {"out.nii.gz", "out.json", "out.png", "out.sd.nii.gz", "out.nii.gz.config.yaml"} <= {p.name for p in written}
    for path in written:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        for secret in (MARK, MARK.title(), "19120623", "19540607", "1912-06-23"):
            assert secret.encode() not in content and secret.encode("utf-16-le") not in content, path
    assert not any(MARK in text for text in said) and any("uncertainty" in text for text in drawn)
