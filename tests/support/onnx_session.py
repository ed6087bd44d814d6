"""ONNX graphs run by onnxruntime, to compare with torch."""

import onnxruntime
import torch


def run(path, **inputs):
    """Run a graph on tensors by the names of its inputs; return its outputs by their names."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    outputs = session.run(names, {name: tensor.numpy() for name, tensor in inputs.items()})
    return {name: torch.from_numpy(output) for name, output in zip(names, outputs, strict=True)}
