"""Mean entropy and confidence: scipy's values, without labels."""

import numpy as np
import pytest
from scipy.stats import entropy
from scored_samples import EXAMPLES, columns_of

from tasks.numerics.metrics.certainty import CONFIDENCE, ENTROPY


@pytest.mark.parametrize("name", EXAMPLES)
def test_certainty_is_the_mean_over_the_samples_and_needs_no_labels(name):
    """Mean entropy equals that of `scipy.stats.entropy`, and mean confidence the mean of the highest probability."""
    log_p, labels = EXAMPLES[name]
    columns = columns_of(log_p, labels)
    assert ENTROPY.value(columns, None) == pytest.approx(entropy(np.exp(log_p), axis=1).mean(), abs=1e-9)
    assert CONFIDENCE.value(columns, None) == pytest.approx(np.exp(log_p).max(axis=1).mean(), abs=1e-9)
