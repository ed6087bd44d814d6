"""Merges that are no linear combination of models, by name: from a base and tuned models to one model, at scale 1.

Tensors come and go one at a time, so that merging M models takes the memory of one tensor of each, whatever the models'
size. A model at another scale s is then (1 − s) θ_0 + s θ.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import hypot

import torch

from tasks.errors import ModelMismatch
from tasks.merging.combination import State, check_same_layout
from tasks.merging.model_stock import model_stock
from tasks.merging.singular import isotropic, rounding, task_singular_vectors
from tasks.merging.ties import outline, ties, trim_threshold

Rule = Callable[[torch.Tensor, Sequence[float]], torch.Tensor]
"""From one tensor of each task vector (M, …), and of a matrix each one's rounding errors, to the merged task vector."""


def _ties_rule(base: State, tuned: Sequence[State], keep: float) -> Rule:
    thresholds = [trim_threshold(base, state, keep) for state in tuned]
    return lambda tasks, _: ties(tasks, thresholds)


def _of_matrices(rule: Rule) -> Rule:
    return lambda tasks, noises: rule(tasks, noises) if tasks.ndim == 3 else tasks.mean(0)


MERGES: Mapping[str, Callable[[State, Sequence[State], float], Rule]] = {
    "weight-average": lambda _base, _tuned, _keep: lambda tasks, _: tasks.sum(0) / (len(tasks) + 1),
    "ties": _ties_rule,
    "tsv-merge": lambda _base, _tuned, _keep: _of_matrices(task_singular_vectors),
    "iso-c": lambda _base, _tuned, _keep: _of_matrices(isotropic),
    "model-stock": lambda _base, _tuned, _keep: lambda tasks, _: model_stock(tasks),
}
_OF_NUMERICAL_RANK = ("tsv-merge", "iso-c")


def merged_tensors(
    method: str, base: State, tuned: Sequence[State], *, keep: float = 0.2, device: str = "cpu"
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the merged model tensor by tensor, in the base's order, on the CPU.

    Args:
        method: one of `MERGES`.
        base: θ_0; a mapping that reads a tensor when it is asked for keeps memory low.
        tuned: M models of the same layout.
        keep: share of each task vector's numbers that TIES keeps.
        device: where the arithmetic is done.

    Raises:
        ModelMismatch: no such method, no tuned models, or another layout.
    """
    if method not in MERGES:
        raise ModelMismatch(f"no merge {method!r}; there are {', '.join(MERGES)}")
    if not tuned:
        raise ModelMismatch(f"{method}: wanted at least one tuned model, got none")
    check_same_layout([outline(base), *map(outline, tuned)])
    rule = MERGES[method](base, tuned, keep)
    for name, like in outline(base).items():
        own = base[name]
        if not like.is_floating_point():
            yield name, own
            continue
        own = own.to(device)
        has_rank = method in _OF_NUMERICAL_RANK and own.ndim == 2
        tasks, noises = [], []
        for state in tuned:
            tensor = state[name].to(device)
            tasks.append(tensor - own)
            noises += [hypot(rounding(own), rounding(tensor))] if has_rank else []
        yield name, (own + rule(torch.stack(tasks), noises)).to("cpu", like.dtype)


def merge_states(method: str, base: State, tuned: Sequence[State], *, keep: float = 0.2) -> dict[str, torch.Tensor]:
    """Return the merged model's state; see `merged_tensors`."""
    return dict(merged_tensors(method, base, tuned, keep=keep))
