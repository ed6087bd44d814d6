"""From each model's uncertainty to the coefficients with which its weights enter the merge.

A model's expertise on a sample is e^{−H}: H is the entropy of its prediction, or the cross-entropy against the
true label for the oracle. Sources: Oh et al., ICLR 2025, sections 4.1 (two models) and 4.3 (many).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, softmax

from tasks.numerics.checks import Floats, finite_array


def interpolation_coefficients(entropy_base: ArrayLike, entropy_tuned: ArrayLike, *, offset: bool = True) -> Floats:
    """Return λ, the weight of the tuned model, for every sample.

    Without offset λ = e^{−H₁} / (e^{−H₀} + e^{−H₁}). With it, over the whole data set with means μ and unbiased
    standard deviations σ,

        λ = (e^{−H₁} + b / w) / (e^{−H₀} + e^{−H₁} + b),   b = ½ (σ₀/μ₀ + σ₁/μ₁),   w = (μ₀ + μ₁) / μ₀

    which leans the ratio towards the model that is surer of the data set as a whole. A model that is perfectly
    sure of every sample has μ = σ = 0; its σ/μ counts as 0, and two such models share alike (w = 2).

    Args:
        entropy_base: (n,) H₀ ≥ 0, nats.
        entropy_tuned: (n,) H₁ ≥ 0, nats.
        offset: needs n ≥ 2, for the standard deviation.

    Returns:
        (n,) float64 in [0, 1].

    Raises:
        ValueError: shapes differ, a value is negative or not finite, or there are too few samples.
    """
    base, tuned = _uncertainty(entropy_base, "entropy_base"), _uncertainty(entropy_tuned, "entropy_tuned")
    if base.shape != tuned.shape:
        raise ValueError(f"entropies: wanted one of each per sample, got {base.size} base and {tuned.size} tuned")
    b, w = _offset(base, tuned) if offset else (0.0, 1.0)
    if b == 0:  # the ratio in a form that is not 0/0 where both entropies are large
        ratio: Floats = expit(base - tuned)
        return ratio
    expertise_base, expertise_tuned = np.exp(-base), np.exp(-tuned)
    merged: Floats = np.clip((expertise_tuned + b / w) / (expertise_base + expertise_tuned + b), 0.0, 1.0)
    return merged


def simplex_coefficients(entropies: ArrayLike) -> Floats:
    """Return π = softmax_m(−H_m), the coefficients of M models on the simplex.

    Args:
        entropies: (n, M) ≥ 0, nats; column m is model m's.

    Returns:
        (n, M) float64, rows sum to one.
    """
    values = finite_array(entropies, "entropies", 2)
    if np.any(values < 0):
        raise ValueError(f"entropies: wanted values of at least 0, got {values.min()}")
    result: Floats = softmax(-values, axis=1)
    return result


def model_coefficients(entropies: ArrayLike, *, offset: bool = True) -> Floats:
    """Return the coefficients (n, M) of M models, rows summing to one, the base first.

    Two models interpolate, [1 − λ, λ]; more share by their softmax. The offset is defined for two models only and
    plays no part with more.
    """
    values = finite_array(entropies, "entropies", 2)
    if values.shape[1] != 2:
        return simplex_coefficients(values)
    tuned = interpolation_coefficients(values[:, 0], values[:, 1], offset=offset)
    return np.column_stack([1.0 - tuned, tuned])


def task_vector_coefficients(shares: ArrayLike, scale: float) -> Floats:
    """Return the coefficients of a base and M models for task vectors scaled by s: c_t = s·M·π_t, c_0 = 1 − s·M.

    θ_0 + s·M·Σ_t π_t τ_t with τ_t = θ_t − θ_0, written as Σ_m c_m θ_m (Oh et al., section 4.3; M·π_t = 1 everywhere
    is task arithmetic).

    Args:
        shares: (n, M) π, rows on the simplex.
        scale: s.

    Returns:
        (n, M + 1) float64, rows sum to one; the base's first, and negative where s·M > 1.
    """
    values = finite_array(shares, "shares", 2)
    scaled = scale * values.shape[1] * values
    return np.column_stack([1.0 - scaled.sum(axis=1), scaled])


def select_surest(entropies: ArrayLike) -> Floats:
    """Return one-hot coefficients (n, M) of the model of lowest entropy; the earlier model wins a tie."""
    values = finite_array(entropies, "entropies", 2)
    chosen: Floats = np.eye(values.shape[1])[np.argmin(values, axis=1)]
    return chosen


def _uncertainty(values: ArrayLike, name: str) -> Floats:
    array = finite_array(values, name, 1)
    if np.any(array < 0):
        raise ValueError(f"{name}: wanted values of at least 0, got {array.min()}")
    return array


def _offset(base: Floats, tuned: Floats) -> tuple[float, float]:
    if base.size < 2:
        raise ValueError(f"offset: wanted at least 2 samples for a standard deviation, got {base.size}")
    mean_base, mean_tuned = float(base.mean()), float(tuned.mean())
    b = 0.5 * (_variation(base) + _variation(tuned))
    if mean_base == 0:
        return b, 2.0 if mean_tuned == 0 else np.inf
    return b, (mean_base + mean_tuned) / mean_base


def _variation(values: Floats) -> float:
    mean = float(values.mean())
    return float(values.std(ddof=1)) / mean if mean > 0 else 0.0
