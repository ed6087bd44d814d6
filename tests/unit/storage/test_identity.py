"""Digests: the same in one piece and in many."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import identity
from storage.identity import digest_in_pieces, digest_of, digest_of_list

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text('a é"\\\n\U0001f600', max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text("ab", max_size=2), inner, max_size=2)),
    max_leaves=4,
)
KEYS = st.text("abc", max_size=2)


@given(whole=st.dictionaries(KEYS, VALUES, max_size=3), long=st.dictionaries(KEYS, st.lists(VALUES), max_size=3))
def test_lists_that_are_fed_in_pieces_change_no_digest(whole, long):
    """Pieces of any length, empty lists, and an identity of such lists only."""
    whole = {key: value for key, value in whole.items() if key not in long}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "_ITEMS", 2)
        assert digest_in_pieces(whole, {key: iter(items) for key, items in long.items()}) == digest_of(whole | long)
        assert [digest_of_list(iter(items)) for items in long.values()] == [digest_of(items) for items in long.values()]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_has_no_digest(value):
    """Neither in the identity nor in an item of a list."""
    with pytest.raises(ValueError, match="JSON"):
        digest_in_pieces({"a": value}, {})
    with pytest.raises(ValueError, match="JSON"):
        digest_in_pieces({}, {"a": [0, value]})
