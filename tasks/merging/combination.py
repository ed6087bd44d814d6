"""Linear combinations of models, θ = Σ_m c_m θ_m, tensor by tensor."""

from collections.abc import Mapping, Sequence

import torch

from tasks.errors import ModelMismatch
from tasks.merging.state_differences import differences
from tasks.merging.views import pieces

State = Mapping[str, torch.Tensor]
"""Tensor name to tensor, as `state_dict()` returns it."""


def combine(
    states: Sequence[State], coefficients: Sequence[float], out: dict[str, torch.Tensor] | None = None
) -> dict[str, torch.Tensor]:
    """Return the merged state Σ_m c_m θ_m (Oh et al., arXiv 2410.03782, section 3, for interpolation).

    A model of coefficient 0 is not read, so that one coefficient of 1 beside zeros gives that model's tensors exactly.
    Integer tensors (counters, such as BatchNorm's number of batches) have no meaningful sum and are the first state's.

    Args:
        states: M states with the same names, shapes and dtypes.
        coefficients: M finite numbers, of any sum.
        out: a state of the same names, shapes and dtypes, not among `states`, which takes the result without any
            allocation; None: new tensors.

    Returns:
        The merged state, which is `out` if given.

    Raises:
        ModelMismatch: the states differ (the message names the first differences), or are not as many as coefficients.
        ValueError: a coefficient is not finite.

    Example:
        >>> states = [{"weight": torch.tensor([1.0, 2.0])}, {"weight": torch.tensor([3.0, 2.0])}]
        >>> combine(states, [0.25, 0.75])
        {'weight': tensor([2.5000, 2.0000])}
    """
    if not states or len(states) != len(coefficients):
        raise ModelMismatch(f"combine: wanted one coefficient a state, got {len(coefficients)} for {len(states)}")
    if not all(torch.isfinite(torch.tensor(list(coefficients), dtype=torch.float64))):
        raise ValueError(f"coefficients: wanted finite numbers, got {list(coefficients)}")
    check_same_layout(states)
    if out is None:
        out = {name: torch.empty_like(tensor) for name, tensor in states[0].items()}
    else:
        check_same_layout([states[0], out])
    terms = [(float(c), state) for c, state in zip(coefficients, states, strict=True) if c != 0]
    for name, target in out.items():
        if target.is_floating_point():
            weighted_sum(target, [(c, state[name]) for c, state in terms])
        else:
            target.copy_(states[0][name])
    return out


def check_same_layout(states: Sequence[State], names: Sequence[str] | None = None) -> None:
    """Check that all states have the tensor names, shapes and dtypes of the first.

    Args:
        states: any number of states.
        names: the states' names in the message; None: `state 0`, `state 1`, …

    Raises:
        ModelMismatch: a state differs; the message names it and the first differences.
    """
    labels = list(names) if names else [f"state {i}" for i in range(len(states))]
    layouts = [{name: (tuple(t.shape), str(t.dtype)) for name, t in state.items()} for state in states]
    for label, layout in zip(labels[1:], layouts[1:], strict=True):
        if faults := differences(layouts[0], layout):
            raise ModelMismatch(f"{label} does not fit {labels[0]}: {'; '.join(faults)}")


@torch.no_grad()
def weighted_sum(target: torch.Tensor, terms: Sequence[tuple[float, torch.Tensor]]) -> None:
    """Write Σ_m c_m θ_m into a tensor, and allocate nothing; zeros without terms.

    On a processor a piece of the sum stays in the cache until all terms are in it, so that the memory is read once for
    each term and written once. The order of the terms is that of the sum for every number.

    Args:
        target: takes the sum; not among the terms.
        terms: coefficients c_m and tensors θ_m of the shape and dtype of the target.
    """
    if not terms:
        target.zero_()
    elif target.device.type != "cpu" or not all(t.is_contiguous() for t in (target, *(tensor for _, tensor in terms))):
        _add_up(target, terms)
    else:
        flat, flats = target.view(-1), [(c, tensor.view(-1)) for c, tensor in terms]
        for piece in pieces(len(flat)):
            _add_up(flat[piece], [(c, tensor[piece]) for c, tensor in flats])


def _add_up(target: torch.Tensor, terms: Sequence[tuple[float, torch.Tensor]]) -> None:
    first, *rest = terms
    torch.mul(first[1], first[0], out=target)
    for coefficient, tensor in rest:
        target.add_(tensor, alpha=coefficient)
