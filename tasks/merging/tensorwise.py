"""Models merged tensor by tensor: a rule turns one tensor of all task vectors into the merged task vector.

One tensor of each model is in memory at a time, whatever the models' size.
"""

from collections.abc import Callable, Iterator, Sequence
from math import hypot

import torch

from tasks.errors import ModelMismatch
from tasks.merging.combination import State, check_same_layout
from tasks.merging.finite import find_the_cause
from tasks.merging.numerical_rank import rounding
from tasks.merging.views import outline, view

Rule = Callable[[torch.Tensor, Sequence[float]], torch.Tensor]
"""From one tensor of each of M task vectors (M, …) to the merged task vector (…).

The second argument holds M root mean squares of rounding errors, where the rule is for matrices; else nothing.
"""


def merged_tensors(
    rule: Rule, base: State, tuned: Sequence[State], *, of_matrices: bool = False, device: str = "cpu"
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors of θ_0 + rule(τ_1 … τ_M) by name, in the base's order, on the CPU.

    Args:
        rule: merges one tensor of all task vectors τ_t = θ_t − θ_0.
        base: θ_0; a mapping that reads a tensor when it is asked for keeps memory low.
        tuned: θ_1 … θ_M, of the same layout.
        of_matrices: whether the rule is for matrices alone; other tensors of the task vectors are averaged.
        device: where the arithmetic is done.

    Raises:
        ModelMismatch: no tuned models, or another layout.
        CheckpointError: a file holds NaN or infinities.

    Example:
        >>> base, tuned = {"w": torch.zeros(2)}, [{"w": torch.ones(2)}, {"w": torch.full((2,), 3.0)}]
        >>> dict(merged_tensors(lambda tasks, _: tasks.mean(0), base, tuned))
        {'w': tensor([2., 2.])}
    """
    if not tuned:
        raise ModelMismatch("merge: wanted at least one tuned model, got none")
    check_same_layout([outline(base), *map(outline, tuned)])
    for name, like in outline(base).items():
        if not like.is_floating_point():
            yield name, base[name]
            continue
        own = view(base, name).to(device)
        has_rank = of_matrices and own.ndim == 2
        stacked, noises = own.new_empty((len(tuned), *own.shape)), []
        of_own = rounding(own) if has_rank else 0.0
        for place, state in enumerate(tuned):
            tensor = view(state, name).to(device)
            torch.sub(tensor, own, out=stacked[place])
            noises += [hypot(of_own, rounding(tensor))] if has_rank else []
        find_the_cause(stacked, [base, *tuned], name)
        merged = stacked.mean(0) if of_matrices and not has_rank else rule(stacked, noises)
        yield name, (own + merged).to("cpu", like.dtype)
