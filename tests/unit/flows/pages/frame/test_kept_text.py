"""Texts that are kept for later processes."""

import pytest

from flows.pages.frame.kept_text import kept
from storage.kept_files import cache_folder


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def once(text):
    """A maker that may be called once."""
    made = []

    def make():
        assert not made
        made.append(text)
        return text

    return make


def test_a_text_is_made_once():
    """The second call reads the file, with every character as it was made."""
    text = "first\r\nsecond\n\u2028 <script> é"
    assert kept("a.js", once(text)) == text
    assert kept("a.js", once("another")) == text
    assert [path.name for path in cache_folder("pages").iterdir()] == ["a.js"]


def test_another_version_is_another_text():
    """A new name has a text of its own."""
    kept("vega-1.js", once("one"))
    assert kept("vega-2.js", once("two")) == "two"


@pytest.mark.parametrize("content", [b"", b"0123\nchanged", b"\xff\xfe", b"no digest"])
def test_a_damaged_file_is_made_again(content):
    """A file that was cut or changed is not used, and replaced."""
    kept("a.js", once("text"))
    (cache_folder("pages") / "a.js").write_bytes(content)
    assert kept("a.js", once("text")) == "text"
    assert kept("a.js", once("another")) == "text"


def test_a_folder_that_cannot_be_written_costs_time_alone(monkeypatch, tmp_path):
    """Where the folder is a file, the text is made each time."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert kept("a.js", once("text")) == "text"
    assert kept("a.js", once("text")) == "text"
