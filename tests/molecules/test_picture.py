"""Pictures: what is on the page, and what the eye must not be told."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from scidiff.molecules import ballstick
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.picture import Card, _broken, draw_grid, formula
from scidiff.store.errors import UserError

CENTRE = np.array([0.0, 0.0, 0.0])
CORNERS = 0.63 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])


def around(number: int, charge: int = 0) -> Molecule:
    """One atom with four hydrogens about it."""
    positions = np.vstack([CENTRE, CORNERS]).astype(np.float32)
    bonds = np.array([[0, k, 1] for k in range(1, 5)])
    return Molecule(np.array([number, 1, 1, 1, 1]), positions, np.array([charge, 0, 0, 0, 0]), bonds)


def chiral() -> Molecule:
    """CHFClBr, one hand."""
    return replace(around(6), numbers=np.array([6, 1, 9, 17, 35]))


def test_the_page_holds_one_card_a_molecule(tmp_path):
    draw_grid([around(6)] * 3, tmp_path / "page.png", columns=2)
    one = draw_grid([around(6)], tmp_path / "one.png")
    page, card = Image.open(tmp_path / "page.png"), Image.open(one)
    assert page.width > 1.9 * card.width and page.height > 1.9 * card.height


def test_the_svg_is_well_formed_and_tells_the_reason(tmp_path):
    draw_grid([around(6), around(7)], tmp_path / "page.svg")
    text = " ".join(ElementTree.parse(tmp_path / "page.svg").getroot().itertext())
    assert "CH₄" in text and "valence of atom 1 (N)" in text


def test_an_existing_picture_is_kept_unless_asked(tmp_path):
    path = tmp_path / "page.png"
    path.write_text("mine")
    with pytest.raises(UserError, match="overwrite=true"):
        draw_grid([around(6)], path)
    assert path.read_text() == "mine"
    draw_grid([around(6)], path, overwrite=True)
    assert path.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("wrong", [{"path": "page.jpg"}, {"molecules": []}, {"columns": 0}])
def test_what_cannot_be_drawn_is_said(tmp_path, wrong):
    arguments = {"molecules": [around(6)], "path": "page.png", "columns": 2} | wrong
    with pytest.raises(UserError):
        draw_grid(**arguments | {"path": tmp_path / arguments["path"]})
    assert not list(tmp_path.iterdir())


def test_formulas():
    assert formula(around(6)) == "CH₄"
    assert formula(around(7, charge=1)) == "H₄N⁺"
    assert formula(chiral()) == "CHBrClF"
    assert formula(replace(around(7), charges=np.array([-2, 0, 0, 0, 0]))) == "H₄N²⁻"


def test_remarks_and_faults():
    assert Card.of(around(6)).fault == ""
    assert "more than it can carry" in Card.of(around(7)).fault
    apart = Card.of(replace(around(6), bonds=around(6).bonds[1:]))
    assert "2 pieces" in apart.title and "radical" in apart.title
    assert "bonds by distance" in Card.of(replace(around(6), bonds=None)).title


def test_the_mirror_image_is_another_molecule():
    molecule = chiral()
    mirrored = replace(molecule, positions=molecule.positions * np.array([1, 1, -1], dtype=np.float32))
    assert {Card.of(molecule).detail, Card.of(mirrored).detail} == {"F[C@H](Cl)Br", "F[C@@H](Cl)Br"}
    for each in (molecule, mirrored):
        before, after = np.asarray(each.positions, float), ballstick._facing(each)
        assert np.sign(handedness(before)) == np.sign(handedness(after))


def handedness(positions: np.ndarray) -> float:
    return float(np.linalg.det(positions[1:4] - positions[0]))


def test_nearer_atoms_hide_further_ones():
    canvas = ballstick._Canvas.blank(40, 40)
    canvas.ball(np.array([20.0, 20.0, 0.0]), 8.0, np.array([1.0, 0, 0]))
    canvas.ball(np.array([20.0, 20.0, -30.0]), 12.0, np.array([0, 1.0, 0]))
    assert canvas.albedo[20, 20].tolist() == [1, 0, 0]
    assert canvas.albedo[20, 30].tolist() == [0, 1, 0]
    assert canvas.depth[20, 20] == pytest.approx(8.0, abs=0.1)


def test_a_stick_is_a_cylinder_of_two_colours():
    canvas = ballstick._Canvas.blank(60, 40)
    canvas.stick(np.array([[10.0, 20.0, 0.0], [50.0, 20.0, 0.0]]), 5.0, np.eye(3)[:2])
    assert canvas.albedo[20, 15].tolist() == [1, 0, 0] and canvas.albedo[20, 45].tolist() == [0, 1, 0]
    assert canvas.depth[20, 30] == pytest.approx(5.0, abs=0.1)
    assert np.isfinite(canvas.depth).sum() == pytest.approx(40 * 10, rel=0.05)


@pytest.mark.parametrize("spoil", [np.nan, np.inf])
def test_a_diverged_sample_is_blank_paper(spoil):
    broken = replace(around(6), positions=np.full((5, 3), spoil, dtype=np.float32))
    image = ballstick.draw(broken, 30, 20)
    assert image.shape == (20, 30, 3) and (image == image[0, 0]).all()
    assert Card.of(broken).title == "CH₄"


@pytest.mark.parametrize("count", [1, 2])
def test_the_smallest_molecules(count):
    positions = np.eye(3, dtype=np.float32)[:count]
    small = Molecule(np.full(count, 1), positions, np.zeros(count, int), np.zeros((0, 3), int))
    assert ballstick.draw(small, 60, 60).min() < 240


def test_captions_fit_their_card():
    assert _broken("CCO", 9) == ["CCO"]
    lines = _broken("C" * 200, 9)
    assert len(lines) == 2 and lines[1].endswith("…")
