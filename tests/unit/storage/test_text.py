"""Text from outside is shown without characters that a terminal obeys, and at a bounded length."""

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.text import shown


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec=None), max_size=300), st.integers(1, 50))
def test_every_character_shown_is_printable_and_the_length_is_bounded(text, most):
    """This holds for surrogates, controls and bidirectional marks, and a short printable text stays as it is."""
    result = shown(text, most)
    assert result.isprintable()
    assert len(result) <= most
    if text.isprintable() and len(text) <= most:
        assert result == text


def test_no_control_or_format_character_of_unicode_is_shown():
    """Of all 1,114,112 code points, those of the categories Cc, Cf, Cs, Zl and Zp become escapes."""
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            assert shown(chr(code)).startswith("\\")


@pytest.mark.parametrize(
    ("text", "most", "wanted"),
    [
        ("plain /path/to/Größe.pt", 200, "plain /path/to/Größe.pt"),
        ("\x1b]0;owned\x07", 200, r"\x1b]0;owned\x07"),
        ("a\nb\tc", 200, r"a\nb\tc"),
        ("name-\udcff.pt", 200, r"name-\udcff.pt"),
        ("txt.\u202egpj", 200, r"txt.\u202egpj"),
        ("x" * 10**6 + "/model.pt", 31, "x" * 20 + "…x/model.pt"),
    ],
)
def test_known_texts(text, most, wanted):
    """Escapes are those of Python, a long address keeps its end, and an ordinary address stays as it is."""
    assert shown(text, most) == wanted
