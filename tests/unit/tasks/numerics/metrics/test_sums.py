"""Statistics that are functions of sums: weights, shared sums and sums that do not exist."""

import numpy as np
import pytest

from tasks.numerics.metrics.sums import OfSums, Sums, resampled_sums, rows_of, weighted

ROWS = rows_of(np.array([0, 0, 2]), np.array([3, 1, 0]), np.array([1.0, 2.0, 4.0]), (3, 4))


def test_rows_hold_each_term_at_its_sum_and_sample():
    """Terms 1 and 2 are in the first sum, the second sum is empty, and the term 4 is in the third one."""
    np.testing.assert_array_equal(ROWS.toarray(), [[0, 2, 0, 1], [0, 0, 0, 0], [4, 0, 0, 0]])


def test_sums_of_counts_are_those_of_the_matrix():
    """Both ways give the matrix product with the weights, and pass the number of samples on."""
    counts = np.random.default_rng(0).integers(0, 5, (4, 6))
    samples = counts.sum(axis=0).astype(float)
    for found in (
        weighted(Sums(ROWS), counts.astype(float), samples),
        resampled_sums(Sums(ROWS).single(), counts.astype(np.uint8), samples),
    ):
        np.testing.assert_allclose(found.values, ROWS.toarray() @ counts)
        np.testing.assert_array_equal(found.samples, samples)


def test_equal_terms_make_equal_sums():
    """Sums are equal if rows and derivation are; another term, or another derivation, makes them unequal."""
    assert Sums(ROWS).equals(Sums(ROWS.copy()))
    assert not Sums(ROWS).equals(Sums(ROWS * 2))
    assert not Sums(ROWS).equals(Sums(ROWS, lambda values, _samples: values))


@pytest.mark.parametrize("exists", [True, False])
def test_a_statistic_exists_if_all_its_sums_do(exists):
    """None of one part makes the statistic None."""
    statistic = OfSums((lambda *_: Sums(ROWS), lambda *_: Sums(ROWS) if exists else None), lambda *_: np.ones(1))
    assert (statistic({}, None, np.ones((4, 1))) is not None) == exists
