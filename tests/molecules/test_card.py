"""The model card says what the header says."""

from scidiff.molecules.card import card, judged

HEADER = {
    "name": "tiny",
    "version": "0",
    "seed": 3,
    "vocabulary": {"elements": ["H", "C"]},
    "sizes": {"3": 1, "9": 2},
    "data": {"name": "toy", "n": 1234, "licence": "CC0", "sha256": "abc", "note": "No fluorine."},
    "training": {"steps": 10},
    "config": {"sampler": {"steps": 50}},
}


def figures(value: float) -> dict:
    return {
        "strict/valid_connected": value,
        "distribution/bond_length": 0.0123,
        "n": 100,
        "versions": {"rdkit": "1"},
        "reference": {"strict/valid_connected": 0.99, "n": 10},
    }


def test_columns_are_ordered_by_steps_and_a_new_one_replaces_its_own():
    header = judged(judged(HEADER, figures(0.5), {"steps": 100}), figures(0.25), {"steps": 50})
    header = judged(header, figures(0.75), {"steps": 100})
    assert [each["sampling"]["steps"] for each in header["judged"]] == [50, 100]
    assert header["metrics"]["strict/valid_connected"] == 0.25  # of the model's own number of steps
    assert "judged" not in HEADER


def test_the_card_shows_every_figure_beside_the_data():
    text = card(judged(HEADER, figures(0.5), {"steps": 50, "seed": 7}), 1_200_000)
    row = next(line for line in text.splitlines() if "one piece" in line)
    assert [cell.strip() for cell in row.split("|")[2:4]] == ["50.0 ± 5.0 %", "99.0 %"]
    for words in ("# tiny", "1,234 training molecules of toy", "No fluorine.", "3 to 9 atoms", "1.2 M", "| seed | 7 |"):
        assert words in text


def test_an_unjudged_model_says_so():
    assert "Not measured." in card(HEADER, 1)
