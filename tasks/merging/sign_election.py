"""Trimmed task vectors and elected signs, as TIES and AdaMerging++ use them (Yadav et al., NeurIPS 2023, section 3)."""

from collections.abc import Iterator, Sequence

import torch

from tasks.errors import ModelMismatch
from tasks.merging.combination import State, check_same_layout
from tasks.merging.trim_threshold import trim_thresholds
from tasks.merging.views import PIECE, outline, pieces, view

_VECTOR = 64  # numbers; the registers of today's processors hold fewer


def merged_by_signs(
    base: State, tuned: Sequence[State], keep: float, *, mean: bool
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors of θ_0 plus the merged task vector of TIES by name, in the base's order, on the CPU.

    One tensor of each model is in memory at a time, and each model is read three times: twice for its threshold.

    Args:
        base: θ_0.
        tuned: θ_1 … θ_M, of the same layout.
        keep: fraction of each task vector's numbers that trimming keeps.
        mean: whether the numbers that agree with the elected sign become their mean; else their sum.

    Raises:
        ModelMismatch: no tuned models, or another layout.
        ValueError: `keep` is out of range.
        CheckpointError: a file holds NaN or infinities.
    """
    if not tuned:
        raise ModelMismatch("merge: wanted at least one tuned model, got none")
    check_same_layout([outline(base), *map(outline, tuned)])
    thresholds = trim_thresholds(base, tuned, keep)
    for name, like in outline(base).items():
        if like.is_floating_point():
            own, others = view(base, name).cpu(), [view(state, name).cpu() for state in tuned]
            yield name, _merged_tensor(own, others, thresholds, mean=mean)
        else:
            yield name, base[name]


def _merged_tensor(
    base: torch.Tensor, tuned: Sequence[torch.Tensor], thresholds: Sequence[float], *, mean: bool
) -> torch.Tensor:
    own, others = base.reshape(-1), [tensor.reshape(-1) for tensor in tuned]
    merged = torch.empty_like(own, memory_format=torch.contiguous_format)
    # whole vectors of the processor, so that pieces of any length add the same numbers in the same order
    length = max(PIECE // len(others) // _VECTOR * _VECTOR, _VECTOR)
    room = own.new_empty((len(others), min(length, len(own))))
    for piece in pieces(len(own), length):
        tasks = room[:, : piece.stop - piece.start]
        for task, other in zip(tasks, others, strict=True):
            torch.sub(other[piece], own[piece], out=task)
        torch.add(own[piece], agreeing_(tasks, thresholds, mean=mean), out=merged[piece])
    return merged.view(base.shape)


def agreeing_(tasks: torch.Tensor, thresholds: Sequence[float], *, mean: bool) -> torch.Tensor:
    """Return the merged task vector of a piece of all task vectors, which is overwritten.

    Args:
        tasks: (M, …), a piece of each task vector.
        thresholds: M, of `trim_thresholds`.
        mean: whether to return for each number the mean over the tasks that kept it; else their sum. It is 0 where no
            task did.

    Example:
        >>> agreeing_(torch.tensor([[4.0, -3.0, 1.0], [2.0, -1.0, -5.0]]), [2.0, 2.0], mean=True)
        tensor([ 3., -3., -5.])
    """
    signs = _elected(_trim(tasks, thresholds))
    tasks.mul_(signs).clamp_(min=0)  # the magnitudes of the numbers that agree
    merged = tasks.sum(0).mul_(signs)
    return merged.div_(tasks.sign_().sum(0).clamp_(min=1)) if mean else merged


def elect(tasks: torch.Tensor, thresholds: Sequence[float]) -> torch.Tensor:
    """Return trimmed task vectors (M, …) without the numbers that go against the elected sign, sgn Σ_t τ_t.

    No sign is elected where trimmed vectors cancel exactly, and no number is left there.

    Args:
        tasks: (M, …), one tensor of each task vector.
        thresholds: M, of `trim_thresholds`.
    """
    trimmed = _trim(tasks.clone(), thresholds)
    return torch.where(trimmed.sign() == _elected(trimmed), trimmed, torch.zeros_like(trimmed))


def _trim(tasks: torch.Tensor, thresholds: Sequence[float]) -> torch.Tensor:
    """Set the numbers of each task below its threshold to 0, in place."""
    limits = torch.tensor(list(thresholds), dtype=tasks.dtype)
    below = torch.nextafter(limits, torch.zeros_like(limits))  # numbers of the threshold's own magnitude stay
    for task, limit in zip(tasks, below.tolist(), strict=True):
        torch.ops.aten.hardshrink.out(task, limit, out=task)
    return tasks


def _elected(trimmed: torch.Tensor) -> torch.Tensor:
    signs: torch.Tensor = trimmed.sum(0).sign_()
    return signs
