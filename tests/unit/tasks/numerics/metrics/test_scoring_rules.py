"""Negative log-likelihood and Brier score: scikit-learn's values on every kind of sample, and their ends."""

import numpy as np
import pytest
from scored_samples import CLASSES, EXAMPLES, columns_of
from sklearn.metrics import brier_score_loss, log_loss

from tasks.numerics.metrics.scoring_rules import BRIER, NLL


@pytest.mark.parametrize("name", EXAMPLES)
def test_scoring_rules_are_scikit_learns(name):
    """They equal `log_loss` and the unscaled `brier_score_loss` to 1e-9 on ordinary and degenerate samples."""
    log_p, labels = EXAMPLES[name]
    columns, p = columns_of(log_p, labels), np.exp(log_p)
    p /= p.sum(axis=1, keepdims=True)
    assert NLL.value(columns, CLASSES) == pytest.approx(log_loss(labels, p, labels=range(CLASSES)), abs=1e-9)
    wanted = brier_score_loss(labels, p, labels=range(CLASSES), scale_by_half=False)
    assert BRIER.value(columns, CLASSES) == pytest.approx(wanted, abs=1e-9)


def test_the_brier_score_runs_from_0_to_2():
    """Probability 1 for the label scores 0, probability 1 for another class scores 2, a uniform one 1 − 1/C."""
    for squares, of_label, wanted in ((1.0, 1.0, 0.0), (1.0, 1e-300, 2.0), (0.25, 0.25, 0.75)):
        columns = {"sum_of_squares": np.array([squares]), "loss": np.array([-np.log(of_label)])}
        assert BRIER.value(columns, 4) == pytest.approx(wanted)
