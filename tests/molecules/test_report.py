"""The section of molecules says what the judges and RDKit say, and a strange record breaks nothing."""

import json
import re
from dataclasses import replace
from itertools import islice
from xml.etree import ElementTree

import numpy as np
import pytest

from scidiff.molecules import evaluate
from scidiff.molecules.evaluate.judge import judge
from scidiff.molecules.evaluate.reference import Reference
from scidiff.molecules.molecule import Molecule
from scidiff.molecules.report import SHOWN, section
from scidiff.molecules.report.distributions import census, charts
from scidiff.molecules.report.entry import entry, themed
from scidiff.molecules.report.headline import beware, percent
from scidiff.molecules.report.listing import listing
from scidiff.molecules.report.scores import scores
from scidiff.report.pack import unpack
from tests.small import sixty

CORNERS = 0.63 * np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=np.float32)
BONDS = np.array([[0, k, 1] for k in range(1, 5)])
METHANE = Molecule(np.array([6, 1, 1, 1, 1]), CORNERS, np.zeros(5, dtype=int), BONDS)
NITROGEN = replace(METHANE, numbers=np.array([7, 1, 1, 1, 1]))
PROTOCOLS = ("strict", "novelty")


def judged(records, protocols=PROTOCOLS, reference=None):
    each = []
    return evaluate.evaluate(records, reference, protocols, 0, each=each.append), each


def shown(record, reference=None, near=False, protocols=PROTOCOLS):
    return entry(1, record, judge(record, protocols), reference, near)


@pytest.fixture(scope="module")
def reference():
    return Reference("few", 3, frozenset({"C", "CC=O", "CCCN"}), frozenset(), census(list(sixty())))


def test_an_entry_says_what_the_judges_found(reference):
    fine, broken = shown(METHANE, reference), shown(NITROGEN, reference)
    assert (fine.sound, fine.smiles, fine.known, fine.formula) == (True, "C", True, "CH₄")
    assert (broken.sound, broken.why, broken.known, broken.scores) == (False, "impossible valence", None, {})
    assert broken.flat and broken.solid, "it is shown all the same"


def test_the_nearest_training_molecule_is_looked_for_only_on_request(reference):
    acetaldehyde, stranger = islice(sixty(), 2)
    assert shown(acetaldehyde, reference, near=True).nearest == (1.0, "CC=O")
    assert shown(acetaldehyde, reference).nearest is None
    found = shown(stranger, reference, near=True)
    assert found.known is False and found.nearest[0] == reference.neighbours.nearest(found.smiles) < 1
    assert found.nearest[1] in reference.smiles


def test_posebusters_failures_are_named():
    stretched = replace(METHANE, positions=3 * CORNERS)
    failed = shown(stretched, protocols=("posebusters",)).failed
    assert shown(METHANE, protocols=("posebusters",)).plausible is True
    assert "sanitization" not in failed
    assert "sanitization" in shown(NITROGEN, protocols=("posebusters",)).failed


def test_scores_of_aspirin_are_those_in_the_literature():
    found = scores("CC(=O)Oc1ccccc1C(=O)O")
    assert found["weight"] == pytest.approx(180.16, abs=0.01)
    assert found["qed"] == pytest.approx(0.55, abs=0.01)  # Bickerton et al. 2012, and RDKit's own example
    assert found["logp"] == pytest.approx(1.31, abs=0.01)  # Crippen
    assert found["sa"] == pytest.approx(1.58, abs=0.01)  # Ertl and Schuffenhauer's program
    assert scores("not a molecule") == {} == scores("")


def test_a_depiction_is_whole_small_and_in_the_ink_of_the_page():
    flat = shown(next(iter(sixty()))).flat
    tree = ElementTree.fromstring(flat)
    assert tree.attrib == {"viewBox": "0 0 220 150"} and len(tree) > 3
    assert "currentColor" in flat and re.search("#[0-9A-F]{6}", flat), "carbon in ink, oxygen in its colour"
    assert "class=" not in flat and len(flat) < 4000
    assert themed("<svg><!-- END OF HEADER --><path style='stroke:#101014;fill:#FF0000'/></svg>").endswith(
        "<path style='stroke:currentColor;fill:#FF0000'/></svg>"
    )


def test_all_columns_that_are_known_and_no_others(reference):
    near = [shown(m, reference, near=True) for m in (METHANE, NITROGEN)]
    full = listing([*near, shown(object())])
    assert (
        full.headings[:5] == ["#", "formula", "sound", "in training", "nearest"] and "PoseBusters" not in full.headings
    )
    cells = dict(zip(full.headings, full.cells[0], strict=True))
    assert cells["in training"].text == "yes" and cells["nearest"].text == "1.00" and cells["weight"].key == 16.043
    assert full.cells[2][1].text == "unreadable" and full.cells[2][2].tone == "bad"
    assert "nearest" not in listing([shown(METHANE)]).headings
    strained = listing([replace(shown(METHANE), strain=3.14159)])
    assert dict(zip(strained.headings, strained.cells[0], strict=True))["strain"].text == "3.1"


def test_a_record_of_any_kind_has_its_row_and_its_name_is_not_told():
    awkward = [
        METHANE,
        object(),
        replace(METHANE, bonds=None, name="Hans Muster"),
        replace(METHANE, positions=np.full((5, 3), np.nan, dtype=np.float32)),
        replace(METHANE, numbers=np.zeros(0, int), positions=np.zeros((0, 3)), charges=np.zeros(0, int), bonds=None),
    ]
    metrics, each = judged(awkward)
    made = section(awkward, len(awkward), each, metrics, facts={"model": "x"})
    drawn = json.loads(unpack(made.data["molecules-data"]))
    assert [each["n"] for each in drawn] == [1, 2, 3, 4, 5]
    assert [bool(each["solid"]) for each in drawn] == [True, False, True, False, False]
    assert drawn[2]["remark"] == "bonds by distance" and "guessed from distances" in " ".join(made.beware)
    assert "Muster" not in json.dumps(drawn) + made.body


def test_a_large_file_is_capped_and_said_to_be():
    records = [METHANE] * (SHOWN + 5)
    metrics, each = judged(records, ("strict",))
    made = section(records, 5_000, each, metrics)
    assert len(json.loads(unpack(made.data["molecules-data"]))) == SHOWN
    assert f"The first {SHOWN} of 5,000 are shown." in made.body
    assert any(f"Only the first {SHOWN + 5} of 5,000 were judged" in sentence for sentence in made.beware)


def test_the_headline_warns_of_few_of_faults_and_of_memory(reference):
    metrics, _ = judged([METHANE, METHANE, NITROGEN], reference=reference)
    said = " ".join(beware(metrics, [], 3, reference))
    assert "3 molecules are few" in said and "impossible valence (1)" in said
    assert "100 % of the distinct molecules are in the training data" in said
    assert percent(0.25, 100) == "25 ± 4 %" and percent(1.0, 10) == "100 %" and percent(0.999, 10**6) == "99.9 %"


def test_the_same_molecules_make_the_same_two_lines(reference):
    """Held against themselves, what was generated lies on the line of the training data in every chart."""
    drawn = "".join(charts(list(sixty()), [], reference, None))
    sides = [re.findall(rf'class="{side}" d="([^"]*)"', drawn) for side in ("ours", "theirs")]
    assert len(sides[0]) >= 6
    for ours, theirs in zip(*([path for path in side if "M2.0 120V" in path] for side in sides), strict=True):
        assert ours == theirs + "Z"


def test_sizes_come_from_the_header_where_that_is_all_there_is():
    drawn = charts([METHANE], [], None, {"4": 1, "5": 1})
    assert 'class="theirs"' in drawn[0] and not any('class="theirs"' in each for each in drawn[1:])


def test_nothing_is_drawn_of_nothing():
    assert charts([object()], [], None, None) == []
