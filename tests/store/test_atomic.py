"""Files are written whole or not at all."""

import pytest

from scidiff.store.atomic import claim, whole
from scidiff.store.errors import UserError
from scidiff.store.suggest import did_you_mean


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_exception_in_the_middle_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), whole(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_an_exception_in_the_middle_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole(path, overwrite=True) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_the_file_appears_at_the_end_under_its_own_ending(tmp_path):
    path = tmp_path / "deep" / "a.sdf.gz"
    with whole(path) as temporary:
        temporary.write_text("all")
        assert temporary.suffix == ".gz" and temporary.parent == path.parent and not path.exists()
    assert path.read_text() == "all" and names(path.parent) == ["a.sdf.gz"]


def test_an_existing_file_is_kept_unless_asked(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(UserError, match="overwrite=true"):
        claim(path)
    assert claim(path, overwrite=True) == path


def test_places_that_cannot_be_written_are_found_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a folder"):
        claim(tmp_path)
    with pytest.raises(UserError, match="Cannot write"):
        claim(tmp_path / "file" / "a.txt")
    with pytest.raises(UserError, match="Cannot write"):
        claim(tmp_path / ("long" * 100) / "a.txt")


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert claim("~/a.txt") == tmp_path / "a.txt"


def test_suggestions():
    assert did_you_mean("stpes", ["steps", "seed"]) == " Did you mean 'steps'?"
    assert did_you_mean("ALLOWD", ["Allowed"]) == " Did you mean 'Allowed'?"
    assert did_you_mean("zzz", ["steps"]) == "" == did_you_mean("a", [])
