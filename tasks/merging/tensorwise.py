"""Models merged tensor by tensor: a rule turns one tensor of all task vectors into the merged task vector.

One tensor of each model is in memory at a time, whatever the models' size.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import hypot

import torch

from tasks.errors import ModelMismatch
from tasks.merging.combination import State, check_same_layout
from tasks.merging.numerical_rank import rounding

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

    Example:
        >>> base, tuned = {"w": torch.zeros(2)}, [{"w": torch.ones(2)}, {"w": torch.full((2,), 3.0)}]
        >>> dict(merged_tensors(lambda tasks, _: tasks.mean(0), base, tuned))
        {'w': tensor([2., 2.])}
    """
    if not tuned:
        raise ModelMismatch("merge: wanted at least one tuned model, got none")
    check_same_layout([outline(base), *map(outline, tuned)])
    for name, like in outline(base).items():
        own = base[name]
        if not like.is_floating_point():
            yield name, own
            continue
        own = own.to(device)
        has_rank = of_matrices and own.ndim == 2
        tasks, noises = [], []
        for state in tuned:
            tensor = state[name].to(device)
            tasks.append(tensor - own)
            noises += [hypot(rounding(own), rounding(tensor))] if has_rank else []
        stacked = torch.stack(tasks)
        merged = stacked.mean(0) if of_matrices and not has_rank else rule(stacked, noises)
        yield name, (own + merged).to("cpu", like.dtype)


def outline(state: State) -> Mapping[str, torch.Tensor]:
    """Return a state's tensors by name, on the meta device where reading their numbers would cost something."""
    without_numbers = getattr(state, "outline", None)
    return without_numbers() if without_numbers else state
