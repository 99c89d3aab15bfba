"""The model card of a model of scans says what its header says."""

import re

from scidiff.volumes.card import card

FACTS = {"modality": {"T1w": 3}, "spacing": [[0.87, 1.0], [0.87, 1.0], [1.0, 1.33]], "n": 3, "masked": 1}
ROW = {
    "task": "denoise",
    "setting": "sigma 0.1",
    "n": 9,
    "baseline": "tv",
    "psnr": 30.125,
    "psnr_sd": 0.81,
    "baseline_psnr": 27.5,
    "difference": 2.625,
    "difference_sd": 0.31,
    "p": 0.0000012,
    "foreground": {"baseline": "nlm", "psnr": 26.0, "baseline_psnr": 25.0, "difference": 1.0, "p": 0.02},
    "coverage90": 0.894,
    "seconds": 12.34,
}
LOST = {"task": "ct", "setting": "60 views", "n": 9, "baseline": "tv", "psnr": 30.0, "difference": -0.4, "p": 0.3}
HEADER = {
    "name": "tiny",
    "version": "0.2",
    "domain": "volumes",
    "data": {"name": "toy", "licence": "CC0", "n": 1234, "sha256": "abc", "note": "Two sites."},
    "training": {"steps": 10, "patch_side": 48},
    "seed": 3,
    "tasks": ["denoise", "ct"],
    "likeness": FACTS,
    "judged": [ROW, LOST],
}


def rows(text: str, heading: str) -> list[dict[str, str]]:
    """The table below a line."""
    lines = text[text.index(heading) :].splitlines()
    table = lines[2 : lines.index("", 2)]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def test_the_tables_hold_the_headers_figures():
    text = card(HEADER, 1_234_567)
    whole, lost = rows(text, "Over the whole volume:")
    assert whole == {
        "task": "denoise",
        "setting": "sigma 0.1",
        "n": "9",
        "best classical": "27.50 (tv)",
        "this model": "30.12 ± 0.81",
        "difference": "+2.62 ± 0.31",
        "p": "< 0.001",
        "truth in its 90 % interval": "89.4 %",
        "seconds": "12.3",
    }
    assert lost["difference"] == "-0.40" and lost["seconds"] == "" and lost["best classical"] == "(tv)"
    (inside,) = rows(text, "Over the foreground alone:")
    assert inside["task"] == "denoise" and inside["best classical"] == "25.00 (nlm)" and inside["p"] == "0.02"
    assert "seconds" not in inside


def test_the_rest_of_the_header_is_told():
    text = card(HEADER, 1_234_567)
    for words in (
        "# tiny",
        "1.2 M parameters; scidiff 0.2.",
        "1,234 training scans of toy (licence: CC0). Two sites.",
        "`abc`",
        "| modality | T1w (3) |",
        "| voxels | 0.87-1 x 0.87-1 x 1-1.33 mm |",
        "| patch side | 48 |",
        "| seed | 3 |",
        "scidiff reconstruct model=tiny task=ct input=sinogram.npz out=restored.nii.gz",
    ):
        assert words in text


def test_where_it_does_not_win_is_among_its_limits():
    limits = card(HEADER, 1).partition("## Limits")[2]
    assert "ct 60 views" in limits and "sigma 0.1" not in limits and "T1w" in limits
    assert "not shown" not in card({**HEADER, "judged": [ROW]}, 1)


def test_what_is_missing_is_left_out():
    text = card({"name": "bare"}, 1)
    assert "Not measured." in text and "## Data" not in text and "## Training" not in text
    assert not re.search(r"None|nan|\(\)|\{\}", text)
    for key in HEADER:
        assert not re.search(r"\bNone\b|\bnan\b", card({k: v for k, v in HEADER.items() if k != key}, 1))
    (row,) = rows(card({**HEADER, "judged": [{"task": "denoise", "psnr": 30.0}]}, 1), "Over the whole volume:")
    assert row == {"task": "denoise", "this model": "30.00"}
