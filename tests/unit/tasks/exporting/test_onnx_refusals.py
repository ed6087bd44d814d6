"""Requests for ONNX graphs that cannot be met are refused in one line that names the fault."""

import importlib.util
import sys

import pytest
import torch
from onnx_session import SIZE, classifiers
from torch import nn

from tasks.errors import ModelMismatch, PackageMissing, UncoveredLayer
from tasks.exporting import onnx_check, onnx_files
from tasks.exporting.onnx_graphs import write_plain_graph, write_samples_graph, write_whole_graph
from tasks.numerics.offset import Offset


class Classifier(nn.Module):
    """A classifier whose tower ends with a layer of its own."""

    def __init__(self, layer):
        super().__init__()
        self.visual = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE**2, 4), nn.ModuleDict({"odd": layer})["odd"])
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.visual(x))


class Bessel(nn.Module):
    def forward(self, x):
        return torch.special.bessel_j0(x)


class Counting(nn.Module):
    def forward(self, x):
        return x / len(list(x))


class Deciding(nn.Module):
    def forward(self, x):
        return x * 2 if float(x.mean()) > 0 else x


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return x * torch.exp(self.scale)


def one_line(refused):
    """Assert that an error's message is one line, and return it."""
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("layer", "reason"),
    [(Bessel, "bessel_j0"), (Counting, "fixed number of images"), (Deciding, "data-dependent")],
)
def test_a_plain_graph_names_the_layer_that_cannot_be_exported(tmp_path, layer, reason):
    """An operator that ONNX does not have, a loop over images and a decision by numbers are named by their layer."""
    model = Classifier(layer()).eval()
    with pytest.raises(UncoveredLayer, match=rf"visual\.2: .*{reason}.*safetensors") as refused:
        write_plain_graph(tmp_path / "plain.onnx", model, size=SIZE)
    one_line(refused)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Bessel, r"visual\.2: .*bessel_j0.*clusters or bins"),
        (Counting, r"visual\.2: .*fixed number of images.*clusters or bins"),
        (Scaled, r"visual\.2\.scale: no rule for exp.*bins"),
    ],
)
def test_a_merged_graph_names_the_layer_that_cannot_be_exported(tmp_path, layer, message):
    """A merge refuses the same layers, and those whose weights no rule covers, and says what is possible instead."""
    model = Classifier(layer()).eval()
    with pytest.raises(UncoveredLayer, match=message) as refused:
        write_samples_graph(tmp_path / "samples.onnx", model, [model.state_dict()] * 2, size=SIZE)
    one_line(refused)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_of_other_numbers_than_those_of_torch_is_refused(tmp_path):
    """A graph that differs from its module by more than 1e-4 is not handed over, and neither is one that is broken."""
    (model, other), _ = classifiers(2, layers=0)
    examples = {"images": onnx_files.example_images(SIZE)}
    write_plain_graph(tmp_path / "plain.onnx", model, size=SIZE)
    assert onnx_check.difference_from(tmp_path / "plain.onnx", model, examples) < 1e-4
    with pytest.raises(UncoveredLayer, match=r"logits \(1, 6\) of the written graph differ from torch's \(1, 6\) by "):
        onnx_check.difference_from(tmp_path / "plain.onnx", other, examples)
    with pytest.raises(UncoveredLayer, match=r"does not run"):
        onnx_check.difference_from(tmp_path / "plain.onnx", model, {"pictures": examples["images"]})


@pytest.mark.parametrize("name", ["onnx", "onnxscript"])
def test_a_missing_package_is_named_with_the_extra_that_has_it(tmp_path, monkeypatch, name):
    """Without onnx or onnxscript each kind of graph is refused with the line that installs it."""
    found = importlib.util.find_spec
    monkeypatch.setattr(onnx_files, "find_spec", lambda wanted: None if wanted == name else found(wanted))
    models, states = classifiers(2, layers=0)
    calls = [
        lambda: write_plain_graph(tmp_path / "a.onnx", models[0], size=SIZE),
        lambda: write_samples_graph(tmp_path / "a.onnx", models[0], states, size=SIZE),
        lambda: write_whole_graph(tmp_path / "a.onnx", models[0], states, size=SIZE, temperatures=(1.0, 1.0)),
    ]
    for call in calls:
        with pytest.raises(PackageMissing, match=rf"ONNX: {name} not installed; pip install 'dawin-pipeline\[onnx\]'"):
            call()


def test_the_room_is_imported_without_onnx():
    """Importing the functions that write graphs imports neither onnx nor onnxscript nor onnxruntime."""
    import subprocess

    program = "import sys, tasks.exporting.onnx_graphs; print([n for n in sys.modules if n.startswith('onnx')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"temperatures": (1.0,)}, r"temperatures: wanted 2 numbers above 0, one a model, got \[1.0\]"),
        ({"temperatures": (1.0, 0.0)}, r"temperatures: wanted 2 numbers above 0"),
        ({"temperatures": (1.0, float("nan"))}, r"temperatures: wanted 2 numbers above 0"),
        ({"temperatures": (1.0,), "scale": 0.3, "offset": Offset(0.5, 2.0)}, r"offset: wanted two models, got 1"),
        ({"temperatures": (1.0, 1.0), "groups": ((0, 6),)}, r"groups: .* 0 to 5, got \[0, 6\]"),
        ({"temperatures": (1.0, 1.0), "groups": ()}, r"groups: .*got none"),
        ({"temperatures": (1.0, 1.0), "groups": ((0,), ())}, r"groups: .*got \[\]"),
    ],
)
def test_a_rule_that_does_not_fit_the_models_is_refused(tmp_path, rule, message):
    """Temperatures, an offset and groups that do not fit are named, with the wanted and the given values."""
    models, states = classifiers(2, layers=0)
    with pytest.raises(ModelMismatch, match=message):
        write_whole_graph(tmp_path / "whole.onnx", models[0], states, size=SIZE, **rule)


def test_a_single_model_and_a_model_without_weights_are_refused(tmp_path):
    """One model cannot be merged, and a classifier on the meta device has no weights to write."""
    (model,), (state,) = classifiers(1, layers=0)
    with pytest.raises(ModelMismatch, match="wanted at least two models to merge, got 1"):
        write_samples_graph(tmp_path / "samples.onnx", model, [state], size=SIZE)
    with pytest.raises(ModelMismatch, match="wanted a classifier with weights"):
        write_plain_graph(tmp_path / "plain.onnx", model.to("meta"), size=SIZE)
