"""Merged models on demand, in a fixed number of preallocated places."""

import copy
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

from tasks.merging.combination import State, check_same_layout


class FlatWeights:
    """The numbers of M models of one layout, each model's in one vector: a merge is then M operations, not M a tensor.

    Args:
        states: the M models; their tensors are copied, so that the states can go.

    Raises:
        ModelMismatch: the states differ in names, shapes or dtypes.
    """

    def __init__(self, states: Sequence[State]) -> None:
        check_same_layout(states)
        self.names = [name for name, tensor in states[0].items() if tensor.is_floating_point()]
        self.vectors = [torch.cat([state[name].reshape(-1) for name in self.names]) for state in states]

    def empty_model(self, module: nn.Module) -> tuple[nn.Module, torch.Tensor]:
        """Return a copy of a module whose floating-point tensors are pieces of one vector, and that vector.

        Its other tensors (counters, such as BatchNorm's number of batches) stay the module's: they have no
        meaningful sum.
        """
        made = copy.deepcopy(module).eval().requires_grad_(False)
        vector = torch.empty_like(self.vectors[0])
        place, pieces = 0, {}
        for name in self.names:
            tensor = made.state_dict()[name]
            pieces[name] = vector[place : place + tensor.numel()].view(tensor.shape)
            place += tensor.numel()
        made.load_state_dict(pieces, assign=True, strict=False)
        return made.requires_grad_(False), vector

    @torch.no_grad()
    def merge(self, coefficients: Sequence[float], out: torch.Tensor) -> None:
        """Write Σ_m c_m θ_m; a model of coefficient 0 is not read, as in `combine`, whose sums these are to the bit."""
        terms = [(c, vector) for c, vector in zip(coefficients, self.vectors, strict=True) if c != 0]
        if not terms:
            out.zero_()
            return
        torch.mul(terms[0][1], terms[0][0], out=out)
        for coefficient, vector in terms[1:]:
            out.add_(vector, alpha=coefficient)


class MergedModels:
    """Gives the merged model of a coefficient vector; keeps the last few, so that each is merged once.

    Args:
        module: a model of the weights' layout; `capacity` copies of it are made now, none later.
        weights: of the M models to merge.
        capacity: how many merged models are held at a time.

    Attributes:
        merges: how many merges were made.
    """

    def __init__(self, module: nn.Module, weights: FlatWeights, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity: wanted at least 1, got {capacity}")
        self._weights = weights
        self._free = [weights.empty_model(module) for _ in range(capacity)]
        self._held: OrderedDict[tuple[float, ...], tuple[nn.Module, torch.Tensor]] = OrderedDict()
        self.merges = 0

    def get(self, coefficients: tuple[float, ...]) -> nn.Module:
        """Return the model Σ_m c_m θ_m. It is valid until `capacity` other ones have been asked for."""
        if coefficients in self._held:
            self._held.move_to_end(coefficients)
            return self._held[coefficients][0]
        model, vector = self._free.pop() if self._free else self._held.popitem(last=False)[1]
        self._weights.merge(coefficients, vector)
        self._held[coefficients] = model, vector
        self.merges += 1
        return model
