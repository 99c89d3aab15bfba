"""The page without a browser: one whole file that fetches nothing and runs nothing of others."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from scidiff.report.chart import HEIGHT, bars, curve, rows
from scidiff.report.pack import pack, pack_json, unpack
from scidiff.report.page import Section, page, write
from scidiff.report.parts import Cell, Figure, Table
from scidiff.report.template import PACKAGE
from scidiff.store.errors import UserError

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)> & \"quoted\""
ALONE = {"meta", "br", "img", "input", "link", "path", "rect", "circle", "line"}


class Reader(HTMLParser):
    """What is open and what it holds; every element must be closed by its own name."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.elements, self.scripts, self.words = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ALONE:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append([dict(attrs), ""])

    def handle_endtag(self, tag):
        if tag not in ALONE:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] == ["script"]:
            self.scripts[-1][1] += data
        elif self.open[-1:] != ["style"]:
            self.words.append(data)


def hostile_section() -> Section:
    return Section(
        name="part",
        heading=HOSTILE,
        figures=[Figure(HOSTILE, HOSTILE, HOSTILE)],
        beware=[HOSTILE],
        body=bars(HOSTILE, [HOSTILE, "b"], np.array([0.5, 0.5]), np.array([0.4, 0.6]), HOSTILE)
        + rows(HOSTILE, [HOSTILE], np.array([1.0]), None),
        tables=[Table([HOSTILE, "n"], [[Cell(HOSTILE, hint=HOSTILE), "1"]], HOSTILE, hints=[HOSTILE, ""])],
        data={"block": pack_json([HOSTILE])},
        facts={HOSTILE: HOSTILE},
    )


def test_what_others_wrote_is_text_and_nothing_else():
    html = page(HOSTILE, [hostile_section(), hostile_section()])
    read = Reader(html)
    assert read.open == []
    assert not [tag for tag, _ in read.elements if tag in ("img", "iframe", "object", "link", "base")]
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert len(read.scripts) == 3 and "".join(read.words).count("alert('x')") >= 10


def test_only_the_page_s_own_scripts_may_run_and_nothing_may_be_fetched():
    read = Reader(page("a page", [Section("part", "A part", scripts=("molecules/report/viewer.js",))]))
    policy = next(a["content"] for tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data: blob:"
    running = [text for attributes, text in read.scripts if "type" not in attributes]
    sums = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in running]
    assert rules["script-src"].split() == [f"'sha256-{each}'" for each in sums] and len(sums) == 2
    for _, attributes in read.elements:
        assert not {"src", "srcset", "action", "data", "poster"} & attributes.keys()
        assert attributes.get("href", "#").startswith("#")


def test_the_styles_and_templates_name_no_place_outside():
    ours = [path for path in PACKAGE.glob("**/report/**/*") if path.suffix in (".css", ".html", ".js")]
    assert len(ours) >= 8
    for path in ours:
        if path.name != "3Dmol-min.js":
            assert not re.search(r"https?:|//[a-z]|url\(|@import", path.read_text()), path


def test_what_is_carried_is_what_is_said_to_be_carried():
    room = PACKAGE / "report" / "assets"
    told = dict(re.findall(r"^\| `([^`]+)` .* `([0-9a-f]{64})` \|$", (room / "VENDORED.md").read_text(), re.MULTILINE))
    assert told == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in room.glob("*-min.js")}
    assert "3dmol" in (room / "3Dmol.LICENSES.txt").read_text()


@given(st.binary(max_size=2000))
def test_packing_loses_nothing_and_gives_the_same_text_again(content):
    assert unpack(pack(content)) == content
    assert pack(content) == pack(content)


def test_what_is_no_number_in_json_is_refused_before_a_browser_meets_it():
    assert unpack(pack_json({"ß": [1.5, None]})).decode() == '{"ß":[1.5,null]}'
    with pytest.raises(ValueError, match="JSON"):
        pack_json([float("nan")])


def test_written_whole_or_not_at_all(tmp_path):
    path = write(tmp_path / "a.html", "a", [Section("part", "A part")])
    assert [each.name for each in tmp_path.iterdir()] == ["a.html"]
    with pytest.raises(UserError, match="overwrite=true"):
        write(path, "b", [])
    with pytest.raises(TypeError):
        write(path, "b", [Section("part", "A part", data={"x": pack_json(None)}, scripts=(None,))], overwrite=True)
    assert "<title>a</title>" in path.read_text() and len(list(tmp_path.iterdir())) == 1
    assert path.read_bytes() == write(tmp_path / "b.html", "a", [Section("part", "A part")]).read_bytes()


def heights(drawing: Markup, name: str) -> list[float]:
    """Tops of the shapes of one side, above the axis."""
    path = re.search(rf'class="{name}" d="([^"]*)"', drawing)[1]
    return [HEIGHT - float(y) for y in re.findall(r"V([\d.]+)H", path)]


def test_a_chart_is_true_to_its_numbers():
    ours, theirs = np.array([0.1, 0.4, 0.2]), np.array([0.5, 0.25, 0.0])
    drawn = curve("a", np.arange(4.0), ours, theirs)
    scale = heights(drawn, "theirs")[0] / 0.5  # both sides on one scale, which the largest value fills
    assert heights(drawn, "ours") == pytest.approx(ours * scale, abs=0.06)
    assert heights(drawn, "theirs") == pytest.approx(theirs * scale, abs=0.06)
    assert 0.9 * HEIGHT < scale * 0.5 < HEIGHT
    assert heights(bars("a", ["x", "y", "z"], ours, theirs), "ours") == pytest.approx(ours * scale, abs=0.06)
    lengths = re.findall(r'class="ours" d="M\d+ \d+h([\d.]+)', rows("a", ["x", "y", "z"], ours, None))
    assert np.array(lengths, float) / float(lengths[1]) == pytest.approx(ours / 0.4, abs=0.01)


def test_a_chart_of_nothing_but_zeros_is_drawn():
    assert heights(curve("a", np.arange(3.0), np.zeros(2), None), "ours") == [0, 0]
