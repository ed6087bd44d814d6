"""Near misses: a wrong name leads to the names that it can be meant as, and to no others."""

import pytest

from tasks.errors import did_you_mean


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("clusers", ["clusters", "bins"], ["clusters"]),
        ("rum", ["run", "plan"], ["run"]),
        ("digit", ["digits", "tiny"], ["digits"]),
        ("Held_Out", ["held-out"], ["held-out"]),
        (
            "imagenet",
            ["imagenet-shifts-a", "imagenet-shifts-b", "imagenet-shifts-c"],
            ["imagenet-shifts-a", "imagenet-shifts-b"],
        ),
        ("0.5", ["0.40", "0.50"], ["0.50"]),
        ("tunde.pt", ["tuned.pt", "base.pt"], ["tuned.pt"]),
    ],
)
def test_close_names_are_offered(word, known, meant):
    """Letters that are wrong, missing or swapped, another case, the beginning of a name; two names at most."""
    assert did_you_mean(word, known) == f"; did you mean {' or '.join(meant)}?"


@pytest.mark.parametrize(
    ("word", "known"),
    [("oracle", ["ties", "wise-ft"]), ("head.pt", ["tuned.pt", "base.pt"]), ("", ["a"]), ("x", ["a", "b"]), ("a", [])],
)
def test_other_names_are_not_offered(word, known):
    """An ending that files have in common makes no names alike."""
    assert did_you_mean(word, known) == ""


def test_a_name_of_any_length_is_compared_in_bounded_time():
    """A hostile file may hold names of a million letters."""
    assert did_you_mean("a" * 1_000_000, ["a" * 90] * 1000) == f"; did you mean {'a' * 90}?"
