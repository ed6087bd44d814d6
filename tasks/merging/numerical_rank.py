"""The numerical rank of task matrices, at which TSV-Merge and Iso-C stop.

Both methods give directions of tiny singular value the weight of large ones. A task vector of low rank (LoRA) has many
directions that are rounding alone, and the result would depend on the order of models and the number of threads. So
singular values up to `threshold` count as zero. The published code has no such cut.

On the multi-task quickstart, whose task vectors have full rank, the cut changes nothing: 2e-6 and 6e-6 of the merged
task vector (`python -m benchmarks.method_choices`). Of adapters of rank 8 in matrices of 96 × 96 the uncut merges are
0.9 and 0.6 away, and uncut Iso-C moves by 1.2 when the models change places. Where a task vector's smallest singular
values come near the rounding of the weights, as with weights stored in half precision, Iso-C changes by about 1/√rank
for each direction that is cut.
"""

from math import sqrt

import torch

_EPSILON = torch.finfo(torch.float32).eps
_NARROW = (torch.bfloat16, torch.float16)  # types that weights may have been stored in, the coarsest first
# Rounding moves a number by 0.2 ε to 0.3 ε of its size, root mean square; stored weights are rounded once
_ROUNDED_ONCE = 0.35
_ROUNDED_AGAIN = 2.0  # float32 weights come out of sums whose order, and so whose rounding, is unknown


def rounding(weights: torch.Tensor) -> float:
    """Return the root mean square of the rounding errors that weights hold, from the type that they were stored in.

    Args:
        weights: of any shape, in float32. Numbers that all fit a narrower type are assumed to have been stored in it.
    """
    narrow = next((dtype for dtype in _NARROW if torch.equal(weights.to(dtype).to(weights.dtype), weights)), None)
    size = float(weights.double().square().mean().sqrt())
    return size * (_ROUNDED_AGAIN * _EPSILON if narrow is None else _ROUNDED_ONCE * torch.finfo(narrow).eps)


def threshold(values: torch.Tensor, shape: torch.Size, noise: float) -> float:
    """Return the singular value up to which a matrix's directions count as rounding.

    The larger of two: max(rows, columns) · ε · σ_max, the usual bound for the decomposition itself; and the spectral
    norm of a matrix of rounding errors of the weights that the task vector is a difference of, noise ·
    (√rows + √columns). The second decides where task vectors are small beside the weights.

    Args:
        values: (k,) singular values, falling.
        shape: (rows, columns) of the matrix.
        noise: of the weights; see `rounding`.
    """
    rows, columns = shape[-2:]
    own = max(rows, columns) * float(values[0])
    return max(_EPSILON * own, noise * (sqrt(rows) + sqrt(columns)))


def nearest_orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Return U Vᵀ of a matrix U Σ Vᵀ, cut at its numerical rank.

    Args:
        matrix: (rows, columns).
    """
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    rank = int((values > threshold(values, matrix.shape, 0.0)).sum())
    nearest: torch.Tensor = left[:, :rank] @ right[:rank]
    return nearest
