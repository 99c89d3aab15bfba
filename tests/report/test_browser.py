"""The page in a real browser without a network: it draws, its controls move, it asks for nothing."""

import io
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from scidiff.molecules import evaluate
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.report import section as of_molecules
from scidiff.report.page import Section, write
from scidiff.report.parts import Cell, Table
from scidiff.volumes.picture import Panel, window_of
from scidiff.volumes.report import section as of_scan
from scidiff.volumes.report.view import LEVELS, codes, look_at
from scidiff.volumes.volume import Volume
from tests.small import sixty
from tests.volumes.heads import head

SHAPE = (30, 36, 26)
STEP = """([plane, layer]) => {
  const canvas = document.querySelectorAll(`[data-plane="${plane}"] canvas`)[layer];
  const {width, height} = canvas;
  const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
  return [width, height, [...data].filter((_, k) => k % 4 === 0)];
}"""


def hostile(molecule: Molecule) -> Molecule:
    return Molecule(
        molecule.numbers, molecule.positions, molecule.charges, molecule.bonds, "<img src=x onerror=alert(1)>"
    )


@pytest.fixture(scope="module")
def molecules(tmp_path_factory):
    """A page of seven molecules of QM9, one that was never read among them."""
    records = [*map(hostile, islice(sixty(), 20, 26)), object()]
    each = []
    metrics = evaluate.evaluate(records, None, ("strict", "novelty"), 0, each=each.append)
    section = of_molecules(records, len(records), each, metrics)
    return write(tmp_path_factory.mktemp("pages") / "molecules.html", "seven", [section])


@pytest.fixture(scope="module")
def scan():
    """A head, its halves of unlike orientation so that a flip shows."""
    data = 1000 * head(SHAPE)
    data[: SHAPE[0] // 2] *= 0.6
    return Volume(data, np.diag([-1.0, 1.0, 1.5, 1.0]))  # stored from right to left


@pytest.fixture(scope="module")
def scan_page(scan, tmp_path_factory):
    noise = np.random.default_rng(0).normal(0, 30, SHAPE)
    panels = [Panel("input", scan.data + noise), Panel("ours", scan.data), Panel("error", noise, "error")]
    return write(tmp_path_factory.mktemp("pages") / "scan.html", "a scan", [of_scan(scan, panels)])


def clean(seen) -> None:
    assert seen.asked == [] and seen.complaints == []


def test_molecules_are_drawn_and_arrow_keys_go_on(visit, molecules):
    with visit(molecules, "#molecule-view") as seen:
        page = seen.page
        assert page.locator("#molecule-cards .card").count() == 7
        assert page.locator("#molecule-cards svg").count() == 6, "what could not be read has no picture"
        first = solid(page)
        assert first.std() > 10, "a blank canvas has no contrast"
        page.locator("#molecule-view").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("#molecule-words").inner_text().startswith("2 ·")
        assert page.locator("#molecules-table tr.chosen td").first.inner_text() == "2"
        assert np.abs(solid(page) - first).mean() > 1, "another molecule, another picture"
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert "unreadable" in page.locator("#molecule-words").inner_text()
        page.locator("#molecule-cards .card").nth(3).click()
        assert page.locator("#molecule-words").inner_text().startswith("4 ·")
        clean(seen)


def solid(page) -> np.ndarray:
    """What the eye sees of the viewer."""
    page.wait_for_timeout(100)
    picture = Image.open(io.BytesIO(page.locator("#molecule-view").screenshot()))
    return np.asarray(picture.convert("L"), dtype=float)


def test_a_heading_sorts_its_column_and_empty_cells_stay_last(visit, tmp_path):
    rows = [["b10", Cell("3 kg", 3)], ["b9", Cell("")], ["a", Cell("20 kg", 20)], ["c", Cell("-1 kg", -1)]]
    section = Section("part", "A part", tables=[Table(["name", "weight"], rows, words=["name"], name="t")])
    with visit(write(tmp_path / "t.html", "t", [section])) as seen:

        def column(k: int) -> list[str]:
            return seen.page.locator(f"#t tbody td:nth-child({k + 1})").all_inner_texts()

        press = seen.page.locator("#t th button")
        press.nth(1).click()
        assert column(1) == ["-1 kg", "3 kg", "20 kg", ""]
        press.nth(1).press("Enter")
        assert column(1) == ["20 kg", "3 kg", "-1 kg", ""]
        assert seen.page.locator("#t th").nth(1).get_attribute("aria-sort") == "descending"
        press.nth(0).click()
        assert column(0) == ["a", "b9", "b10", "c"]
        clean(seen)


def test_a_slider_shows_the_very_slice_in_its_right_place(visit, scan_page, scan):
    upright = scan.data[::-1]  # as in RAS+
    view, levels = look_at(scan), LEVELS["image"] - 1
    box = view.patient.box
    with visit(scan_page, "#scan-view") as seen:
        page = seen.page
        for plane, axis in (("sagittal", 0), ("coronal", 1), ("axial", 2)):
            page.locator(f"#scan-{plane}").fill("5")
            shown = np.take(upright[tuple(box)], 5, axis=axis).T[::-1]  # rows from top to bottom
            grays = np.rint(255 * (codes(shown, levels, *window_of(view.patient)) - 1.0) / levels)
            width, height, pixels = page.evaluate(STEP, [plane, 1])
            assert np.array_equal(np.reshape(pixels, (height, width)), grays)
            assert "slice 6 of" in page.locator(f"#scan-{plane}").get_attribute("aria-valuetext")
        clean(seen)


def test_names_above_many_pictures_stand_in_one_line(visit, scan, tmp_path):
    """Six abreast, some with a figure below the name: no name is pushed down, and no picture."""
    words = [("input", "PSNR 20.7 dB"), ("best classical", "PSNR 31.5 dB"), ("scidiff", "PSNR 34.2 dB"), ("truth", "")]
    panels = [Panel(name, scan.data, caption=caption) for name, caption in words]
    panels += [Panel(f"error of {name}", scan.data, "error") for name in ("classical", "scidiff")]
    with visit(write(tmp_path / "six.html", "six", [of_scan(scan, panels)]), "#scan-view") as seen:
        for what in ("figcaption b", "canvas"):
            places = [each.bounding_box()["y"] for each in seen.page.locator(f'[data-plane="axial"] {what}').all()]
            assert len(places) == 6 and max(places) - min(places) < 1
        clean(seen)


def test_keys_and_presses_move_one_cross_through_all_planes(visit, scan_page):
    with visit(scan_page, "#scan-view") as seen:
        page = seen.page
        before, place = page.evaluate(STEP, ["axial", 0])[2], int(page.locator("#scan-axial").input_value())
        page.locator("#scan-axial").focus()
        page.keyboard.press("ArrowRight")
        assert int(page.locator("#scan-axial").input_value()) == place + 1
        assert page.evaluate(STEP, ["axial", 0])[2] != before
        box = page.locator('[data-plane="axial"] canvas').nth(2).bounding_box()
        page.mouse.click(box["x"] + 1, box["y"] + 1)  # the patient's left, in front
        assert page.locator("#scan-sagittal").input_value() == "0"
        assert page.locator("#scan-coronal").input_value() == page.locator("#scan-coronal").get_attribute("max")
        page.locator(".layers input").first.uncheck()
        assert page.locator('figure[data-layer="0"]:visible').count() == 0
        assert page.locator('figure[data-layer="1"]:visible').count() == 3
        clean(seen)


def test_no_page_is_wider_than_a_telephone(visit, molecules, scan_page):
    for path, ready in ((molecules, "#molecule-view"), (scan_page, "#scan-view")):
        with visit(path, ready, 360, "dark") as seen:
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
            assert max(channels(seen.page)) < 60, "dark paper where the reader asked for it"


def channels(page) -> list[int]:
    image = Image.open(io.BytesIO(page.screenshot(clip={"x": 0, "y": 0, "width": 1, "height": 1})))
    return list(image.convert("RGB").getpixel((0, 0)))


def test_the_browser_itself_forbids_what_the_policy_forbids(visit, molecules, tmp_path):
    """A script and a picture smuggled into the file neither run nor load."""
    smuggled = '<script>document.title = "stolen"</script><img src="http://example.org/dot">'
    bad = tmp_path / "bad.html"
    bad.write_text(molecules.read_text().replace("<main>", f"<main>{smuggled}"))
    with visit(bad, "#molecule-view") as seen:
        assert seen.page.title() == "seven"
        assert seen.failed == {"http://example.org/dot": "csp"}, "refused by the page, before any network"
        assert len(seen.complaints) == 2
