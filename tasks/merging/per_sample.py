"""The exact merged model of every single sample, in one batched forward pass.

    θ_i = Σ_m c_im θ_m = θ_0 + Σ_{m ≥ 1} c_im (θ_m − θ_0),        since Σ_m c_im = 1

No weights per sample exist anywhere: the M models are held once, as θ_0 and M − 1 differences, and a layer costs M
plain ones. The mechanism is one for all layers: a module's parameters are replaced for the time of a pass by
`MergedTensor`s, and what the module's own code does with them goes by the rules of `rules`.
"""

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.func import functional_call

from tasks.errors import BatchError, ModelMismatch, UncoveredLayer
from tasks.merging.combination import State, check_same_layout
from tasks.merging.merged_tensor import MergedTensor, Pass
from tasks.merging.rules import RULES
from tasks.merging.sample_axes import PROBE, SampleAxes
from tasks.models.state_differences import differences

_SUM_TOLERANCE = 1e-5  # of a row's distance from one; float32 sums of a few large coefficients miss it by less


def merge_per_sample(model: nn.Module, states: Sequence[State], *, dtype: torch.dtype | None = None) -> "PerSample":
    """Return a module that gives each image what the model merged for it alone would give.

    Called as `module(images, coefficients)` with images (n, 3, h, w) and coefficients (n, M), rows summing to one,
    it returns what n separately combined models would, to rounding. The base's share is taken as one less the others.
    The module shares the base's tensors with its state; it has no parameters, and stays where the states are.

    Args:
        model: a tower, or tower and head, of the states' layout, in evaluation mode; it may lie on the meta device,
            and is not changed.
        states: of the M models, the base first. Tensors of integers are the base's; BatchNorm's statistics are
            combined like any other tensor, as `combine` does.
        dtype: of the matrices, for less memory and no casting under autocast; None: the states'. Differences are
            taken before rounding, so that small ones are not lost.

    Raises:
        ModelMismatch: the states differ from each other or from the model.
        UncoveredLayer: on the first call with images of a size, before anything is computed: a layer uses its
            weights in a way that there is no rule for.
    """
    if not states:
        raise ModelMismatch("per-sample merging: wanted at least one state, got none")
    check_same_layout(states)
    layout = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if faults := differences(layout, {name: tuple(tensor.shape) for name, tensor in states[0].items()}):
        raise ModelMismatch(f"the states do not fit the model: {'; '.join(faults)}")
    return PerSample(model, states, dtype)


class PerSample(nn.Module):
    """See `merge_per_sample`. Holds M models, nothing per sample; one pass at a time."""

    def __init__(self, model: nn.Module, states: Sequence[State], dtype: torch.dtype | None) -> None:
        super().__init__()
        self._shared = Pass(RULES)
        self._models = len(states)
        self._dtype = dtype
        self._module = [_hollow(model, states[0])]  # in a list: no submodule, with parameters of its own
        self._tensors: dict[str, torch.Tensor] = {}
        for name, base in states[0].items():
            base_ = base.detach()
            self._tensors[name] = (
                MergedTensor.make(
                    base_,
                    [_difference(state[name].detach(), base_, name) for state in states[1:]],
                    [1.0] * (len(states) - 1),
                    name,
                    self._shared,
                )
                if base.is_floating_point()
                else base_
            )
        self._checked: tuple[int, ...] | None = None

    @torch.no_grad()
    def forward(self, images: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
        """Return the merged models' outputs (n, …) of images (n, 3, h, w) with coefficients (n, M).

        Raises:
            BatchError: of another shape, not finite, or rows that do not sum to one.
        """
        if images.ndim != 4 or not images.is_floating_point():
            raise BatchError(f"images: wanted numbers (n, 3, h, w), got {images.dtype} {tuple(images.shape)}")
        _check(coefficients, len(images), self._models)
        self.checked_plan(tuple(images.shape[1:]), images.dtype)
        wide = torch.float64 if images.dtype == torch.float64 else torch.float32
        columns = coefficients.detach().to(images.device, wide).unbind(1)
        self._shared.coefficients = tuple(column.contiguous() for column in columns[1:])
        self._shared.axes.play_back(len(images))
        try:
            result: torch.Tensor = functional_call(self._module[0], self._tensors, (images,), tie_weights=False)
        finally:
            self._shared.coefficients = ()
        return result

    def checked_plan(self, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> None:
        """Learn, computing nothing, where samples lie for images of a shape (3, h, w), and that all layers are covered.

        The first call with such images does it, if nobody did before.

        Raises:
            UncoveredLayer: one is not; its weight is named.
        """
        if self._checked == shape:
            return
        self._checked = None
        self._shared.axes = SampleAxes()
        shapes = {
            name: t.map(lambda part: part.to("meta")) if isinstance(t, MergedTensor) else t.to("meta")
            for name, t in self._tensors.items()
        }
        hollow = copy.deepcopy(self._module[0]).to("meta")
        images = torch.empty(PROBE, *shape, dtype=dtype, device="meta")
        try:
            functional_call(hollow, shapes, (images,), tie_weights=False)
        except RuntimeError as error:
            if isinstance(error, UncoveredLayer):
                raise
            raise UncoveredLayer(
                f"per-sample merging: the model does not run on shapes alone, images {shape} "
                f"({str(error).splitlines()[0]}); use granularity: [bins], which merges whole models"
            ) from error
        self._checked = shape
        if self._dtype:
            for name in self._shared.matrices & self._tensors.keys():
                tensor = self._tensors[name]
                assert isinstance(tensor, MergedTensor)  # only those are ever named as matrices
                self._tensors[name] = tensor.in_dtype(self._dtype)


def _hollow(model: nn.Module, state: State) -> nn.Module:
    """Return a copy of a module without the memory of what its state dict names."""
    for name, buffer in model.named_buffers():
        if name not in state and buffer.is_meta and not next(iter(state.values())).is_meta:
            raise ModelMismatch(f"{name}: a buffer that is in no state, without values on the meta device")
    named = set(model.state_dict(keep_vars=True).values())
    memo: dict[int, object] = {
        id(t): nn.Parameter(t.detach().to("meta"), requires_grad=False) if isinstance(t, nn.Parameter) else t.to("meta")
        for t in named
    }
    return copy.deepcopy(model, memo).eval()


def _difference(tuned: torch.Tensor, base: torch.Tensor, name: str) -> torch.Tensor:
    """Return tuned − base, taken in float32 at least, in the states' dtype; infinities that both have make none."""
    wide = torch.promote_types(base.dtype, torch.float32)
    difference = torch.sub(tuned.to(wide), base.to(wide)).to(base.dtype)
    if not base.is_meta and not bool(difference.isfinite().all()):
        difference = torch.where(tuned == base, torch.zeros_like(base), difference)
        if not bool(difference.isfinite().all()):
            raise ModelMismatch(f"{name}: NaN or infinite numbers that are not the same in all states")
    return difference


def _check(coefficients: torch.Tensor, samples: int, models: int) -> None:
    if tuple(coefficients.shape) != (samples, models):
        raise BatchError(
            f"coefficients: wanted (samples, models) = ({samples}, {models}), got {tuple(coefficients.shape)}"
        )
    if coefficients.is_floating_point() and coefficients.dtype.itemsize < 4:
        raise BatchError(f"coefficients: wanted float32 or float64, got {coefficients.dtype}: too coarse")
    values = coefficients.detach().double().cpu()
    if not bool(values.isfinite().all()):
        row = int((~values.isfinite()).any(dim=1).nonzero()[0])
        raise BatchError(f"coefficients: wanted finite numbers, got {values[row].tolist()} for sample {row}")
    off = (values.sum(dim=1) - 1).abs()
    if samples and float(off.max()) > _SUM_TOLERANCE:
        row = int(off.argmax())
        raise BatchError(
            f"coefficients: wanted rows that sum to one, got {values[row].tolist()} for sample {row}, "
            f"which sum to {float(values[row].sum()):.6g}"
        )
