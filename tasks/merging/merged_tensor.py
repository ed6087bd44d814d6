"""A weight of many merged models at once, θ_i = θ_0 + Σ_t c_it Δ_t for every sample i, held by its parts.

A merged tensor takes the place of a module's parameter. A function that only rearranges it (a view, a slice, a cast)
acts on θ_0 and on every Δ_t, and returns another merged tensor. A function that uses it with activations follows a rule
of `tasks.merging.rules`, which is possible because every layer is linear in its weights.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import frexp, ldexp
from typing import Any

import torch

from tasks.errors import UncoveredLayer
from tasks.merging.sample_axes import SampleAxes

Rule = Callable[..., Any]
_NOTHING = float("nan")
_TRACED = torch.full((), _NOTHING)  # stands for any tensor while `torch.export` records the functions of its parts


class Pass:
    """The state that all merged tensors of a model share during a forward pass.

    Args:
        rules: function of torch to the rule that covers it.

    Attributes:
        rules: the same mapping.
        axes: the sample axis of each activation.
        coefficients: for each difference t, the samples' coefficients c_it, (n,); empty in the dry run.
        matrices: names of the weights that are factors of a matrix product or a convolution.
    """

    def __init__(self, rules: Mapping[Any, Rule]) -> None:
        self.rules = rules
        self.axes = SampleAxes()
        self.coefficients: tuple[torch.Tensor, ...] = ()
        self.matrices: set[str] = set()


class MergedTensor(torch.Tensor):
    """One tensor of every sample's merged model, with the shape, dtype and device of a single one.

    Attributes:
        base: θ_0.
        differences: M − 1 tensors Δ_t / factor_t, of the shape of the base.
        factors: M − 1 powers of two, which let differences keep their bits in a dtype of small range.
        origin: name of the parameter that the tensor is, or is made from.
        shared: the state of the forward pass.
    """

    base: torch.Tensor
    differences: tuple[torch.Tensor, ...]
    factors: tuple[float, ...]
    origin: str
    shared: Pass

    @staticmethod
    def make(
        base: torch.Tensor, differences: Sequence[torch.Tensor], factors: Sequence[float], origin: str, shared: Pass
    ) -> "MergedTensor":
        """Return the merged tensor of a base, differences and their factors; see the attributes."""
        # the tensor's own memory is one NaN: code that bypasses `__torch_function__` yields NaN, not the base's outputs
        own = _TRACED
        if not torch.compiler.is_exporting():
            own = torch.full((), _NOTHING, dtype=base.dtype, device=base.device).expand(base.shape)
        made: MergedTensor = torch.Tensor._make_subclass(MergedTensor, own)
        made.base, made.differences, made.factors = base, tuple(differences), tuple(factors)
        made.origin, made.shared = origin, shared
        return made

    def map(self, function: Callable[[torch.Tensor], torch.Tensor]) -> "MergedTensor":
        """Return the merged tensor with a linear function applied to each part."""
        parts = [function(part) for part in self.differences]
        return MergedTensor.make(function(self.base), parts, self.factors, self.origin, self.shared)

    def terms(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, float]]:
        """Return the coefficients (n,), the tensor and the factor of each difference; a constant has no differences."""
        return zip(self.shared.coefficients, self.differences, self.factors, strict=False)

    def in_dtype(self, dtype: torch.dtype) -> "MergedTensor":
        """Return the merged tensor in another dtype, with differences scaled into the range of float16."""
        if dtype == self.base.dtype:
            return self
        scaled = [_scaled(part, factor, dtype) for part, factor in zip(self.differences, self.factors, strict=True)]
        parts, factors = [part for part, _ in scaled], [factor for _, factor in scaled]
        return MergedTensor.make(self.base.to(dtype), parts, factors, self.origin, self.shared)

    def per_sample(self, axis: int, ndim: int) -> torch.Tensor:
        """Return the values of every sample, to broadcast against an activation.

        The result has n times the size of the tensor, so this is for small ones: biases, weights of norms, embeddings.

        Args:
            axis: the sample axis of the activation.
            ndim: the number of axes of the activation.

        Returns:
            A tensor of `ndim` axes in the dtype of the base, computed in float32 at least.
        """
        if self.shared.axes.is_recording:
            return self.base
        wide = torch.promote_types(self.base.dtype, torch.float32)
        lead, broadcast = (1,) * (ndim - self.base.ndim), [1] * ndim
        broadcast[axis] = -1
        result = _in_dtype(self.base, wide).reshape(lead + self.base.shape)
        for c, part, factor in self.terms():
            values = _in_dtype(part, wide).reshape(lead + part.shape)
            result = torch.addcmul(result, values, _in_dtype(c, wide).view(broadcast), value=factor)
        return _in_dtype(result, self.base.dtype)

    def uncovered(self, use: str) -> UncoveredLayer:
        """Return the error that no rule covers a use of this tensor."""
        return UncoveredLayer(
            f"per-sample merging: {self.origin}: no rule for {use}; use granularity: [bins], which merges whole models"
        )

    def __repr__(self) -> str:  # type: ignore[override]  # torch takes arguments of its own
        """Return the name, the shape and the number of models; values exist for single samples only."""
        return f"MergedTensor({self.origin}, {tuple(self.base.shape)}, {1 + len(self.differences)} models)"

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Rearrange or describe the tensor, or follow a rule; raise `UncoveredLayer` for any other function."""
        kwargs = kwargs or {}
        first = next(_merged([*args, *kwargs.values()]))
        if args and args[0] is first:
            if func in _REARRANGING:
                return _rearrange(func, first, args[1:], kwargs)
            if func in _DESCRIBING:
                return func(first.base, *args[1:], **kwargs)
        if rule := first.shared.rules.get(func):  # a rule that calls torch with a merged tensor comes back here
            return rule(func, first, *args, **kwargs)
        raise first.uncovered(_name(func))


def _name(func: Any) -> str:
    """Return a function's name, or `attribute` and a property's name."""
    name = str(getattr(func, "__name__", func))
    return f"attribute {func.__self__.__name__}" if name == "__get__" else name


def _merged(values: Sequence[Any]) -> Any:
    """Yield the merged tensors among arguments, which may be in lists."""
    for value in values:
        if isinstance(value, MergedTensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _merged(value)


def _rearrange(func: Any, tensor: MergedTensor, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return the merged tensor, or the tuple of them, that a function of one tensor gives."""
    results = [func(part, *args, **kwargs) for part in (tensor.base, *tensor.differences)]
    if not isinstance(results[0], tuple | list):
        return MergedTensor.make(results[0], results[1:], tensor.factors, tensor.origin, tensor.shared)
    return tuple(
        MergedTensor.make(parts[0], parts[1:], tensor.factors, tensor.origin, tensor.shared)
        for parts in zip(*results, strict=True)
    )


def _in_dtype(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return a tensor in a dtype; one that has it leaves no trace in a recorded graph, unlike a call of `to`."""
    return tensor if tensor.dtype == dtype else tensor.to(dtype)


def _scaled(part: torch.Tensor, factor: float, dtype: torch.dtype) -> tuple[torch.Tensor, float]:
    """Return a difference in a dtype and its factor; for float16, a power of two brings it into [½, 1)."""
    if dtype != torch.float16 or part.is_meta or not (largest := float(part.abs().max())):
        return part.to(dtype), factor
    exponent = frexp(largest)[1]
    return (part * ldexp(1.0, -exponent)).to(dtype), ldexp(factor, exponent)


_T = torch.Tensor
_REARRANGING = frozenset(
    {
        _T.view, _T.view_as, _T.reshape, _T.flatten, _T.unflatten, _T.squeeze, _T.unsqueeze, _T.expand, _T.expand_as,
        _T.permute, _T.transpose, _T.t, _T.movedim, _T.swapaxes, _T.contiguous, _T.clone, _T.detach, _T.repeat,
        _T.to, _T.type, _T.type_as, _T.float, _T.double, _T.half, _T.bfloat16, _T.cpu, _T.cuda,
        _T.chunk, _T.split, _T.unbind, _T.narrow, _T.select, _T.__getitem__, _T.flip,
        torch.reshape, torch.flatten, torch.squeeze, torch.unsqueeze, torch.permute, torch.transpose, torch.t,
        torch.chunk, torch.split, torch.unbind, torch.narrow, torch.select,
        torch.nn.functional.interpolate,
        _T.T.__get__, _T.mT.__get__, _T.H.__get__, _T.mH.__get__, _T.real.__get__, _T.data.__get__,  # type: ignore[attr-defined]  # getters, as torch passes them
    }
)  # fmt: skip
_DESCRIBING = frozenset(
    {
        _T.size, _T.dim, _T.numel, _T.nelement, _T.stride, _T.element_size, _T.is_floating_point, _T.is_complex,
        _T.is_contiguous, _T.get_device, _T.__len__, _T.ndimension, torch.numel, torch.is_floating_point,
        *(getattr(_T, name).__get__ for name in (
            "shape", "dtype", "device", "ndim", "layout", "requires_grad", "is_leaf", "grad", "grad_fn", "is_cuda",
            "is_cpu", "is_meta", "is_sparse", "is_quantized", "is_nested", "is_mkldnn", "itemsize", "nbytes",
        )),
    }
)  # fmt: skip
