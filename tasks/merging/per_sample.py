"""The merged model of every single sample, exactly, in one batched forward pass.

    θ_i = Σ_m c_im θ_m = θ_0 + Σ_{m ≥ 1} c_im (θ_m − θ_0),        since Σ_m c_im = 1

Weights of single samples never exist: memory holds the M models once, as θ_0 and M − 1 differences, and a layer costs
as much as M plain layers. For the time of a pass, `MergedTensor`s take the place of a module's parameters, and the
functions that the module calls with them follow the rules of `tasks.merging.rules`.
"""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.func import functional_call

from tasks.errors import BatchError, ModelMismatch, UncoveredLayer
from tasks.merging.combination import State, check_same_layout
from tasks.merging.finite import all_finite
from tasks.merging.merged_tensor import MergedTensor, Pass
from tasks.merging.rules import RULES
from tasks.merging.sample_axes import PROBE, SampleAxes
from tasks.merging.state_differences import differences

_SUM_TOLERANCE = 1e-5  # distance of a row's sum from one; float32 sums of a few large coefficients miss by less


def merge_per_sample(model: nn.Module, states: Sequence[State], *, dtype: torch.dtype | None = None) -> "PerSample":
    """Return a module that computes, for each image, the output of the model merged for that image alone.

    The module is called as `module(images, coefficients)` with images (n, 3, h, w) and coefficients (n, M) whose rows
    sum to one. Up to rounding it returns the outputs (n, …) of n models that `combine` makes one by one (the per-sample
    merge of Oh et al., arXiv 2410.03782, section 3). The base's coefficient is taken as one minus the others. The
    module has no parameters, shares the base's tensors with its state, and stays on the device of the states.

    Args:
        model: a tower, or a tower and a head, with the layout of the states; it stays unchanged and may lie on the
            meta device.
        states: M states, the base's first. Integer tensors are the base's; BatchNorm's statistics are combined like
            any other tensor, as `combine` does.
        dtype: dtype of the matrices, for less memory and no casts under autocast; None: that of the states.
            Differences are taken before rounding, so that small ones keep their precision.

    Raises:
        ModelMismatch: the states differ from each other or from the model, or are not finite where they differ.
        UncoveredLayer: raised by the first call with images of a new size, before anything is computed, for a layer
            that uses its weights in a way that no rule covers.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3, 1, bias=False))
        >>> states = [{"1.weight": torch.tensor([row])} for row in ([1.0, 1.0, 1.0], [0.0, 0.0, 9.0])]
        >>> merged = merge_per_sample(model, states)
        >>> images = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]).view(2, 3, 1, 1)
        >>> merged(images, torch.tensor([[1.0, 0.0], [0.5, 0.5]]))  # 1 + 2 + 3, and ½ (1 + 2 + 3) + ½ · 9 · 3
        tensor([[ 6.0000],
                [16.5000]])
    """
    if not states:
        raise ModelMismatch("per-sample merging: wanted at least one state, got none")
    check_same_layout(states)
    layout = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if faults := differences(layout, {name: tuple(tensor.shape) for name, tensor in states[0].items()}):
        raise ModelMismatch(f"the states do not fit the model: {'; '.join(faults)}")
    return PerSample(model, states, dtype)


class PerSample(nn.Module):
    """The module that `merge_per_sample` returns; it runs one pass at a time.

    Attributes:
        tensors: tensor name to merged tensor; integer tensors are the base's.
    """

    def __init__(self, model: nn.Module, states: Sequence[State], dtype: torch.dtype | None) -> None:
        super().__init__()
        self._shared = Pass(RULES)
        self._models = len(states)
        self._dtype = dtype
        self._module = [_hollow(model, states[0])]  # in a list, so that torch does not register it as a submodule
        self.tensors: dict[str, torch.Tensor] = {}
        for name, base in states[0].items():
            base_ = base.detach()
            self.tensors[name] = (
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
        """Return the output of each image's merged model.

        Args:
            images: (n, 3, h, w) floating-point numbers, normalised as the model expects.
            coefficients: (n, M) float32 or float64, the base's first, each row summing to one.

        Returns:
            (n, …) outputs.

        Raises:
            BatchError: images or coefficients have another shape or dtype, or coefficients are not finite or do not
                sum to one.
            UncoveredLayer: as `prepare`.
        """
        if images.ndim != 4 or not images.is_floating_point():
            raise BatchError(f"images: wanted numbers (n, 3, h, w), got {images.dtype} {tuple(images.shape)}")
        _check(coefficients, len(images), self._models)
        self.prepare(tuple(images.shape[1:]), images.dtype)
        wide = torch.float64 if images.dtype == torch.float64 else torch.float32
        columns = coefficients.detach().to(images.device, wide).unbind(1)
        return self.run(images, [column.contiguous() for column in columns[1:]], self.tensors)

    def run(
        self, images: torch.Tensor, coefficients: Sequence[torch.Tensor], tensors: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return the outputs of `forward` without its checks, in operations that `torch.export` can record.

        Args:
            images: (n, 3, h, w) of the size that `prepare` has checked.
            coefficients: M − 1 vectors (n,), those of the models after the base.
            tensors: `self.tensors`, or merged tensors of the same names that share their pass.

        Returns:
            (n, …) outputs.
        """
        self._shared.coefficients = tuple(coefficients)
        self._shared.axes.replay(images.shape[0])
        try:
            result: torch.Tensor = functional_call(self.hollow, dict(tensors), (images,), tie_weights=False)
        finally:
            self._shared.coefficients = ()
        return result

    @property
    def hollow(self) -> nn.Module:
        """The model without weights, which runs with those of `functional_call` only."""
        return self._module[0]

    def prepare(self, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> None:
        """Check that every layer is covered for images of one size, and record where activations hold the samples.

        The check is a dry run on shapes alone. The first call with images of a new size makes it by itself.

        Args:
            shape: (3, h, w) of one image.
            dtype: dtype of the images.

        Raises:
            UncoveredLayer: no rule covers the use of a weight, which the message names, or the model does not run on
                shapes alone.
        """
        if self._checked == shape:
            return
        self._checked = None
        self._shared.axes = SampleAxes()
        shapes = {
            name: t.map(lambda part: part.to("meta")) if isinstance(t, MergedTensor) else t.to("meta")
            for name, t in self.tensors.items()
        }
        hollow = copy.deepcopy(self.hollow).to("meta")
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
            for name in self._shared.matrices & self.tensors.keys():
                tensor = self.tensors[name]
                assert isinstance(tensor, MergedTensor)  # rules note no other tensors as matrices
                self.tensors[name] = tensor.in_dtype(self._dtype)


def _hollow(model: nn.Module, state: State) -> nn.Module:
    """Return a copy of a module whose tensors of the state dict lie on the meta device, without memory."""
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
    """Return tuned − base in the states' dtype, computed in float32 at least; 0 where both are the same infinity."""
    wide = torch.promote_types(base.dtype, torch.float32)
    difference = torch.sub(tuned.to(wide), base.to(wide)).to(base.dtype)
    if not base.is_meta and not all_finite(difference):
        difference = torch.where(tuned == base, torch.zeros_like(base), difference)
        if not all_finite(difference):
            raise ModelMismatch(f"{name}: NaN or infinite numbers that are not the same in all states")
    return difference


def _check(coefficients: torch.Tensor, samples: int, models: int) -> None:
    """Raise `BatchError` unless coefficients are (samples, models) finite numbers whose rows sum to one."""
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
