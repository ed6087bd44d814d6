"""ONNX graphs give the numbers of torch and of the pipeline, for any number of images."""

import numpy as np
import pytest
import torch
from onnx_session import BATCHES, CLASSES, SIZE, classifiers, close, images, run
from towers import simplex

from tasks.datasets.label_spaces import project
from tasks.exporting.onnx_graphs import write_plain_graph, write_samples_graph, write_whole_graph
from tasks.merging.per_sample import merge_per_sample
from tasks.numerics.entropy import softmax_entropy
from tasks.numerics.expertise import model_coefficients, task_vector_coefficients
from tasks.numerics.offset import Offset

GROUPS = ((0, 3), (5,), (1, 2, 4))
OFFSET = Offset(0.8, 1.7)
TEMPERATURES = (0.7, 1.6, 1.1)


def projected(logits, groups):
    """The pipeline's projection of logits, in float64."""
    values = logits.double().numpy()
    return values if groups is None else project(values, groups)


def pipeline(models, x, *, offset=None, groups=None, scale=None):
    """The pipeline's own merged logits, coefficients and entropies, in its arithmetic."""
    asked = models if scale is None else models[1:]
    pairs = zip(asked, TEMPERATURES, strict=False)
    entropies = np.column_stack([softmax_entropy(projected(m(x), groups), t) for m, t in pairs])
    rows = model_coefficients(entropies, offset=offset or False)
    rows = rows if scale is None else task_vector_coefficients(rows, scale)
    merged = merge_per_sample(models[0], [m.state_dict() for m in models])(x, torch.from_numpy(rows))
    return {"logits": projected(merged, groups), "coefficients": rows, "entropies": entropies}


def agrees(path, models, **rule):
    """Assert that a whole graph agrees with the pipeline in all outputs, for 1, 3 and 8 images."""
    for count in BATCHES:
        x = images(count)
        got, wanted = run(path, images=x), pipeline(models, x, **rule)
        assert got.keys() == wanted.keys()
        for name, values in wanted.items():
            close(got[name], values)


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_a_plain_graph_gives_the_logits_of_its_classifier(tmp_path, quick_gelu):
    """The graph of one classifier, with either activation, agrees with torch for 1, 3 and 8 images."""
    (model,), _ = classifiers(1, quick_gelu=quick_gelu)
    facts = write_plain_graph(tmp_path / "plain.onnx", model, size=SIZE)
    assert facts.inputs == {"images": ("n", 3, SIZE, SIZE)}
    assert facts.outputs == {"logits": ("n", CLASSES)}
    for count in BATCHES:
        close(run(tmp_path / "plain.onnx", images=images(count))["logits"], model(images(count)))


@pytest.mark.parametrize(("count", "tower"), [(2, {"quick_gelu": False}), (3, {"layers": 0})])
def test_a_samples_graph_gives_the_merged_model_of_every_sample(tmp_path, count, tower):
    """The graph agrees with `merge_per_sample` for 1, 3 and 8 images, with coefficients of one model alone too."""
    models, states = classifiers(count, **tower)
    facts = write_samples_graph(tmp_path / "samples.onnx", models[0], states, size=SIZE)
    assert facts.inputs == {"images": ("n", 3, SIZE, SIZE), "coefficients": ("n", count)}
    merged = merge_per_sample(models[0], states)
    for number in BATCHES:
        x, c = images(number), simplex(number, count, torch.float32)
        close(run(tmp_path / "samples.onnx", images=x, coefficients=c)["logits"], merged(x, c))


@pytest.mark.parametrize(
    ("offset", "groups", "tower"),
    [(None, None, {"layers": 1}), (OFFSET, GROUPS, {"layers": 0})],
)
def test_a_whole_graph_gives_the_numbers_of_the_pipeline(tmp_path, offset, groups, tower):
    """Entropies, coefficients and merged logits agree with the pipeline's, at temperatures other than 1."""
    models, states = classifiers(2, **tower)
    path, rule = tmp_path / "whole.onnx", {"offset": offset, "groups": groups}
    facts = write_whole_graph(path, models[0], states, size=SIZE, temperatures=TEMPERATURES[:2], **rule)
    assert facts.inputs == {"images": ("n", 3, SIZE, SIZE)}
    classes = len(groups or range(CLASSES))
    assert facts.outputs == {"logits": ("n", classes), "coefficients": ("n", 2), "entropies": ("n", 2)}
    agrees(path, models, **rule)


@pytest.mark.parametrize("scale", [None, 0.3])
def test_a_whole_graph_merges_more_than_two_models(tmp_path, scale):
    """Three models are merged by the simplex, or as task vectors of two that leave the base unasked."""
    models, states = classifiers(3, layers=0)
    temperatures = TEMPERATURES if scale is None else TEMPERATURES[:2]
    facts = write_whole_graph(
        tmp_path / "whole.onnx", models[0], states, size=SIZE, temperatures=temperatures, scale=scale
    )
    assert facts.outputs["entropies"] == ("n", len(temperatures))
    agrees(tmp_path / "whole.onnx", models, scale=scale)


def test_identical_models_are_merged_into_themselves(tmp_path):
    """Two identical models of one temperature have equal coefficients, and the merge gives their own logits."""
    (model,), (state,) = classifiers(1, layers=0)
    write_whole_graph(tmp_path / "whole.onnx", model, [state, state], size=SIZE, temperatures=(1.0, 1.0))
    got = run(tmp_path / "whole.onnx", images=images(3))
    close(got["coefficients"], torch.full((3, 2), 0.5))
    close(got["logits"], model(images(3)))


def test_models_without_doubt_have_an_entropy_of_zero(tmp_path):
    """Logits hundreds apart give entropies of 0 and finite coefficients; an infinite w adds nothing to the ratio."""
    models, states = classifiers(2, layers=0)
    for state in states:
        state["head.weight"].mul_(1e4)
    offset = Offset(0.5, np.inf)
    write_whole_graph(
        tmp_path / "whole.onnx", models[0], states, size=SIZE, temperatures=TEMPERATURES[:2], offset=offset
    )
    got = run(tmp_path / "whole.onnx", images=images(8))
    assert float(got["entropies"].abs().max()) < 1e-3
    assert all(bool(values.isfinite().all()) for values in got.values())
    close(got["coefficients"], pipeline(models, images(8), offset=offset)["coefficients"])
