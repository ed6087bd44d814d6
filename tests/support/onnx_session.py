"""Small classifiers to export as ONNX graphs, and the graphs run by onnxruntime, to compare with torch."""

import onnxruntime
import torch
from torch import nn
from towers import vision

from tasks.models.classifier import ImageClassifier

SIZE = 16
BATCHES = (1, 3, 8)
CLASSES = 6


def classifiers(count, *, layers=1, **options):
    """Classifiers of one architecture and their states; heads have biases, and some predictions are sure.

    A tower without blocks, of no layers, is exported in a third of the time.
    """
    make = vision(patch_size=8, image_size=SIZE, layers=layers, **options)
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        made.append(ImageClassifier(make(), 32, CLASSES).eval().requires_grad_(False))
        made[-1].head.weight.mul_(20)
        nn.init.normal_(made[-1].head.bias)
    return made, [model.state_dict() for model in made]


def images(count):
    """Random images, the same ones for a count."""
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(count))


def run(path, **inputs):
    """Run a graph on tensors by the names of its inputs; return its outputs by their names."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    outputs = session.run(names, {name: tensor.numpy() for name, tensor in inputs.items()})
    return {name: torch.from_numpy(output) for name, output in zip(names, outputs, strict=True)}


def close(got, expected):
    """Assert that numbers agree to 1e-4."""
    torch.testing.assert_close(torch.as_tensor(got).double(), torch.as_tensor(expected).double(), rtol=1e-4, atol=1e-4)
