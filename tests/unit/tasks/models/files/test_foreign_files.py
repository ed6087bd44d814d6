"""A file that is no checkpoint is named by its kind."""

import pytest
from hostile_files import OTHERS

from tasks.models.files.foreign_files import START, kind_of


@pytest.mark.parametrize("name", OTHERS)
def test_the_start_of_a_file_shows_its_kind(name):
    """The first 512 bytes of every such file suffice to name its kind."""
    content = OTHERS[name][0]()
    assert kind_of(content[:START])


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        (b"\xef\xbb\xbf  <HTML>", "an HTML page, perhaps a download that failed"),
        ("ä".encode() * 256, "a text"),
        (b"x" + "ä".encode() * 256, "a text"),  # a character cut in two at the end
        (b"text\x00", "a file of an unknown kind, which begins with 74 65 78 74 00"),
        (b"\x80\x02}q\x00.", None),
    ],
)
def test_known_starts(start, wanted):
    """A byte order mark and a character that is cut in two do not mislead; a pickle has no kind of its own."""
    assert kind_of(start[:START]) == wanted
