"""Linear merges of models that are read tensor by tensor, such as averages and task arithmetic."""

from collections.abc import Iterator, Sequence

import torch

from tasks.errors import ModelMismatch
from tasks.merging.combination import State, check_same_layout, weighted_sum
from tasks.merging.finite import find_the_cause
from tasks.merging.views import outline, view


def weighted_sums(
    states: Sequence[State], coefficients: Sequence[float], like: State | None = None
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors of Σ_m c_m θ_m by name, with exactly the numbers of `combine`.

    One tensor of each model is in memory at a time. Integer tensors are the first state's.

    Args:
        states: M states of one layout.
        coefficients: M finite numbers, of any sum. A model of coefficient 0 is not read.
        like: a state whose order of names the result has; None: the first state's.

    Raises:
        ModelMismatch: the states differ, or are not as many as coefficients.
        CheckpointError: a file holds NaN or infinities.

    Example:
        >>> base, tuned = {"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 2.0])}
        >>> dict(weighted_sums([base, tuned], [0.5, 0.5]))
        {'w': tensor([2., 2.])}
    """
    if not states or len(states) != len(coefficients):
        raise ModelMismatch(f"merge: wanted one coefficient a state, got {len(coefficients)} for {len(states)}")
    order = outline(states[0] if like is None else like)
    check_same_layout([order, *map(outline, states)])
    terms = [(float(c), state) for c, state in zip(coefficients, states, strict=True) if c != 0]
    for name, form in order.items():
        if not form.is_floating_point():
            yield name, states[0][name]
            continue
        merged = torch.empty(form.shape, dtype=form.dtype)
        weighted_sum(merged, [(c, view(state, name)) for c, state in terms])
        find_the_cause(merged, [state for _, state in terms], name)
        yield name, merged
