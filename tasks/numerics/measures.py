"""Expertise measures: functions from the outputs of all models to the expertise scores of each model on each sample.

Every measure takes the `ModelOutputs` of M models for n samples and returns float64 scores (n, M), higher for a surer
model. The softmax of a sample's scores over the models gives its coefficients, c_m = e^{s_m} / Σ_k e^{s_k}. Sources:
the entropy, Oh et al., arXiv 2410.03782, section 3; the others, the paper's public release, which compares them.

A new measure is a function here and its name in `MEASURES`.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import softmax

from tasks.numerics.checks import Floats, finite_array
from tasks.numerics.entropy import entropy_of
from tasks.numerics.expertise import model_coefficients
from tasks.numerics.offset import Offset

_LEAST_LOGIT = 1e-6  # coefficients are ratios of the largest logits, which therefore have to be positive


class ModelOutputs(NamedTuple):
    """The outputs of M models for n samples."""

    logits: Sequence[Floats]
    """M arrays (n, classes), divided by each model's temperature."""
    log_p: Sequence[Floats]
    """M arrays (n, classes) of log probabilities."""
    judge: Floats | None = None
    """(n, classes) log probabilities of the model whose predictions serve as labels, for the measures that need it."""


Measure = Callable[[ModelOutputs], Floats]
"""From the outputs of M models for n samples to expertise scores (n, M)."""


def entropy(outputs: ModelOutputs) -> Floats:
    """Return minus the entropy of each model's own prediction, −H, as scores (n, M)."""
    return np.column_stack([-entropy_of(log_p) for log_p in outputs.log_p])


def loss(outputs: ModelOutputs) -> Floats:
    """Return minus the cross-entropy against the output ensemble q, Σ_c q_c ln p_c, as scores (n, M)."""
    return _minus_cross_entropy(_ensemble(outputs), outputs)


def loss_hard(outputs: ModelOutputs) -> Floats:
    """Return minus the cross-entropy against the class that the output ensemble predicts, as scores (n, M)."""
    return _minus_cross_entropy(_one_hot(_ensemble(outputs)), outputs)


def loss_merged(outputs: ModelOutputs) -> Floats:
    """Return minus the cross-entropy against the prediction of the weight average, as scores (n, M).

    Raises:
        ValueError: the outputs have no judge.
    """
    return _minus_cross_entropy(_judged(outputs), outputs)


def loss_merged_hard(outputs: ModelOutputs) -> Floats:
    """Return minus the cross-entropy against the class that the weight average predicts, as scores (n, M).

    Raises:
        ValueError: the outputs have no judge.
    """
    return _minus_cross_entropy(_one_hot(_judged(outputs)), outputs)


def max_logit(outputs: ModelOutputs) -> Floats:
    """Return the logarithm of the largest logit as scores (n, M): coefficients are ratios of largest logits."""
    return np.column_stack([np.log(np.maximum(logits.max(axis=1), _LEAST_LOGIT)) for logits in outputs.logits])


def confidence(outputs: ModelOutputs) -> Floats:
    """Return the largest probability as scores (n, M)."""
    return np.column_stack([np.exp(log_p.max(axis=1)) for log_p in outputs.log_p])


def margin(outputs: ModelOutputs) -> Floats:
    """Return the difference between the two largest probabilities as scores (n, M)."""
    if outputs.log_p[0].shape[1] == 1:  # a single class has no second
        return confidence(outputs)
    return np.column_stack([np.ptp(np.partition(np.exp(log_p), -2, axis=1)[:, -2:], axis=1) for log_p in outputs.log_p])


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
"""Name in an experiment's settings to measure."""
STORED: dict[str, Literal["entropy", "loss"]] = {"entropy": "entropy"}
"""Measures whose scores are the negative of a stored column, by that column, which replaces the logits."""
NAMES = tuple(MEASURES)
"""All measures, as an experiment's settings name them."""
WITH_JUDGE = ("loss-merged", "loss-merged-hard")
"""Measures that need the predictions of a judge."""
WITH_OFFSET = ("entropy", "loss", "loss-hard", "loss-merged", "loss-merged-hard")
"""Measures with scores of minus an entropy; the offset is made of that entropy's mean and standard deviation."""


def measured_coefficients(scores: Floats, *, offset: bool | Offset) -> Floats:
    """Return the coefficients of M models for every sample from their expertise scores.

    Args:
        scores: (n, M) of any measure.
        offset: whether to interpret the scores as minus entropies and to add the offset of two models; or the offset of
            the whole data set, from `offset_of` the `entropies_of` its scores, where these are some of its samples.

    Returns:
        (n, M) float64, each row on the simplex.

    Raises:
        ValueError: the scores are empty, not two-dimensional or not finite.

    Example:
        >>> measured_coefficients(np.log([[1.0, 3.0]]), offset=False)
        array([[0.25, 0.75]])
    """
    values = finite_array(scores, "scores", 2)
    if offset:
        return model_coefficients(entropies_of(values), offset=offset)
    coefficients: Floats = softmax(values, axis=1)
    return coefficients


def entropies_of(scores: Floats) -> Floats:
    """Return the entropies (n, M), nats, of which scores (n, M) are the negatives; rounding below 0 becomes 0."""
    entropies: Floats = np.maximum(-scores, 0.0)
    return entropies


def random_coefficients(kind: str, samples: int, models: int, seed: Sequence[int]) -> Floats:
    """Return random coefficients, the baseline that a measure has to beat.

    Args:
        kind: `uniform`: evenly over the simplex. `gaussian-0.5` and `gaussian-0.8`, for two models: the tuned model's
            coefficient has a normal distribution of that mean, with standard deviation 0.2 and 0.1, clamped to
            [0.01, 0.99].
        samples: n.
        models: M.
        seed: random state.

    Returns:
        (n, M) float64, each row on the simplex.

    Raises:
        ValueError: M is not 2 for a normal distribution.
        KeyError: no such kind exists.
    """
    random = np.random.default_rng(seed)
    if kind == "uniform":
        return random.dirichlet(np.ones(models), samples)
    deviation = {"gaussian-0.5": 0.2, "gaussian-0.8": 0.1}[kind]
    if models != 2:
        raise ValueError(f"{kind}: wanted 2 models, got {models}")
    tuned = np.clip(random.normal(float(kind.removeprefix("gaussian-")), deviation, samples), 0.01, 0.99)
    return np.column_stack([1.0 - tuned, tuned])


def _ensemble(outputs: ModelOutputs) -> Floats:
    """Return the mean of the models' probabilities, (n, classes)."""
    mean: Floats = np.mean([np.exp(log_p) for log_p in outputs.log_p], axis=0)
    return mean


def _judged(outputs: ModelOutputs) -> Floats:
    """Return the probabilities of the judge, (n, classes)."""
    if outputs.judge is None:
        raise ValueError("judge: wanted the predictions of a merged model, got none")
    return np.exp(outputs.judge)


def _one_hot(probabilities: Floats) -> Floats:
    """Return probability 1 for the most probable class, (n, classes)."""
    chosen: Floats = np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
    return chosen


def _minus_cross_entropy(labels: Floats, outputs: ModelOutputs) -> Floats:
    """Return Σ_c q_c ln p_c of each model against label probabilities (n, classes), (n, M)."""
    return np.column_stack([np.einsum("nc,nc->n", labels, log_p) for log_p in outputs.log_p])
