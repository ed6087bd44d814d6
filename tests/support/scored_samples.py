"""Samples of a classifier, ordinary and degenerate, with the columns that metrics are computed from."""

import numpy as np
from scipy.special import log_softmax

CLASSES = 7


def columns_of(log_p, labels):
    """Return the columns of the metrics from log probabilities (n, classes) and labels (n,)."""
    of_label = log_p[np.arange(len(labels)), labels]
    p = np.exp(log_p)
    return {
        "prediction": log_p.argmax(axis=1).astype(np.int32),
        "entropy": -(p * log_p).sum(axis=1),
        "confidence": p.max(axis=1),
        "sum_of_squares": (p**2).sum(axis=1),
        "label": labels.astype(np.int32),
        "label_rank": (log_p > of_label[:, None]).sum(axis=1).astype(np.int32),
        "loss": -of_label,
    }


def random_samples(samples=200, seed=0, signal=1.5, classes=CLASSES):
    """Return log probabilities and labels of a classifier that is right more often with a higher signal."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, samples)
    logits = random.normal(size=(samples, classes))
    logits[np.arange(samples), labels] += signal
    return log_softmax(logits, axis=1), labels


def _without_class(number):
    log_p, labels = random_samples(seed=1)
    return log_p[labels != number], labels[labels != number]


def _with_ties():
    """Return samples whose confidences are one of three, with right and wrong ones at each."""
    random = np.random.default_rng(2)
    logits = np.zeros((90, CLASSES))
    labels = random.integers(0, CLASSES, 90)
    logits[np.arange(90), np.where(random.random(90) < 0.6, labels, (labels + 1) % CLASSES)] = random.integers(1, 4, 90)
    return log_softmax(logits, axis=1), labels


def _all_right():
    log_p, _ = random_samples(60, seed=3)
    return log_p, log_p.argmax(axis=1)


def _all_wrong():
    log_p, _ = random_samples(60, seed=4)
    return log_p, log_p.argmin(axis=1)


def _one(right):
    log_p, labels = random_samples(40, seed=5)
    found = np.flatnonzero((log_p.argmax(axis=1) == labels) == right)[:1]
    return log_p[found], labels[found]


EXAMPLES = {
    "random": random_samples(),
    "at chance": random_samples(300, seed=6, signal=0.0),
    "a class without samples": _without_class(3),
    "ties of confidence": _with_ties(),
    "all right": _all_right(),
    "all wrong": _all_wrong(),
    "one sample, right": _one(right=True),
    "one sample, wrong": _one(right=False),
}
"""Log probabilities (n, 7) and labels (n,) by the name of a case."""
