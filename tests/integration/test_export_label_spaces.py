"""Exports of experiments whose data sets are scored by different classes of one head."""

import json
from importlib.resources import files

import exports
import numpy as np
import pytest
from PIL import Image
from runs import run

pytestmark = [pytest.mark.xdist_group("export"), pytest.mark.usefixtures("prefect_api")]


def synsets(name):
    return (files("timm") / "data" / "_info" / f"{name}_synsets.txt").read_text().split()


@pytest.fixture(scope="module")
def run_of_spaces(tmp_path_factory, prefect_api):
    """A run on images of ImageNet-A's classes and of ImageNet's, with heads of 1,000 classes in the checkpoints."""
    folder = tmp_path_factory.mktemp("spaces")
    for name, step in (("imagenet_a", 7), ("imagenet", 37)):
        for number, synset in enumerate(synsets(name)[::step][:12]):
            (folder / name / synset).mkdir(parents=True)
            pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / synset / "0.png")
    datasets = [
        {"name": "a", "images": "imagenet_a", "label_space": "imagenet-a"},
        {"name": "full", "images": "imagenet", "label_space": "imagenet-1k"},
    ]
    file = exports.build(folder, classes=1000, datasets=datasets, baselines=["wise-ft/0.50"], merge={"granularity": []})
    run(file, folder / "store")
    return file, str(folder / "store")


@pytest.mark.parametrize(("dataset", "classes", "measured"), [(None, 0, {"a", "full"}), ("a", 200, {"a"})])
def test_classes_have_names_only_where_one_data_set_says_which_are_predicted(
    run_of_spaces, tmp_path, dataset, classes, measured
):
    """Without --dataset the classes are the head's; with it the graph, the names and the card are of that data set."""
    session = pytest.importorskip("onnxruntime").InferenceSession
    file, store = run_of_spaces
    asked = ["--dataset", dataset] if dataset else []
    out = exports.exported(file, store, "wise-ft/0.50", tmp_path / "out", "--format", "onnx", *asked)
    record = json.loads((out / "dawin.json").read_text())
    assert len(record["classes"]) == classes
    assert (record["groups"] is None) == (dataset is None)
    (logits,) = session(out / "dawin.onnx").run(["logits"], {"images": np.zeros((2, 3, 16, 16), np.float32)})
    assert logits.shape == (2, classes or 1000)
    card = (out / "README.md").read_text()
    names = {name for name in ("a", "full") if f"name: {name}\n" in card.partition("\n---\n")[0]}
    assert names == measured
