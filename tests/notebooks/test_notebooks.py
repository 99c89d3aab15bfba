"""Every notebook runs from its first cell to its last in a fresh kernel; what is committed was made so, and is small.

SCIDIFF_QUICK makes the runs short: fewer samples, fewer steps, a smaller scan. Each notebook says so in its first cell.
"""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST = 2_000_000  # bytes of all of them, as a repository may carry


def code(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def test_there_are_four_and_they_are_small():
    assert [path.name[0] for path in NOTEBOOKS] == list("1234")
    assert sum(path.stat().st_size for path in NOTEBOOKS) < MOST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, monkeypatch, tmp_path):
    monkeypatch.setenv("SCIDIFF_QUICK", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert "SCIDIFF_QUICK" in nbformat.read(path, 4).cells[0].source, "the reader is told that the tests run it smaller"
    where = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(nbformat.read(path, 4), timeout=600, kernel_name="python3", resources=where).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_committed_was_run_in_one_go_and_names_no_machine(path):
    cells = code(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    for output in outputs:
        assert output.output_type != "error" and output.get("name") != "stderr", output
        said = output.get("text", "") + str({k: v for k, v in output.get("data", {}).items() if "image" not in k})
        assert not re.search(r"/(tmp|home|root|work|Users)/", said), said
