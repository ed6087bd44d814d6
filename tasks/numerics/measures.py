"""Expertise measures: how sure each model is of each sample, in numbers whose softmax over the models are coefficients.

Each takes what all models say and returns a score (n, M); the share of model m is e^{s_m} / Σ e^{s}. Source: Oh et al.,
section 4.1, and the measures that its public release compares.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from tasks.numerics.checks import Floats, finite_array
from tasks.numerics.entropy import entropy_of
from tasks.numerics.expertise import model_coefficients

_LEAST_LOGIT = 1e-6  # shares are ratios of the largest logits, which therefore have to be positive


class Said(NamedTuple):
    """What M models say of n samples.

    Attributes:
        logits: M arrays (n, classes), divided by each model's temperature.
        log_p: M arrays (n, classes) of log probabilities.
        judge: (n, classes) log probabilities of the model whose predictions serve as labels, if a measure wants one.
    """

    logits: Sequence[Floats]
    log_p: Sequence[Floats]
    judge: Floats | None = None


Measure = Callable[[Said], Floats]


def entropy(said: Said) -> Floats:
    """Return −H of each model's own prediction."""
    return np.column_stack([-entropy_of(log_p) for log_p in said.log_p])


def loss(said: Said) -> Floats:
    """Return minus the cross-entropy against the soft label of the output ensemble, Σ_c q_c ln p_c."""
    return _against(_ensemble(said), said)


def loss_hard(said: Said) -> Floats:
    """Return minus the cross-entropy against the class that the output ensemble predicts."""
    return _against(_hard(_ensemble(said)), said)


def loss_merged(said: Said) -> Floats:
    """Return minus the cross-entropy against the soft label of the model of averaged weights."""
    return _against(_judged(said), said)


def loss_merged_hard(said: Said) -> Floats:
    """Return minus the cross-entropy against the class that the model of averaged weights predicts."""
    return _against(_hard(_judged(said)), said)


def max_logit(said: Said) -> Floats:
    """Return the logarithm of the largest logit: shares are ratios of largest logits."""
    return np.column_stack([np.log(np.maximum(logits.max(axis=1), _LEAST_LOGIT)) for logits in said.logits])


def confidence(said: Said) -> Floats:
    """Return the largest probability."""
    return np.column_stack([np.exp(log_p.max(axis=1)) for log_p in said.log_p])


def margin(said: Said) -> Floats:
    """Return the gap between the two largest probabilities."""
    if said.log_p[0].shape[1] == 1:  # there is no second class
        return confidence(said)
    return np.column_stack([np.ptp(np.partition(np.exp(log_p), -2, axis=1)[:, -2:], axis=1) for log_p in said.log_p])


MEASURES: dict[str, Measure] = {
    "entropy": entropy,
    "loss": loss,
    "loss-hard": loss_hard,
    "loss-merged": loss_merged,
    "loss-merged-hard": loss_merged_hard,
    "max-logit": max_logit,
    "confidence": confidence,
    "margin": margin,
}
WITH_JUDGE = ("loss-merged", "loss-merged-hard")
WITH_OFFSET = ("entropy", "oracle", "loss", "loss-hard", "loss-merged", "loss-merged-hard")
"""Those whose score is minus an uncertainty of at least 0: the offset is made of its mean and deviation."""


def measured_coefficients(scores: Floats, *, offset: bool) -> Floats:
    """Return coefficients (n, M), rows on the simplex, from scores (n, M); the offset only where scores are ≤ 0."""
    values = finite_array(scores, "scores", 2)
    if offset:
        return model_coefficients(np.maximum(-values, 0.0), offset=True)
    shares: Floats = softmax(values, axis=1)
    return shares


def random_coefficients(kind: str, samples: int, models: int, seed: Sequence[int]) -> Floats:
    """Return coefficients (n, M) drawn without a look at anything: what any measure has to beat.

    `uniform`: evenly over the simplex. `gaussian-0.5` and `gaussian-0.8`, two models: the tuned one's share from a
    normal distribution of that mean and a deviation of 0.2 and 0.1, clamped to [0.01, 0.99].
    """
    random = np.random.default_rng(seed)
    if kind == "uniform":
        return random.dirichlet(np.ones(models), samples)
    deviation = {"gaussian-0.5": 0.2, "gaussian-0.8": 0.1}[kind]
    if models != 2:
        raise ValueError(f"{kind}: wanted 2 models, got {models}")
    tuned = np.clip(random.normal(float(kind.removeprefix("gaussian-")), deviation, samples), 0.01, 0.99)
    return np.column_stack([1.0 - tuned, tuned])


def _ensemble(said: Said) -> Floats:
    mean: Floats = np.mean([np.exp(log_p) for log_p in said.log_p], axis=0)
    return mean


def _judged(said: Said) -> Floats:
    if said.judge is None:
        raise ValueError("judge: wanted the predictions of a merged model, got none")
    return np.exp(said.judge)


def _hard(labels: Floats) -> Floats:
    chosen: Floats = np.eye(labels.shape[1])[labels.argmax(axis=1)]
    return chosen


def _against(labels: Floats, said: Said) -> Floats:
    return np.column_stack([np.einsum("nc,nc->n", labels, log_p) for log_p in said.log_p])
