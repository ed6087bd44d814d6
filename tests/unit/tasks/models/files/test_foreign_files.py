"""A file that is no checkpoint is called what it is."""

import pytest
from hostile_files import OTHERS

from tasks.models.files.foreign_files import START, kind_of


@pytest.mark.parametrize("name", OTHERS)
def test_a_kind_is_told_from_the_start_alone(name):
    """The first 512 bytes do; the word is that of the message."""
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
    """A byte order mark, a character cut in two, a pickle of which only reading tells."""
    assert kind_of(start[:START]) == wanted
