"""The comparison of a written graph with the module that it was recorded from."""

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tasks.errors import UncoveredLayer

_TOLERANCE = 1e-4  # of the largest number of an output, at least of 1
_COUNTS = (1, 3)  # images of the runs that are compared


def difference_from(path: Path | str, module: nn.Module, examples: Mapping[str, torch.Tensor]) -> float | None:
    """Return the largest difference between a graph's outputs in onnxruntime and those of its module in torch.

    Args:
        path: of the graph.
        module: that the graph was recorded from.
        examples: name of each input to a tensor (3, …). The graph runs on the first one and on all of them.

    Returns:
        The difference, in the outputs' units; None where onnxruntime is not installed.

    Raises:
        UncoveredLayer: the graph does not run, or an output differs by more than 1e-4 of its largest number.
    """
    if find_spec("onnxruntime") is None:
        return None
    runtime = import_module("onnxruntime")
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        found = {
            count: session.run(names, {name: tensor[:count].numpy() for name, tensor in examples.items()})
            for count in _COUNTS
        }
    except Exception as error:  # onnxruntime's errors have no base of their own
        raise UncoveredLayer(f"ONNX: the written graph does not run ({str(error).splitlines()[0]})") from error
    return max(_compared(names, found[count], module, [t[:count] for t in examples.values()]) for count in _COUNTS)


@torch.no_grad()
def _compared(names: Sequence[str], found: Sequence[Any], module: nn.Module, inputs: Sequence[torch.Tensor]) -> float:
    """Return the largest difference of one run; raise `UncoveredLayer` if it is too large."""
    expected = module(*inputs)
    largest = 0.0
    for name, got, wanted in zip(names, found, [expected] if len(names) == 1 else expected, strict=True):
        shape, difference = tuple(got.shape), math.inf
        if shape == tuple(wanted.shape):
            difference = float((torch.from_numpy(got) - wanted).abs().max())
        if not difference <= _TOLERANCE * max(1.0, float(wanted.abs().max())):  # nor if it is NaN
            raise UncoveredLayer(
                f"ONNX: {name} {shape} of the written graph differ from torch's {tuple(wanted.shape)} "
                f"by {difference:.3g}"
            )
        largest = max(largest, difference)
    return largest
