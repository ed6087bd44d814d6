"""ONNX graphs of a ViT: time to write one, its size, its largest difference from torch, and the time of an image.

Two classifiers of random weights, near each other as fine-tuned ones are, become the three graphs of
`tasks.exporting.onnx_graphs`. Times of an image are those of onnxruntime and of torch for the same outputs, in turn on
the same threads of one processor. The graph of all steps is compared with the same passes in torch.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.options import options, settle
from benchmarks.reporting import report, spread

TEMPERATURES = (0.96, 1.01)


class _Graph(NamedTuple):
    """A graph to measure: how it is written, and the same outputs in torch."""

    name: str
    write: Callable[[Path], Any]
    inputs: dict[str, Any]
    passes: Callable[[], Sequence[Any]]


def _graphs(arguments: argparse.Namespace) -> list[_Graph]:
    import torch

    from benchmarks.models import classifiers, preprocessing_of
    from tasks.exporting.onnx_graphs import write_plain_graph, write_samples_graph, write_whole_graph
    from tasks.exporting.onnx_modules import WholeGraph
    from tasks.merging.per_sample import merge_per_sample
    from tasks.numerics.offset import Offset

    model, states = classifiers(arguments.arch, 2, "cpu")
    size = preprocessing_of(model).size
    images = torch.randn(arguments.batch, 3, size, size)
    c = torch.distributions.Dirichlet(torch.ones(2)).sample((arguments.batch,))
    merged, offset = merge_per_sample(model, states), Offset(0.9, 1.8)
    merged.prepare((3, size, size))
    rule: dict[str, Any] = {"temperatures": TEMPERATURES, "offset": offset}
    whole = WholeGraph(merged, states, groups=None, scale=None, **rule)
    return [
        _Graph(
            "one classifier",
            lambda path: write_plain_graph(path, model, size=size),
            {"images": images},
            lambda: [model(images)],
        ),
        _Graph(
            "per sample, coefficients given",
            lambda path: write_samples_graph(path, model, states, size=size),
            {"images": images, "coefficients": c},
            lambda: [merged(images, c)],
        ),
        _Graph(
            "whole, coefficients from entropies",
            lambda path: write_whole_graph(path, model, states, size=size, **rule),
            {"images": images},
            lambda: whole(images),
        ),
    ]


def _row(graph: _Graph, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Write a graph, and run it and torch in turn."""
    import onnxruntime
    import torch

    from benchmarks.models import in_turn, ratio

    path = folder / "graph.onnx"
    start = time.perf_counter()
    facts = graph.write(path)
    written = time.perf_counter() - start
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = arguments.threads, 1
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    inputs = {name: tensor.numpy() for name, tensor in graph.inputs.items()}

    def run() -> Any:
        return session.run(None, inputs)

    with torch.inference_mode():
        pairs = zip(run(), graph.passes(), strict=True)
        difference = max(float((torch.from_numpy(a) - b).abs().max()) for a, b in pairs)
        seconds = in_turn({"onnxruntime": run, "torch": graph.passes}, arguments)
    a, b = ([1000 * value / arguments.batch for value in values] for values in seconds.values())
    return {
        "graph": graph.name,
        "opset": facts.opset,
        "seconds to write": written,
        "MiB": facts.bytes / 2**20,
        "largest difference": f"{difference:.1e}",
        "ms an image, onnxruntime": spread(a),
        "torch": spread(b),
        "onnxruntime / torch": ratio(a, b),
    }


def main() -> None:
    """Write the graphs, measure them, and print the table."""
    arguments = options(__doc__, batch=8, runs=5).parse_args()
    arguments.device = "cpu"
    settle(arguments)
    with tempfile.TemporaryDirectory() as folder:
        report("onnx_graphs", [_row(graph, Path(folder), arguments) for graph in _graphs(arguments)], arguments)


if __name__ == "__main__":
    main()
