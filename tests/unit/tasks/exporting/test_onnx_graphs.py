"""ONNX graphs give the numbers of torch and of the pipeline, for any number of images."""

import json

import numpy as np
import onnx
import onnx_session
import pytest
import tiny
import torch
from torch import nn
from towers import simplex, vision

from tasks.datasets.label_spaces import project
from tasks.exporting.onnx_graphs import OPSET, write_plain_graph, write_samples_graph, write_whole_graph
from tasks.merging.per_sample import merge_per_sample
from tasks.models.classifier import ImageClassifier
from tasks.numerics.entropy import softmax_entropy
from tasks.numerics.expertise import interpolation_coefficients, simplex_coefficients, task_vector_coefficients
from tasks.numerics.offset import Offset

SIZE = 16
BATCHES = (1, 3, 8)
CLASSES = 6
GROUPS = ((0, 3), (5,), (1, 2, 4))
OFFSET = Offset(0.8, 1.7)


def classifiers(count, *, quick_gelu=True, **options):
    """Classifiers of one architecture whose heads have biases, and logits of which some are sure."""
    make = vision(patch_size=8, image_size=SIZE, quick_gelu=quick_gelu, **options)
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        made.append(ImageClassifier(make(), 32, CLASSES).eval().requires_grad_(False))
        made[-1].head.weight.mul_(20)
        nn.init.normal_(made[-1].head.bias)
    return made, [model.state_dict() for model in made]


def images(count):
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(count))


def close(got, expected):
    torch.testing.assert_close(torch.as_tensor(got).double(), torch.as_tensor(expected).double(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_a_plain_graph_gives_the_classifiers_logits(tmp_path, quick_gelu):
    """The graph of one classifier, with either activation, agrees with torch for 1, 3 and 8 images."""
    (model,), _ = classifiers(1, quick_gelu=quick_gelu)
    facts = write_plain_graph(tmp_path / "plain.onnx", model, size=SIZE)
    assert facts.inputs == {"images": ("n", 3, SIZE, SIZE)}
    assert facts.outputs == {"logits": ("n", CLASSES)}
    for count in BATCHES:
        x = images(count)
        close(onnx_session.run(tmp_path / "plain.onnx", images=x)["logits"], model(x))


@pytest.mark.parametrize(("count", "quick_gelu"), [(2, True), (3, False)])
def test_a_samples_graph_gives_every_samples_own_merge(tmp_path, count, quick_gelu):
    """The graph agrees with `merge_per_sample` for 1, 3 and 8 images, endpoints and several models included."""
    models, states = classifiers(count, quick_gelu=quick_gelu)
    facts = write_samples_graph(tmp_path / "samples.onnx", models[0], states, size=SIZE)
    assert facts.inputs == {"images": ("n", 3, SIZE, SIZE), "coefficients": ("n", count)}
    merged = merge_per_sample(models[0], states)
    for number in BATCHES:
        x, c = images(number), simplex(number, count, torch.float32)
        close(onnx_session.run(tmp_path / "samples.onnx", images=x, coefficients=c)["logits"], merged(x, c))


def expected(models, states, x, temperatures, offset, groups):
    """The pipeline's own merged logits, coefficients and entropies of two models, in its arithmetic."""
    def projected(logits):
        values = logits.double().numpy()
        return values if groups is None else project(values, groups)

    entropies = [softmax_entropy(projected(m(x)), t) for m, t in zip(models, temperatures, strict=True)]
    tuned = interpolation_coefficients(*entropies, offset=offset or False)
    rows = np.column_stack([1 - tuned, tuned])
    merged = merge_per_sample(models[0], states)(x, torch.from_numpy(rows))
    return projected(merged), rows, np.column_stack(entropies)


@pytest.mark.parametrize(
    ("offset", "groups", "quick_gelu"),
    [(None, None, True), (OFFSET, None, False), (OFFSET, GROUPS, True), (None, ((4,), (0,)), True), (Offset(0.5, np.inf), None, True)],
)
def test_a_whole_graph_gives_the_pipelines_numbers(tmp_path, offset, groups, quick_gelu):
    """Entropies, coefficients and merged logits agree with the pipeline's, at temperatures other than 1."""
    models, states = classifiers(2, quick_gelu=quick_gelu)
    temperatures = (0.7, 1.6)
    path = tmp_path / "whole.onnx"
    facts = write_whole_graph(
        path, models[0], states, size=SIZE, temperatures=temperatures, offset=offset, groups=groups
    )
    assert facts.outputs == {"logits": ("n", len(groups or range(CLASSES))), "coefficients": ("n", 2), "entropies": ("n", 2)}
    for count in BATCHES:
        x = images(count)
        logits, coefficients, entropies = expected(models, states, x, temperatures, offset, groups)
        got = onnx_session.run(path, images=x)
        close(got["entropies"], entropies)
        close(got["coefficients"], coefficients)
        close(got["logits"], logits)
