"""One merged model for all samples, by reference; and the two-decimal numbers that name members."""

import re

from tasks.methods.method import Outputs
from tasks.references.predictions import MergeReference, PredictionsReference

ALPHAS = tuple(f"{step / 10:.2f}" for step in range(11))
SCALES = ALPHAS[1:]
_TWO_DECIMALS = re.compile(r"[0-9]\.[0-9]{2}")


def is_scale(member: str) -> bool:
    """Return whether a member is a scale with two decimals, such as `0.35`."""
    return _TWO_DECIMALS.fullmatch(member) is not None


def static_merge(outputs: Outputs, coefficients: tuple[float, ...]) -> PredictionsReference:
    """Return the predictions of the model Σ_m c_m θ_m; with all weight on one checkpoint, that model's own outputs.

    Args:
        outputs: of M models on one data set.
        coefficients: M numbers. Made models of coefficient 0 are left out, so that nobody makes them.
    """
    for reference, coefficient in zip(outputs, coefficients, strict=True):
        if coefficient == 1.0 and sum(c != 0 for c in coefficients) == 1 and reference.model.made is None:
            return reference
    kept = [(o, c) for o, c in zip(outputs, coefficients, strict=True) if c or not o.model.made]
    return MergeReference(outputs=tuple(o for o, _ in kept), source=tuple(c for _, c in kept))
