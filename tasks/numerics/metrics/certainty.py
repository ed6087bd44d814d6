"""Mean entropy and mean confidence of the predictions: known without labels, and no measure of being right."""

import math
from functools import partial

from tasks.numerics.checks import Floats
from tasks.numerics.metrics.metric import Metric, SampleColumns, mean_of


def _column(columns: SampleColumns, _classes: int | None, *, name: str) -> Floats:
    values: Floats = columns[name]
    return values


_entropy, _confidence = partial(_column, name="entropy"), partial(_column, name="confidence")

ENTROPY = Metric(
    name="entropy",
    title="mean entropy of the predictions",
    better=None,
    unit="nats",
    columns=("entropy",),
    statistic=mean_of(_entropy),
    interval="bootstrap",
    bounds=(0.0, math.inf),
    terms=_entropy,
)
CONFIDENCE = Metric(
    name="confidence",
    title="mean confidence of the predictions",
    better=None,
    unit="%",
    columns=("confidence",),
    statistic=mean_of(_confidence),
    interval="bootstrap",
    bounds=(0.0, 1.0),
    terms=_confidence,
)

METRICS = (ENTROPY, CONFIDENCE)
