"""TSV-Merge: each task's largest singular vectors, made orthogonal to one another."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasks.methods.by_tensor import TensorwiseMethod
from tasks.methods.method import Paper

if TYPE_CHECKING:
    import torch

    from tasks.merging.tensorwise import Rule
    from tasks.methods.making import State


class TsvMerge(TensorwiseMethod):
    """Matrices by `task_singular_vectors`, other tensors averaged: `tsv-merge/<scale>`."""

    name = "tsv-merge"
    title = "TSV-Merge"
    summary = "Each task matrix keeps its largest singular vectors, which are made orthogonal across tasks."
    paper = Paper(
        "Task Singular Vectors: Reducing Task Interference in Model Merging",
        "CVPR",
        2025,
        "https://arxiv.org/abs/2412.00081",
    )
    scales = ("1.00",)
    of_matrices = True

    def rule(self, base: "State", tuned: "Sequence[State]", options: Any) -> "Rule":
        """Return the rule for matrices."""
        return task_singular_vectors


def task_singular_vectors(tasks: "torch.Tensor", noises: Sequence[float] = ()) -> "torch.Tensor":
    """Return the merged matrix of TSV-Merge (section 4 of the paper), computed in float64, task by task.

    Of each of M tasks the first rank/M singular triplets stay, as far as they lie above the numerical rank
    (`tasks.merging.numerical_rank`). The left vectors of all tasks, side by side, are replaced by the nearest
    orthogonal ones (Procrustes), the right vectors too, and their product is taken with all kept singular values.
    Vectors that depend linearly on one another, of tasks that share directions, are replaced by the nearest orthogonal
    ones of the subspace that they span together.

    Args:
        tasks: (M, rows, columns), one matrix of each task vector.
        noises: M, the root mean square of each task matrix's rounding errors; empty: the differences are exact.

    Returns:
        (rows, columns), the merged task matrix.
    """
    import torch

    from tasks.merging.numerical_rank import nearest_orthogonal, threshold

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
    merged = nearest_orthogonal(torch.cat(lefts, 1)) @ (values[:, None] * nearest_orthogonal(torch.cat(rights, 0)))
    return merged.to(tasks.dtype)


METHOD = TsvMerge()
