"""From a module to an ONNX file: torch records and translates it, and the file says how it was made."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from tasks.errors import PackageMissing, UncoveredLayer

OPSET = 18
"""Version of ONNX's operators in every graph: the oldest that torch writes, which runtimes since early 2023 read."""
LARGEST = 1_900_000_000
"""Bytes of weights that one file can hold: protobuf ends at 2 GiB. Larger weights lie in a second file beside it."""
_PACKAGES = ("onnx", "onnxscript")
_EXAMPLES = 3  # images that the graph is recorded with; their number becomes `n`


class OnnxFacts(NamedTuple):
    """What a caller may say about a written graph."""

    opset: int
    """Version of ONNX's operators."""
    bytes: int
    """Size of all files together."""
    inputs: dict[str, tuple[str | int, ...]]
    """Name of each input to its shape, in which `n` is the number of images; all are float32."""
    outputs: dict[str, tuple[str | int, ...]]
    """The same of each output."""
    files: tuple[str, ...]
    """Names of the files in the folder: the graph, and `<graph>.data` where its weights do not fit in."""


def write_graph(
    path: Path | str,
    module: nn.Module,
    examples: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    *,
    layers: nn.Module,
    instead: str,
    metadata: Mapping[str, Any],
    largest: int = LARGEST,
) -> OnnxFacts:
    """Write a module as an ONNX graph whose inputs and outputs have any number of images.

    Args:
        path: the file to write, in a folder that exists.
        module: called with the examples, in evaluation mode.
        examples: name of each input to a tensor (3, …).
        outputs: names of the outputs.
        layers: the model inside the module, whose layers messages name.
        instead: what a user can do if the module cannot be recorded, for the message.
        metadata: kept in the file under its names; values other than texts as JSON.
        largest: bytes of weights from which on they lie in a second file.

    Raises:
        PackageMissing: onnx or onnxscript is not installed.
        UncoveredLayer: the exporter cannot record or translate a layer, which the message names.
    """
    require_packages()
    n = torch.export.Dim("n")
    entered: list[str] = []
    try:
        with _quietly(), _watched(layers, entered), torch.no_grad():
            recorded = torch.export.export(
                module.eval(), (*examples.values(),), dynamic_shapes=tuple({0: n} for _ in examples), strict=False
            )
            program = torch.onnx.export(
                recorded, input_names=[*examples], output_names=[*outputs], opset_version=OPSET, verbose=False
            )
    except UncoveredLayer:
        raise
    except Exception as error:
        raise UncoveredLayer(f"ONNX: {_where(entered)}: {_reason(error)}; {instead}") from error
    assert program is not None  # only the former exporter returns None
    _name_batch(program.model)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in recorded.state_dict.values())
    kept = {**metadata, "opset": OPSET, "weights_bytes": weights}
    program.model.metadata_props.update(
        {name: value if isinstance(value, str) else json.dumps(value) for name, value in kept.items()}
    )
    program.save(path, external_data=weights > largest)
    files = [file for file in (Path(path), Path(f"{path}.data")) if file.exists()]
    shapes = [{str(value.name): _shape(value) for value in found} for found in (program.model.graph.inputs, program.model.graph.outputs)]
    return OnnxFacts(OPSET, sum(file.stat().st_size for file in files), *shapes, tuple(file.name for file in files))


def require_packages() -> None:
    """Raise `PackageMissing` unless the packages that torch writes ONNX with are installed."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise PackageMissing(f"ONNX: {' and '.join(missing)} not installed; pip install 'dawin-pipeline[onnx]'")


def example_images(size: int) -> torch.Tensor:
    """Return images (3, 3, size, size) to record a graph with."""
    return torch.rand(_EXAMPLES, 3, size, size, generator=torch.Generator().manual_seed(0))


def example_coefficients(models: int) -> torch.Tensor:
    """Return coefficients (3, models) to record a graph with."""
    return torch.full((_EXAMPLES, models), 1 / models)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the warnings of torch's exporter about itself from a user who cannot act on them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _watched(module: nn.Module, entered: list[str]) -> Iterator[None]:
    """Keep the names of the layers that are running in a list, innermost last; an exception leaves them there."""
    handles = []
    for name, layer in module.named_modules():
        def enter(*_: object, name: str = name) -> None:
            entered.append(name)

        def leave(*_: object) -> None:
            entered.pop()

        handles += [layer.register_forward_pre_hook(enter), layer.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _where(entered: Sequence[str]) -> str:
    """Return the name of the layer that was running, for a message."""
    return entered[-1] if entered and entered[-1] else "the model"


def _reason(error: BaseException) -> str:
    """Return the first line of an error's cause, without the exporter's advice for its developers."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    return f"the exporter fails on this layer ({type(error).__name__}: {(lines or ['no message'])[0][:_REASON]})"


def _name_batch(model: Any) -> None:  # noqa: ANN401  onnx_ir has the type, which is an optional package
    """Name the axis of the images `n` in all shapes of a graph."""
    first = model.graph.inputs[0].shape[0]
    values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
    for value in values:
        for axis, length in enumerate(value.shape or ()):
            if length == first:
                value.shape[axis] = type(first)("n")


def _shape(value: Any) -> tuple[str | int, ...]:  # noqa: ANN401  as above
    return tuple(length if isinstance(length, int) else str(length.value) for length in value.shape)


_REASON = 200  # characters of the exporter's reason in a message
