"""The files of ONNX graphs: what they say about themselves, and weights beside them."""

import copy
import json
import shutil
from pathlib import Path

import onnx
import pytest
import torch
from onnx_session import SIZE, classifiers, close, images, run

from tasks.exporting import onnx_files
from tasks.exporting.onnx_graphs import OPSET, write_plain_graph, write_samples_graph, write_whole_graph
from tasks.merging.per_sample import merge_per_sample
from tasks.numerics.offset import Offset


def notes(path):
    """The metadata of a graph's file."""
    return {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}


def test_a_file_says_how_it_was_made(tmp_path):
    """The file passes onnx's checker, and holds the rule, its size, its opset and the facts that a caller gives."""
    models, states = classifiers(2, layers=0)
    given = {"method": "dawin/samples", "digests": ["a1", "b2"]}
    path = tmp_path / "whole.onnx"
    facts = write_whole_graph(
        path, models[0], states, size=SIZE, temperatures=(0.9, 1.1), offset=Offset(0.5, 2.0), metadata=given
    )
    onnx.checker.check_model(path, full_check=True)
    found = notes(path)
    assert {"graph": "whole", "method": "dawin/samples"}.items() <= found.items()
    assert json.loads(found["digests"]) == ["a1", "b2"]
    assert json.loads(found["temperatures"]) == [0.9, 1.1]
    assert json.loads(found["offset"]) == {"b": 0.5, "b/w": 0.25}
    assert int(found["opset"]) == facts.opset == OPSET
    assert [entry.version for entry in onnx.load(path).opset_import if not entry.domain] == [OPSET]
    numbers = sum(tensor.numel() for state in states for tensor in state.values())
    assert int(found["weights_bytes"]) == 4 * numbers
    assert facts.bytes == path.stat().st_size > 4 * numbers  # two sets of weights, none of them twice
    assert facts.bytes < 1.5 * 4 * numbers + 40_000
    assert facts.files == ("whole.onnx",)
    assert facts.difference is not None


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """A samples graph with its weights in a second file, written from a skeleton on the meta device."""
    models, states = classifiers(2)
    skeleton = copy.deepcopy(models[0]).to("meta")
    folder = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(onnx_files, "LARGEST", 1000)
        facts = write_samples_graph(folder / "samples.onnx", skeleton, states, size=SIZE)
    assert all(tensor.is_meta for tensor in skeleton.state_dict().values())
    return facts, folder, models, states


def test_large_weights_lie_in_a_file_beside_the_graph(beside, tmp_path):
    """Above the limit, weights lie in a second file that the graph finds in its own folder, wherever that is."""
    facts, folder, models, states = beside
    assert facts.files == ("samples.onnx", "samples.onnx.data")
    assert facts.bytes == sum((folder / name).stat().st_size for name in facts.files)
    shutil.copytree(folder, tmp_path / "moved")
    c = torch.tensor([[0.25, 0.75]])
    got = run(tmp_path / "moved" / "samples.onnx", images=images(1), coefficients=c)["logits"]
    close(got, merge_per_sample(models[0], states)(images(1), c))


def test_weights_keep_the_names_of_the_checkpoint(beside):
    """The weights of a samples graph are the base and the differences, by the names of the checkpoint."""
    graph = onnx.load(beside[1] / "samples.onnx", load_external_data=False).graph
    names = {tensor.name for tensor in graph.initializer}
    assert {"base.visual.conv1.weight", "differences.0.visual.conv1.weight"} <= names


def test_a_file_holds_no_path_of_this_machine(beside):
    """The notes of torch's exporter, with the lines of the source files that it followed, are not in the file."""
    content = (beside[1] / "samples.onnx").read_bytes()
    assert str(Path(__file__).parents[4]).encode() not in content
    assert b".py" not in content


def test_groups_of_any_sizes_are_projected_by_their_highest_logit(tmp_path):
    """Groups of one and of several classes give the highest logit of each, in the groups' order."""
    (model,), _ = classifiers(1, layers=0)
    write_plain_graph(tmp_path / "plain.onnx", model, size=SIZE, groups=((5,), (0, 4), (1, 2, 3)))
    z = model(images(3))
    wanted = torch.stack([z[:, 5], z[:, [0, 4]].amax(1), z[:, [1, 2, 3]].amax(1)], dim=1)
    close(run(tmp_path / "plain.onnx", images=images(3))["logits"], wanted)
