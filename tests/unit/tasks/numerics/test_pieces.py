"""Pieces of samples: the same ones however the source is cut, and refusals that name the sample."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from tasks.numerics.pieces import PIECE, Mapped, Pieces

SAMPLES = 2 * PIECE + 100
ROWS = np.random.default_rng(0).random((SAMPLES, 2))
CUTS = st.lists(st.integers(0, SAMPLES), max_size=6)


@settings(deadline=None, max_examples=25)
@given(CUTS)
def test_pieces_are_the_same_however_the_source_is_cut(cuts):
    """Each piece has `PIECE` samples by their numbers, the last one the rest; empty arrays do not show."""
    pieces = Pieces(np.split(ROWS, sorted(cuts)), "samples", 2)
    assert [len(piece) for piece in pieces] == [PIECE, PIECE, 100]
    np.testing.assert_array_equal(np.concatenate(list(pieces)), ROWS)
    assert pieces.count() == SAMPLES


@settings(deadline=None, max_examples=15)
@given(CUTS, st.integers(1, 40_000), st.lists(st.integers(0, SAMPLES - 1), min_size=1, max_size=50))
def test_subsets_are_those_of_the_whole_array(cuts, stride, numbers):
    """Every k-th sample, and samples by their numbers in any order and repeated, are those of one array."""
    pieces = Pieces(np.split(ROWS, sorted(cuts)), "samples", 2)
    np.testing.assert_array_equal(pieces.every(stride), ROWS[::stride])
    np.testing.assert_array_equal(pieces.at(np.array(numbers)), ROWS[numbers])


def test_a_source_may_fill_one_array_again_and_again():
    """No piece holds on to an array of the source that the source changes afterwards."""

    def filled(start, array=np.empty(1000)):  # noqa: B008  one array for all calls is the point
        array[:] = np.arange(start, start + 1000)
        return array

    pieces = Pieces(Mapped(filled, range(0, 20_000, 1000)), "samples", 1)
    np.testing.assert_array_equal(np.concatenate([piece.copy() for piece in pieces]), np.arange(20_000))


def test_a_check_runs_once_and_sees_all_samples():
    """The second count of the same check takes no pass; another check takes its own."""
    seen, passes = [], []
    pieces = Pieces(Mapped(lambda array: passes.append(1) or array, [ROWS]), "samples", 2)

    def check(piece, first):
        seen.append((first, len(piece)))

    assert pieces.count(check) == pieces.count(check) == SAMPLES
    assert seen == [(0, PIECE), (PIECE, PIECE), (2 * PIECE, 100)]
    assert len(passes) == 1
    assert (pieces.count(), len(passes)) == (SAMPLES, 2)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "scores: wanted at least one value, got none"),
        ([np.empty((0, 2))], "scores: wanted at least one value, got none"),
        ([np.zeros(3)], r"scores: wanted 2 dimension\(s\), got shape \(3,\)"),
        ([ROWS, np.zeros((4, 3))], r"scores: wanted rows of shape \(2,\), not empty, got \(3,\)"),
        (
            [ROWS, [[0.5, 0.5], [0.5, np.inf]]],
            rf"scores: wanted finite numbers, got inf at sample {SAMPLES + 1:,} \(1 ",
        ),
    ],
    ids=["no arrays", "empty arrays", "dimensions", "widths", "infinite"],
)
def test_wrong_sources_are_refused(source, message):
    """The message names the argument, and the sample by its number in all arrays."""
    with pytest.raises(ValueError, match=message):
        Pieces(source, "scores", 2).count()


def test_a_generator_is_refused():
    """A fit takes several passes, and the second one over a generator would find nothing."""
    with pytest.raises(ValueError, match=r"scores: wanted pieces that can be read several times, .* got generator"):
        Pieces((row for row in ROWS), "scores", 1)
