"""A weight of many merged models at once: θ_i = θ_0 + Σ_t c_it Δ_t for every sample i, never formed.

It stands in a module's place for a parameter. What only rearranges it (a view, a slice, another dtype) is done to
θ_0 and to every Δ_t and gives another such tensor; what uses it is done by a rule of `rules`, since every
layer is linear in its weights.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import frexp, ldexp
from typing import Any

import torch

from tasks.errors import UncoveredLayer
from tasks.merging.sample_axes import SampleAxes

Rule = Callable[..., Any]
_NOTHING = float("nan")


class Pass:
    """What all merged tensors of a model share: the coefficients of the samples at hand, and where samples lie."""

    def __init__(self, rules: Mapping[Any, Rule]) -> None:
        self.rules = rules
        self.axes = SampleAxes()
        self.coefficients: tuple[torch.Tensor, ...] = ()
        """Per difference, (n,): c_it. Empty in the dry run."""
        self.matrices: set[str] = set()
        """Names of the weights that are factors of a matrix product or a convolution."""


class MergedTensor(torch.Tensor):
    """One tensor of every sample's merged model; has the shape, dtype and device of each of them.

    Attributes:
        base: θ_0.
        differences: Δ_t / scale_t, (M − 1) tensors of the same shape.
        scales: powers of two, so that differences keep their bits in a dtype of small range.
        origin: the parameter that it is, or is made from.
        shared: the pass at hand.
    """

    base: torch.Tensor
    differences: tuple[torch.Tensor, ...]
    scales: tuple[float, ...]
    origin: str
    shared: Pass

    @staticmethod
    def make(
        base: torch.Tensor, differences: Sequence[torch.Tensor], scales: Sequence[float], origin: str, shared: Pass
    ) -> "MergedTensor":
        """Return a merged tensor of its parts."""
        # what it holds itself is one NaN: code that gets around `__torch_function__` gives NaN, and not what θ_0 gives
        own = torch.full((), _NOTHING, dtype=base.dtype, device=base.device).expand(base.shape)
        made: MergedTensor = torch.Tensor._make_subclass(MergedTensor, own)
        made.base, made.differences, made.scales = base, tuple(differences), tuple(scales)
        made.origin, made.shared = origin, shared
        return made

    def map(self, function: Callable[[torch.Tensor], torch.Tensor]) -> "MergedTensor":
        """Return the merged tensor of `function` of each part; it has to be linear."""
        parts = [function(part) for part in self.differences]
        return MergedTensor.make(function(self.base), parts, self.scales, self.origin, self.shared)

    def terms(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, float]]:
        """Yield for each difference the samples' coefficients (n,), the difference, its scale; a constant has none."""
        return zip(self.shared.coefficients, self.differences, self.scales, strict=False)

    def in_dtype(self, dtype: torch.dtype) -> "MergedTensor":
        """Return the same in another dtype; differences too small for it keep their bits by a scale."""
        if dtype == self.base.dtype:
            return self
        scaled = [_scaled(part, scale, dtype) for part, scale in zip(self.differences, self.scales, strict=True)]
        parts, scales = [part for part, _ in scaled], [scale for _, scale in scaled]
        return MergedTensor.make(self.base.to(dtype), parts, scales, self.origin, self.shared)

    def per_sample(self, axis: int, ndim: int) -> torch.Tensor:
        """Return every sample's own values, laid out to meet an activation of `ndim` axes, samples along `axis`.

        For what is small: scales, shifts, biases, embeddings. Computed in float32 at least.
        """
        if self.shared.axes.is_recording:
            return self.base
        wide = torch.promote_types(self.base.dtype, torch.float32)
        lead, broadcast = (1,) * (ndim - self.base.ndim), [1] * ndim
        broadcast[axis] = -1
        result = self.base.to(wide).reshape(lead + self.base.shape)
        for c, part, scale in self.terms():
            values = part.to(wide).reshape(lead + part.shape)
            result = torch.addcmul(result, values, c.to(wide).view(broadcast), value=scale)
        return result.to(self.base.dtype)

    def uncovered(self, use: str) -> UncoveredLayer:
        """Return the error that a use of this tensor is not covered."""
        return UncoveredLayer(
            f"per-sample merging: {self.origin}: no rule for {use}; use granularity: [bins], which merges whole models"
        )

    def __repr__(self) -> str:  # type: ignore[override]  # torch takes arguments of its own
        """Say what it is; the values exist per sample only."""
        return f"MergedTensor({self.origin}, {tuple(self.base.shape)}, {1 + len(self.differences)} models)"

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Rearrange, describe, or hand over to the rule; what there is no rule for is an error."""
        kwargs = kwargs or {}
        first = next(_merged([*args, *kwargs.values()]))
        if args and args[0] is first:
            if func in _REARRANGING:
                return _rearrange(func, first, args[1:], kwargs)
            if func in _DESCRIBING:
                return func(first.base, *args[1:], **kwargs)
        if rule := first.shared.rules.get(func):  # a merged tensor that it passes on comes back here
            return rule(func, first, *args, **kwargs)
        raise first.uncovered(_name(func))


def _name(func: Any) -> str:
    name = str(getattr(func, "__name__", func))
    return f"attribute {func.__self__.__name__}" if name == "__get__" else name


def _merged(values: Sequence[Any]) -> Any:
    for value in values:
        if isinstance(value, MergedTensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _merged(value)


def _rearrange(func: Any, tensor: MergedTensor, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    results = [func(part, *args, **kwargs) for part in (tensor.base, *tensor.differences)]
    if not isinstance(results[0], tuple | list):
        return MergedTensor.make(results[0], results[1:], tensor.scales, tensor.origin, tensor.shared)
    return tuple(
        MergedTensor.make(parts[0], parts[1:], tensor.scales, tensor.origin, tensor.shared)
        for parts in zip(*results, strict=True)
    )


def _scaled(part: torch.Tensor, scale: float, dtype: torch.dtype) -> tuple[torch.Tensor, float]:
    """Return `part` in a dtype, brought near one by a power of two where the dtype's range is small."""
    if dtype != torch.float16 or part.is_meta or not (largest := float(part.abs().max())):
        return part.to(dtype), scale
    exponent = frexp(largest)[1]
    return (part * ldexp(1.0, -exponent)).to(dtype), ldexp(scale, exponent)


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
        _T.T.__get__, _T.mT.__get__, _T.H.__get__, _T.mH.__get__, _T.real.__get__, _T.data.__get__,  # type: ignore[attr-defined]  # getters, as torch hands them over
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
