"""Merge coefficients from the entropies of the models' predictions (Oh et al., arXiv 2410.03782, section 3).

The expertise of a model on a sample is e^{−H}, where H is the entropy of its prediction, or the cross-entropy against
the true label for the oracle. Coefficients are each model's part in the sum of all expertise.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, softmax

from tasks.numerics.checks import Floats, finite_array
from tasks.numerics.offset import Offset, offset_of


def interpolation_coefficients(
    entropy_base: ArrayLike, entropy_tuned: ArrayLike, *, offset: bool | Offset = True
) -> Floats:
    """Return λ, the coefficient of the tuned model, for every sample.

    Without the offset, λ = e^{−H₁} / (e^{−H₀} + e^{−H₁}). With it, over the whole data set with means μ and unbiased
    standard deviations σ,

        λ = (e^{−H₁} + b / w) / (e^{−H₀} + e^{−H₁} + b),   b = ½ (σ₀/μ₀ + σ₁/μ₁),   w = (μ₀ + μ₁) / μ₀

    which moves the ratio towards the model that is surer of the data set as a whole. A model that is certain of every
    sample has μ = σ = 0: its σ/μ counts as 0, and two such models have w = 2, so that λ = ½.

    Args:
        entropy_base: (n,) H₀ ≥ 0, nats.
        entropy_tuned: (n,) H₁ ≥ 0, nats.
        offset: whether to add the offset of these samples, which needs n ≥ 2 for the standard deviation; or the offset
            of the whole data set, where these are some of its samples.

    Returns:
        (n,) float64 in [0, 1].

    Raises:
        ValueError: shapes differ, a value is negative or not finite, or the offset has too few samples.

    Example:
        >>> import math
        >>> interpolation_coefficients([math.log(3)], [0.0], offset=False).round(2)  # 1 / (⅓ + 1)
        array([0.75])
        >>> interpolation_coefficients([0.1, 1.0], [0.4, 0.2]).round(3)
        array([0.501, 0.673])
    """
    base, tuned = _entropies(entropy_base, "entropy_base"), _entropies(entropy_tuned, "entropy_tuned")
    if base.shape != tuned.shape:
        raise ValueError(f"entropies: wanted one of each per sample, got {base.size} base and {tuned.size} tuned")
    if offset is True:
        offset = offset_of([np.column_stack([base, tuned])])
    b, w = offset or Offset(0.0, 1.0)
    if b == 0:  # the ratio in a form that is not 0/0 where both entropies are large
        ratio: Floats = expit(base - tuned)
        return ratio
    expertise_base, expertise_tuned = np.exp(-base), np.exp(-tuned)
    merged: Floats = np.clip((expertise_tuned + b / w) / (expertise_base + expertise_tuned + b), 0.0, 1.0)
    return merged


def simplex_coefficients(entropies: ArrayLike) -> Floats:
    """Return the coefficients π = softmax_m(−H_m) of M models for every sample.

    Args:
        entropies: (n, M) H ≥ 0, nats; column m is model m's.

    Returns:
        (n, M) float64, each row at least 0 and summing to one.

    Raises:
        ValueError: a value is negative or not finite, or the array is empty.

    Example:
        >>> import math
        >>> simplex_coefficients([[0.0, math.log(2), math.log(2)]])  # expertise 1, ½, ½
        array([[0.5 , 0.25, 0.25]])
    """
    values = finite_array(entropies, "entropies", 2)
    if np.any(values < 0):
        raise ValueError(f"entropies: wanted values of at least 0, got {values.min()}")
    result: Floats = softmax(-values, axis=1)
    return result


def model_coefficients(entropies: ArrayLike, *, offset: bool | Offset = True) -> Floats:
    """Return the coefficients of M models for every sample: interpolation of two, the simplex for more.

    Args:
        entropies: (n, M) H ≥ 0, nats, the base's first.
        offset: as in `interpolation_coefficients`; more than two models have no offset, and ignore this.

    Returns:
        (n, M) float64, each row summing to one; [1 − λ, λ] for two models.

    Raises:
        ValueError: as `interpolation_coefficients` and `simplex_coefficients`.
    """
    values = finite_array(entropies, "entropies", 2)
    if values.shape[1] != 2:
        return simplex_coefficients(values)
    tuned = interpolation_coefficients(values[:, 0], values[:, 1], offset=offset)
    return np.column_stack([1.0 - tuned, tuned])


def task_vector_coefficients(coefficients: ArrayLike, scale: float) -> Floats:
    """Return the coefficients of a base and M models that merge task vectors at scale s.

    The merge θ_0 + s·M·Σ_t π_t τ_t of the task vectors τ_t = θ_t − θ_0 is Σ_m c_m θ_m with c_t = s·M·π_t and
    c_0 = 1 − s·M (Oh et al., section 3). Equal coefficients, π_t = 1/M, make it task arithmetic.

    Args:
        coefficients: (n, M) π of the models after the base, each row on the simplex.
        scale: s, at which every task vector enters.

    Returns:
        (n, M + 1) float64, the base's first; each row sums to one, and the base's number is negative where s·M > 1.

    Raises:
        ValueError: the coefficients are empty, not two-dimensional or not finite.

    Example:
        >>> task_vector_coefficients([[0.75, 0.25]], 0.25)
        array([[0.5  , 0.375, 0.125]])
    """
    values = finite_array(coefficients, "coefficients", 2)
    scaled = scale * values.shape[1] * values
    return np.column_stack([1.0 - scaled.sum(axis=1), scaled])


def select_surest(entropies: ArrayLike) -> Floats:
    """Return coefficients of 1 for each sample's model of lowest entropy and 0 for the others (classifier selection).

    Args:
        entropies: (n, M) H, nats; the earlier model wins a tie.

    Returns:
        (n, M) float64, each row one 1 and zeros.

    Raises:
        ValueError: the entropies are empty, not two-dimensional or not finite.

    Example:
        >>> select_surest([[1.0, 0.5, 2.0]])
        array([[0., 1., 0.]])
    """
    values = finite_array(entropies, "entropies", 2)
    chosen: Floats = np.eye(values.shape[1])[np.argmin(values, axis=1)]
    return chosen


def _entropies(values: ArrayLike, name: str) -> Floats:
    array = finite_array(values, name, 1)
    if np.any(array < 0):
        raise ValueError(f"{name}: wanted values of at least 0, got {array.min()}")
    return array
