"""Exported folders with several models: the router alone classifies images as the run does, and graphs do so too."""

import json
from importlib.resources import files

import exports
import multi_task as tasks_example
import numpy as np
import open_clip
import pytest
import runs
import torch
from PIL import Image
from torch.nn import functional

from flows.cli import main
from tasks.exporting.router import Router

pytestmark = [pytest.mark.xdist_group("export")]

MERGES = ["dawin/clusters-2", "dawin/bins-5", "dawin/samples"]


@pytest.mark.parametrize("method", MERGES)
@pytest.mark.parametrize("settings", [(), ("merge.offset=false",)], ids=["offset", "plain"])
def test_the_router_alone_gives_the_predictions_of_the_run(whole_clips, tmp_path, method, settings):
    """In a process with torch alone it prints the run's classes; losses and entropies are the run's to rounding."""
    folder, file, store, _ = whole_clips
    rows = runs.run(file, store, *settings)
    words = [word for one in settings for word in ("--set", one)]
    out = exports.exported(file, store, method, tmp_path / "out", "--dataset", "two", "--format", "dawin", *words)
    images, stored = exports.images(folder, "two"), exports.predictions(rows, store, method, "two")
    assert exports.routed(out, images) == stored["prediction"].to_list()
    found = Router(out)(images)
    losses = -functional.log_softmax(found.logits.double(), 1)[range(30), stored["label"].to_list()]
    np.testing.assert_allclose(losses, stored["loss"], rtol=1e-4, atol=1e-5)
    assert len(set(found.clusters.tolist())) == {"clusters": 2, "bins": 5, "samples": 1}[Router(out).rules["kind"]]
    for number, name in enumerate(("base", "tuned")):
        entropies = exports.predictions(rows, store, f"individual/{name}", "two")["entropy"]
        np.testing.assert_allclose(found.entropies[:, number], entropies, rtol=1e-4, atol=1e-6)


def test_each_cluster_is_a_model_that_others_load(whole_clips, tmp_path):
    """A cluster's folder holds its merge in all forms, with the coefficients of the record."""
    folder, file, store, _ = whole_clips
    out = exports.exported(file, store, "dawin/clusters-2", tmp_path / "out", "--dataset", "one")
    record, images = json.loads((out / "dawin.json").read_text()), exports.images(folder, "one")
    assert len(record["coefficients"]) == 2
    for number, row in enumerate(record["coefficients"]):
        place = out / f"cluster-{number}"
        logits = exports.logits_of(exports.merged(row), images)
        with torch.no_grad():
            features = open_clip.create_model(f"local-dir:{place}").eval().encode_image(images)
        torch.testing.assert_close(exports.scored(features, exports.ours(place)), logits, rtol=1e-5, atol=1e-5)
        assert (place / "model.safetensors").is_file()
    assert sorted(path.name for path in (out / "model-tuned").iterdir()) == ["checkpoint.safetensors"]


@pytest.fixture(scope="module")
def three(tmp_path_factory, prefect_api):
    """The same of three CLIPs."""
    folder = tmp_path_factory.mktemp("three")
    file, store = exports.build(folder, 3, baselines=["individual"]), str(folder / "store")
    return folder, file, store, runs.run(file, store)


@pytest.mark.parametrize("method", MERGES)
def test_three_models_are_routed_by_the_simplex(three, tmp_path, method):
    """Dirichlet clusters, bins by k-means and per-sample merges of three models give the run's predictions."""
    folder, file, store, rows = three
    out = exports.exported(file, store, method, tmp_path / "out", "--dataset", "one", "--format", "dawin")
    images = exports.images(folder, "one")
    assert exports.routed(out, images) == exports.predictions(rows, store, method, "one")["prediction"].to_list()


@pytest.mark.parametrize("method", ["dawin/clusters-2", "dawin/bins-4", "dawin/samples"])
def test_task_vectors_are_routed_by_the_fine_tuned_models(multi_task, table, tmp_path, method):
    """With heads outside the checkpoints and a scale, the base is merged but not compared; the run's classes result."""
    rows, store = table
    file = str(multi_task / "multi.yaml")
    out = exports.exported(file, store, method, tmp_path / "out", "--dataset", "b", "--format", "dawin")
    images = exports.images(multi_task, "b")
    stored = tasks_example.stored((rows, store), method, "b")
    assert exports.routed(out, images) == stored["prediction"].to_list()
    rules = json.loads((out / "router.json").read_text())
    assert (rules["models"], rules["scale"]) == (["first", "second", "third"], 0.3)
    record = json.loads((out / "dawin.json").read_text())
    np.testing.assert_allclose(np.array(record["coefficients"]).sum(1), 1)


def test_classes_of_a_label_space_are_routed_by_their_own_logits(tmp_path, prefect_api):
    """ImageNet-A scores 200 of the head's 1,000 classes: entropies and predictions are those of the 200."""
    synsets = (files("timm") / "data" / "_info" / "imagenet_a_synsets.txt").read_text().split()
    for number in range(24):
        (tmp_path / "a" / synsets[7 * number]).mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "a" / synsets[7 * number] / "0.png")
    datasets = [{"name": "a", "images": "a", "label_space": "imagenet-a"}]
    file = exports.build(tmp_path, classes=1000, datasets=datasets, baselines=["individual"])
    rows = runs.run(file, tmp_path / "store")
    out = exports.exported(file, tmp_path / "store", "dawin/clusters-2", tmp_path / "out", "--format", "dawin")
    stored = exports.predictions(rows, tmp_path / "store", "dawin/clusters-2", "a")
    assert exports.routed(out, exports.images(tmp_path, "a")) == stored["prediction"].to_list()
    record, rules = (json.loads((out / name).read_text()) for name in ("dawin.json", "router.json"))
    assert record["groups"] == rules["groups"]
    assert (len(rules["groups"]), len(exports.ours(out / "cluster-0")["head.bias"])) == (200, 1000)


def test_a_tower_of_another_kind_is_exported_in_the_forms_that_hold_it(tmp_path, prefect_api, capsys):
    """A tower with layer scale fits open_clip's form; Hugging Face's is left out, and refused on request."""
    file = exports.build(tmp_path, vision={"ls_init_value": 0.5}, baselines=["individual"])
    store = str(tmp_path / "store")
    rows = runs.run(file, store)
    words = ["export", file, "--method", "dawin/clusters-2", "--dataset", "one", "--store", store, "-o"]
    assert main([*words, str(tmp_path / "no"), "--format", "hugging-face"]) == 2
    assert (
        "its CLIP has no vision tower with ls_init_value: 0.5; the tower fits dawin, open-clip"
        in capsys.readouterr().err
    )
    assert main([*words, str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "note: hugging-face was left out: its CLIP has no vision tower with ls_init_value: 0.5" in shown
    assert "note: router.py cannot run this tower: Router().route(logits) routes by given logits" in shown
    images, place = exports.images(tmp_path, "one"), tmp_path / "out"
    outputs = []
    for name in ("base", "tuned"):
        state = exports.ours(place / f"model-{name}")
        tower = exports.clip(ls_init_value=0.5).visual
        tower.load_state_dict({n.removeprefix("visual."): t for n, t in state.items() if n.startswith("visual.")})
        outputs.append(exports.scored(tower(images), state))
    found, _, _ = Router(place).route(outputs)
    stored = exports.predictions(rows, store, "dawin/clusters-2", "one")
    logits = torch.empty(30, 3)
    for k in (0, 1):
        whole = open_clip.create_model(f"local-dir:{place}/cluster-{k}").eval()
        with torch.no_grad():
            logits[found == k] = exports.scored(whole.encode_image(images), exports.ours(place / f"cluster-{k}"))[
                found == k
            ]
    assert logits.argmax(1).tolist() == stored["prediction"].to_list()


def test_graphs_are_written_where_they_are_asked_for(whole_clips, tmp_path):
    """ONNX graphs of a static merge and of samples give the logits of torch; other exports have none."""
    runtime = pytest.importorskip("onnxruntime")
    folder, file, store, _ = whole_clips
    images = exports.images(folder, "one")[:5]
    out = exports.exported(file, store, "wise-ft/0.30", tmp_path / "plain", "--format", "onnx")
    assert {path.name for path in out.iterdir()} == {"dawin.onnx", "dawin.json", "README.md"}
    (logits,) = runtime.InferenceSession(str(out / "dawin.onnx")).run(["logits"], {"images": images.numpy()})
    np.testing.assert_allclose(logits, exports.logits_of(exports.merged((0.7, 0.3)), images), rtol=1e-4, atol=1e-4)
    words = ("--dataset", "one", "--format", "onnx")
    out = exports.exported(file, store, "dawin/samples", tmp_path / "samples", *words)
    found = Router(out)(images)
    got = runtime.InferenceSession(str(out / "dawin.onnx")).run(["logits", "coefficients"], {"images": images.numpy()})
    for value, wanted in zip(got, (found.logits, found.coefficients), strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-4)
    given = {"images": images.numpy(), "coefficients": found.coefficients.float().numpy()}
    (logits,) = runtime.InferenceSession(str(out / "samples.onnx")).run(["logits"], given)
    np.testing.assert_allclose(logits, found.logits, rtol=1e-4, atol=1e-4)
    assert "samples.onnx" in json.loads((out / "dawin.json").read_text())["files"]
