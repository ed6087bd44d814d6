"""Iso-C: the sum of task matrices with all singular values set to their mean."""

from collections.abc import Sequence
from math import hypot
from typing import TYPE_CHECKING, Any

from tasks.methods.by_tensor import TensorwiseMethod
from tasks.methods.method import Paper

if TYPE_CHECKING:
    import torch

    from tasks.merging.tensorwise import Rule
    from tasks.methods.making import State


class IsoC(TensorwiseMethod):
    """Matrices by `isotropic`, other tensors averaged: `iso-c/<scale>`."""

    name = "iso-c"
    title = "Iso-C"
    summary = "The sum of the task matrices, with all singular values set to their mean."
    paper = Paper(
        "No Task Left Behind: Isotropic Model Merging with Common and Task-Specific Subspaces",
        "ICML",
        2025,
        "https://arxiv.org/abs/2502.04959",
    )
    scales = ("1.00",)
    of_matrices = True

    def rule(self, base: "State", tuned: "Sequence[State]", options: Any) -> "Rule":
        """Return the rule for matrices."""
        return isotropic


def isotropic(tasks: "torch.Tensor", noises: Sequence[float] = ()) -> "torch.Tensor":
    """Return the merged matrix of Iso-C (section 4.1 of the paper), computed in float64.

    The mean and the directions are those of the singular values above the numerical rank
    (`tasks.merging.numerical_rank`), so the sum of the singular values is preserved.

    Args:
        tasks: (M, rows, columns), one matrix of each task vector.
        noises: M, the root mean square of each task matrix's rounding errors; empty: the differences are exact.

    Returns:
        (rows, columns), the merged task matrix.
    """
    import torch

    from tasks.merging.numerical_rank import threshold

    left, values, right = torch.linalg.svd(tasks.sum(0, dtype=torch.float64), full_matrices=False)
    rank = int((values > threshold(values, tasks.shape, hypot(*noises))).sum())
    if not rank:
        return torch.zeros_like(tasks[0])
    merged: torch.Tensor = values[:rank].mean() * (left[:, :rank] @ right[:rank])
    return merged.to(tasks.dtype)


METHOD = IsoC()
