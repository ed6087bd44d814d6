"""Merges that look at task matrices' singular vectors: TSV-Merge and Iso-C. Both take matrices only.

Sources: Gargiulo et al., "Task Singular Vectors: Reducing Task Interference in Model Merging" (CVPR 2025), section 4;
Marczak et al., "No Task Left Behind: Isotropic Model Merging with Common and Task-Specific Subspaces" (ICML 2025),
section 4.1. Tensors that are not matrices are averaged by the first, and by the second too.
"""

import torch


def task_singular_vectors(tasks: torch.Tensor) -> torch.Tensor:
    """Return the merged matrix of TSV-Merge: each task's largest singular vectors, made orthogonal to one another.

    Of each of M tasks the first rank/M singular triplets stay; left and right vectors of all tasks, side by side, are
    replaced with the nearest orthogonal ones (Procrustes), and the product is taken with all kept singular values.

    Args:
        tasks: (M, rows, columns).
    """
    count, rank = len(tasks), max(1, min(tasks.shape[1:]) // len(tasks))
    left, values, right = torch.linalg.svd(tasks, full_matrices=False)
    kept_left = left[:, :, :rank].permute(1, 0, 2).reshape(tasks.shape[1], count * rank)
    kept_right = right[:, :rank, :].reshape(count * rank, tasks.shape[2])
    merged: torch.Tensor = _nearest_orthogonal(kept_left) @ (
        values[:, :rank].reshape(-1, 1) * _nearest_orthogonal(kept_right)
    )
    return merged


def isotropic(tasks: torch.Tensor) -> torch.Tensor:
    """Return the merged matrix of Iso-C: the sum of the task matrices with all singular values set to their mean.

    Args:
        tasks: (M, rows, columns).
    """
    left, values, right = torch.linalg.svd(tasks.sum(0), full_matrices=False)
    merged: torch.Tensor = values.mean() * (left @ right)
    return merged


def _nearest_orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Return U Vᵀ of a matrix U Σ Vᵀ."""
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    nearest: torch.Tensor = left @ right
    return nearest
