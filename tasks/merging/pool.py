"""Merged models on demand, in a fixed number of preallocated places."""

import copy
from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from tasks.merging.combination import State, combine


class MergedModels:
    """Gives the merged model of a coefficient vector; keeps the last few, so that each is merged once.

    Args:
        module: a model of the states' layout; `capacity` copies of it are made now, none later.
        states: the M models to merge.
        capacity: how many merged models are held at a time.

    Attributes:
        merges: how many merges were made.
    """

    def __init__(self, module: nn.Module, states: Sequence[State], capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity: wanted at least 1, got {capacity}")
        self._states = states
        self._free = [copy.deepcopy(module).eval().requires_grad_(False) for _ in range(capacity)]
        self._held: OrderedDict[tuple[float, ...], nn.Module] = OrderedDict()
        self.merges = 0

    def get(self, coefficients: tuple[float, ...]) -> nn.Module:
        """Return the model Σ_m c_m θ_m. It is valid until `capacity` other ones have been asked for."""
        if coefficients in self._held:
            self._held.move_to_end(coefficients)
            return self._held[coefficients]
        module = self._free.pop() if self._free else self._held.popitem(last=False)[1]
        combine(self._states, coefficients, out=module.state_dict(keep_vars=False))
        self._held[coefficients] = module
        self.merges += 1
        return module
