"""Negative log-likelihood and Brier score: proper scoring rules of the predicted probabilities."""

import math

import numpy as np

from tasks.numerics.checks import Floats
from tasks.numerics.metrics.metric import Metric, SampleColumns, mean_of


def _loss(columns: SampleColumns, _classes: int | None) -> Floats:
    loss: Floats = columns["loss"]
    return loss


def _brier(columns: SampleColumns, _classes: int | None) -> Floats:
    """Return Σ_c (p_c − y_c)² = Σ_c p_c² − 2 p_y + 1 of each sample (Brier, Monthly Weather Review 1950), 0 to 2."""
    terms: Floats = columns["sum_of_squares"] - 2 * np.exp(-columns["loss"]) + 1
    return terms


NLL = Metric(
    name="nll",
    title="negative log-likelihood",
    better="lower",
    unit="nats",
    columns=("loss",),
    statistic=mean_of(_loss),
    interval="bootstrap",
    bounds=(0.0, math.inf),
    terms=_loss,
)
BRIER = Metric(
    name="brier",
    title="Brier score",
    better="lower",
    unit="",
    columns=("sum_of_squares", "loss"),
    statistic=mean_of(_brier),
    interval="bootstrap",
    bounds=(0.0, 2.0),
    terms=_brier,
)

METRICS = (NLL, BRIER)
