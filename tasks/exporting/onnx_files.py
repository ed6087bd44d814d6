"""From a module to an ONNX file: torch records and translates it, and the file says how it was made."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from tasks.errors import PackageMissing, UncoveredLayer
from tasks.exporting.onnx_check import difference_from
from tasks.exporting.onnx_layers import Layers

OPSET = 18
"""Version of ONNX's operators in every graph: the oldest that torch writes, which most runtimes read."""
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
    difference: float | None
    """Largest difference of an output from torch's, for random images; None where onnxruntime is not installed."""
    files: tuple[str, ...]
    """Names of the files in the folder: the graph, and `<graph>.data` where its weights do not fit in."""


class Recording(NamedTuple):
    """A module to be recorded as a graph."""

    module: nn.Module
    """Called with the examples."""
    examples: Mapping[str, torch.Tensor]
    """Name of each input to a tensor (3, …)."""
    outputs: Sequence[str]
    """Names of the outputs."""
    layers: nn.Module
    """The model inside the module, whose layers messages name."""
    instead: str
    """Says what a user can do if the module cannot be recorded."""


def write_graph(path: Path | str, recording: Recording, metadata: Mapping[str, Any]) -> OnnxFacts:
    """Write a module as an ONNX graph whose inputs and outputs have any number of images.

    Args:
        path: the file to write, in a folder that exists.
        recording: the module, its inputs and its outputs.
        metadata: kept in the file under its names, values other than texts as JSON.

    Raises:
        PackageMissing: onnx or onnxscript is not installed.
        UncoveredLayer: the exporter cannot record or translate a layer, which the message names; or the written graph
            does not give the module's outputs.
    """
    require_packages()
    program, weights = _recorded(recording)
    graph, is_large = program.model.graph, weights > LARGEST
    kept = {**metadata, "opset": OPSET, "weights_bytes": weights}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in kept.items()}
    program.model.metadata_props.update(texts)
    program.save(path, external_data=is_large)
    files = [Path(path), *([Path(f"{path}.data")] if is_large else [])]
    return OnnxFacts(
        opset=OPSET,
        bytes=sum(file.stat().st_size for file in files),
        inputs={str(value.name): _shape(value) for value in graph.inputs},
        outputs={str(value.name): _shape(value) for value in graph.outputs},
        difference=difference_from(path, recording.module, recording.examples),
        files=tuple(file.name for file in files),
    )


def _recorded(recording: Recording) -> tuple[torch.onnx.ONNXProgram, int]:
    """Return a module as a graph in memory, and the bytes of its weights."""
    n = torch.export.Dim("n")
    layers, examples = Layers(recording.layers), tuple(recording.examples.values())
    try:
        with _quietly(), layers.followed(), torch.no_grad():
            recorded = torch.export.export(
                recording.module.eval(), examples, dynamic_shapes=tuple({0: n} for _ in examples), strict=False
            )
            program = torch.onnx.export(
                recorded,
                input_names=[*recording.examples],
                output_names=[*recording.outputs],
                opset_version=OPSET,
                verbose=False,
            )
    except UncoveredLayer:
        raise
    except Exception as error:
        raise layers.failure(error, recording.module, examples, recording.instead) from error
    assert program is not None  # only the former exporter returns None
    _tidy(program.model)
    return program, sum(tensor.numel() * tensor.element_size() for tensor in recorded.state_dict.values())


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
    rows = torch.rand(_EXAMPLES, models, generator=torch.Generator().manual_seed(1)) + 0.1
    return rows / rows.sum(1, keepdim=True)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter's warnings and log lines about itself from a user who cannot act on them."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _tidy(model: Any) -> None:  # noqa: ANN401  onnx_ir has the type, which is an optional package
    """Name the axis of the images `n` in all shapes, and drop the exporter's notes, such as paths of this machine."""
    first = model.graph.inputs[0].shape[0]
    values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
    for noted in (model.graph, *model.graph, *values, *model.graph.initializers.values()):
        noted.metadata_props.clear()
    for value in values:
        for axis, length in enumerate(value.shape or ()):
            if length == first:
                value.shape[axis] = type(first)("n")


def _shape(value: Any) -> tuple[str | int, ...]:  # noqa: ANN401  as above
    return tuple(length if isinstance(length, int) else str(length.value) for length in value.shape)
