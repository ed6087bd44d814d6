"""Merges that look at task matrices' singular vectors: TSV-Merge and Iso-C. Both take matrices only.

Sources: Gargiulo et al., "Task Singular Vectors: Reducing Task Interference in Model Merging" (CVPR 2025), section 4;
Marczak et al., "No Task Left Behind: Isotropic Model Merging with Common and Task-Specific Subspaces" (ICML 2025),
section 4.1. Tensors that are not matrices are averaged by the first, and by the second too.

Both give directions of tiny singular value the weight of large ones. A task vector of low rank (LoRA) has many that
are rounding alone, and with them the result would turn on the order of models and the number of threads. So both stop
at the numerical rank: singular values up to `threshold` count as zero. The published code has no such cut.

On the multi-task quickstart, whose task vectors have full rank, the cut changes nothing: 2e-6 and 7e-6 of the merged
task vector (`python -m benchmarks.method_choices`). Of adapters of rank 8 in matrices of 128 × 128 the uncut merges are
0.9 and 0.6 away, and uncut Iso-C moves by 1.2 when the models change places. Where a task vector's smallest singular
values come near the rounding of the weights, as with weights stored in half precision, Iso-C changes by about 1/√rank
for each direction that is cut.
"""

from collections.abc import Sequence
from math import hypot, sqrt

import torch

_EPSILON = torch.finfo(torch.float32).eps
_NARROW = (torch.bfloat16, torch.float16)  # types that weights may have been stored in, the coarsest first
# Rounding moves a number by 0.2 ε to 0.3 ε of its size, root mean square; stored weights are rounded once
_ROUNDED_ONCE = 0.35
_ROUNDED_AGAIN = 2.0  # float32 weights come out of sums whose order, and so whose rounding, is anybody's


def rounding(weights: torch.Tensor) -> float:
    """Return the root mean square of the rounding errors that weights hold, from the type they were stored in.

    Args:
        weights: of any shape, in float32; numbers that all fit a narrower type are taken to have been stored in it.
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


def task_singular_vectors(tasks: torch.Tensor, noises: Sequence[float] = ()) -> torch.Tensor:
    """Return the merged matrix of TSV-Merge: each task's largest singular vectors, made orthogonal to one another.

    Of each of M tasks the first rank/M singular triplets stay, those above `threshold`; left and right vectors of all
    tasks, side by side, are replaced with the nearest orthogonal ones (Procrustes), and the product is taken with all
    kept singular values. Where tasks share directions, and their vectors are linearly dependent, the nearest orthogonal
    ones of their common span are taken. Computed in float64, task by task.

    Args:
        tasks: (M, rows, columns).
        noises: M, the root mean square of each task vector's rounding errors; none: the differences are exact.
    """
    most = max(1, min(tasks.shape[1:]) // len(tasks))
    lefts, kept, rights = [], [], []
    for task, noise in zip(tasks, noises or [0.0] * len(tasks), strict=True):
        left, values, right = torch.linalg.svd(task.double(), full_matrices=False)
        rank = min(most, int((values > threshold(values, task.shape, noise)).sum()))
        lefts.append(left[:, :rank].clone())
        kept.append(values[:rank])
        rights.append(right[:rank].clone())
    values = torch.cat(kept)
    if not len(values):
        return torch.zeros_like(tasks[0])
    merged = _nearest_orthogonal(torch.cat(lefts, 1)) @ (values[:, None] * _nearest_orthogonal(torch.cat(rights, 0)))
    return merged.to(tasks.dtype)


def isotropic(tasks: torch.Tensor, noises: Sequence[float] = ()) -> torch.Tensor:
    """Return the merged matrix of Iso-C: the sum of the task matrices with all singular values set to their mean.

    The mean, and the directions, are those of singular values above `threshold`; so the sum of singular values stays.
    Computed in float64.

    Args:
        tasks: (M, rows, columns).
        noises: M, the root mean square of each task vector's rounding errors; none: the differences are exact.
    """
    left, values, right = torch.linalg.svd(tasks.sum(0, dtype=torch.float64), full_matrices=False)
    rank = int((values > threshold(values, tasks.shape, hypot(*noises))).sum())
    if not rank:
        return torch.zeros_like(tasks[0])
    merged: torch.Tensor = values[:rank].mean() * (left[:, :rank] @ right[:rank])
    return merged.to(tasks.dtype)


def _nearest_orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Return U Vᵀ of a matrix U Σ Vᵀ, of its numerical rank."""
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    rank = int((values > threshold(values, matrix.shape, 0.0)).sum())
    nearest: torch.Tensor = left[:, :rank] @ right[:rank]
    return nearest
