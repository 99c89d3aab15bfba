"""A folder appears whole; what is not ours is left alone."""

import pytest

from scidiff.store.errors import UserError
from scidiff.store.unfinished import abandon, begin, finish


def test_pieces_are_found_again_and_the_whole_appears_at_once(tmp_path):
    out = tmp_path / "set"
    folder = begin(out, "mark", {"seed": 0, "shares": (0.5, 0.5)})
    (folder / "piece").write_text("1")
    assert not out.exists() and begin(out, "mark", {"seed": 0, "shares": (0.5, 0.5)}) == folder
    assert (folder / "piece").exists()
    (folder / "scraps").mkdir()
    finish(out, scrap=["scraps"])
    assert [path.name for path in out.iterdir()] == ["piece"] and list(tmp_path.iterdir()) == [out]


def test_other_settings_begin_anew_only_when_told(tmp_path):
    out = tmp_path / "set"
    (begin(out, "mark", {"seed": 0}) / "piece").write_text("1")
    with pytest.raises(UserError, match="begun with another seed"):
        begin(out, "mark", {"seed": 1})
    assert not (begin(out, "mark", {"seed": 1}, overwrite=True) / "piece").exists()
    abandon(out)
    assert not list(tmp_path.iterdir())


def test_a_finished_folder_is_replaced_at_the_end_and_a_strange_one_never(tmp_path):
    out = tmp_path / "set"
    (begin(out, "mark", {}) / "mark").write_text("old")
    finish(out)
    with pytest.raises(UserError, match="exists already"):
        begin(out, "mark", {})
    (begin(out, "mark", {}, overwrite=True) / "mark").write_text("new")
    assert (out / "mark").read_text() == "old"
    finish(out)
    assert (out / "mark").read_text() == "new" and list(tmp_path.iterdir()) == [out]
    (out / "mark").unlink()
    (out / "thesis.tex").write_text("years")
    with pytest.raises(UserError, match="left alone"):
        begin(out, "mark", {}, overwrite=True)
    assert (out / "thesis.tex").exists()


def test_a_folder_in_the_way_is_not_removed(tmp_path):
    (tmp_path / "set.unfinished").mkdir()
    (tmp_path / "set.unfinished" / "mine").write_text("")
    with pytest.raises(UserError, match="not ours to remove"):
        begin(tmp_path / "set", "mark", {}, overwrite=True)
    assert (tmp_path / "set.unfinished" / "mine").exists()
