"""Exported folders: other libraries load them, `router.py` alone classifies images, and wrong requests are refused."""

import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

import exports
import multi_task as tasks_example
import numpy as np
import open_clip
import pytest
import runs
import safetensors.torch
import tiny
import torch
from PIL import Image
from torch.nn import functional

from flows.cli import main
from tasks.exporting.router import Router
from tasks.merging.combination import combine
from tasks.models.classifier import build_classifier

pytestmark = [pytest.mark.xdist_group("export")]

MERGES = ["dawin/clusters-2", "dawin/bins-5", "dawin/samples"]
TEXT = torch.tensor([[62, 5, 9, 63, 0, 0, 0, 0], [62, 8, 63, 0, 0, 0, 0, 0]])


@pytest.fixture(scope="module")
def ran(tmp_path_factory, prefect_api):
    """Two whole CLIPs and their run: the experiment's folder, its file, its store and the results."""
    folder = tmp_path_factory.mktemp("ran")
    file, store = exports.build(folder, baselines=BASELINES), str(folder / "store")
    return folder, file, store, runs.run(file, store)


BASELINES = ["individual", "wise-ft", "output-ensemble", "classifier-selection", "oracle", "random", "ties/0.30"]


def merged(folder, count, row):
    """The state of a merge by independent code, head included, by open_clip's names."""
    found = []
    for state in exports.states(count):
        visual = {name: tensor for name, tensor in state.items() if name.startswith("visual.")}
        head = {f"head.{kind}": state[f"classification_head.{kind}"] for kind in ("weight", "bias")}
        found.append({**visual, **head})
    return combine(found, row)


def logits_of(state, images):
    """The logits of a state, run by the pipeline's own classifier."""
    described = {"embed_dim": exports.FEATURES, "quick_gelu": True, "vision_cfg": exports.VISION}
    return build_classifier(state, "a test", json.dumps(described))(images)


def models_at(**places):
    """A setting that names models by their checkpoints."""
    return f"models=[{', '.join(f'{{name: {name}, checkpoint: {place}}}' for name, place in places.items())}]"


def scored(features, head):
    """Logits of features with an exported head."""
    return functional.normalize(features, dim=-1) @ head["head.weight"].T + head["head.bias"]


def ours(folder):
    """The tensors in our own form."""
    return safetensors.torch.load_file(folder / "checkpoint.safetensors")


def test_a_static_merge_is_loaded_by_everybody_with_the_same_logits(ran, tmp_path):
    """Our file, open_clip's folder and transformers' model give the logits of the merged model, texts included."""
    transformers = pytest.importorskip("transformers")
    folder, file, store, _ = ran
    out = exports.exported(file, store, "wise-ft/0.30", tmp_path / "out", "--dataset", "one")
    images, state = exports.images(folder, "one"), ours(out)
    wanted = merged(folder, 2, (0.7, 0.3))
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in wanted.items())
    logits = logits_of(wanted, images)
    whole = open_clip.create_model(f"local-dir:{out}").eval()
    theirs = transformers.CLIPModel.from_pretrained(out).eval()
    tower = transformers.CLIPVisionModelWithProjection.from_pretrained(out).eval()
    with torch.no_grad():
        for features in (
            whole.encode_image(images),
            theirs.get_image_features(pixel_values=images).pooler_output,
            tower(pixel_values=images).image_embeds,
        ):
            torch.testing.assert_close(scored(features, state), logits, rtol=1e-5, atol=1e-5)
        texts = exports.clip().encode_text(TEXT)
        torch.testing.assert_close(whole.encode_text(TEXT), texts, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(theirs.get_text_features(input_ids=TEXT).pooler_output, texts, rtol=1e-5, atol=1e-5)
        assert float(theirs.logit_scale) == float(whole.logit_scale) == float(exports.clip().logit_scale)


def test_the_preprocessing_beside_the_weights_is_the_runs(ran, tmp_path):
    """open_clip's transform and transformers' image processor make the tensors that the run saw."""
    transformers = pytest.importorskip("transformers")
    folder, file, store, _ = ran
    out = exports.exported(file, store, "wise-ft/0.30", tmp_path / "out")
    _, transform = open_clip.create_model_from_pretrained(f"local-dir:{out}")
    path = min((folder / "one").rglob("*.png"), key=lambda path: (path.parent.name, path.name))
    wanted = exports.images(folder, "one")[0]
    assert torch.equal(transform(Image.open(path)), wanted)
    square = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    processor = transformers.CLIPImageProcessor.from_pretrained(out)
    got = processor(images=square, return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(got, transform(square), rtol=1e-5, atol=1e-5)


def test_the_predictions_of_an_exported_model_are_the_runs(ran, tmp_path):
    """A static merge, a made model and an individual one predict what the store holds for them."""
    folder, file, store, rows = ran
    images = exports.images(folder, "two")
    for method in ("wise-ft/0.30", "ties/0.30", "individual/tuned"):
        out = exports.exported(file, store, method, tmp_path / method.replace("/", "-"), "--format", "dawin")
        logits = logits_of(ours(out), images)
        stored = exports.predictions(rows, store, method, "two")
        assert logits.argmax(1).tolist() == stored["prediction"].to_list()
        losses = -functional.log_softmax(logits.double(), 1)[range(30), stored["label"].to_list()]
        np.testing.assert_allclose(losses, stored["loss"], rtol=1e-4, atol=1e-5)


def test_our_form_is_inspected_and_is_a_model_of_another_experiment(ran, tmp_path, capsys):
    """`dawin inspect` describes it by its own header, and an experiment that names it runs to the same predictions."""
    folder, file, store, rows = ran
    out = exports.exported(file, store, "wise-ft/0.30", tmp_path / "out", "--format", "dawin")
    capsys.readouterr()
    assert main(["inspect", str(out / "checkpoint.safetensors"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["family"], facts["head"]["classes"], facts["tower_source"]) == ("ours", 3, "the header of it")
    models = models_at(base=folder / "base.pt", merged=out / "checkpoint.safetensors")
    again = runs.run(file, tmp_path / "store", models, "baselines=[individual]", "merge.granularity=[]")
    got = exports.predictions(again, tmp_path / "store", "individual/merged", "one")
    wanted = exports.predictions(rows, store, "wise-ft/0.30", "one")
    assert got["prediction"].to_list() == wanted["prediction"].to_list()


@pytest.mark.parametrize("method", MERGES)
@pytest.mark.parametrize("settings", [(), ("merge.offset=false",)], ids=["offset", "plain"])
def test_the_router_alone_gives_the_predictions_of_the_run(ran, tmp_path, method, settings):
    """In a process with torch alone it prints the run's classes; losses and entropies are the run's to rounding."""
    folder, file, store, _ = ran
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


def test_each_cluster_is_a_model_that_others_load(ran, tmp_path):
    """A cluster's folder holds its merge in all forms, with the coefficients of the record."""
    folder, file, store, _ = ran
    out = exports.exported(file, store, "dawin/clusters-2", tmp_path / "out", "--dataset", "one")
    record, images = json.loads((out / "dawin.json").read_text()), exports.images(folder, "one")
    assert len(record["coefficients"]) == 2
    for number, row in enumerate(record["coefficients"]):
        place = out / f"cluster-{number}"
        logits = logits_of(merged(folder, 2, row), images)
        with torch.no_grad():
            features = open_clip.create_model(f"local-dir:{place}").eval().encode_image(images)
        torch.testing.assert_close(scored(features, ours(place)), logits, rtol=1e-5, atol=1e-5)
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
    assert (len(rules["groups"]), len(ours(out / "cluster-0")["head.bias"])) == (200, 1000)


def test_a_static_merge_of_tasks_has_the_head_of_the_data_set_that_is_named(multi_task, table, tmp_path, capsys):
    """Without a data set the tower is exported alone, and the message says so."""
    rows, store = table
    file = str(multi_task / "multi.yaml")
    out = exports.exported(file, store, "ties/0.30", tmp_path / "with", "--dataset", "c")
    logits = tiny_logits(ours(out), exports.images(multi_task, "c"))
    stored = tasks_example.stored((rows, store), "ties/0.30", "c")
    assert logits.argmax(1).tolist() == stored["prediction"].to_list()
    capsys.readouterr()
    words = ["export", file, "--method", "ties/0.30", "--store", store, "-o", str(tmp_path / "alone")]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "no head was written, since the data sets have heads of their own: --dataset names one of a, b, c" in shown
    alone = ours(tmp_path / "alone")
    assert not [name for name in alone if name.startswith("head.")]
    assert all(torch.equal(alone[name], ours(out)[name]) for name in alone)
    record = json.loads((tmp_path / "alone" / "dawin.json").read_text())
    assert (record["dataset"], record["classes"], record["made"]["method"]) == (None, [], "ties")
    assert record["merged"] == ["base", "ties"]


def tiny_logits(state, images):
    """The logits of a tiny classifier with a state's tensors."""
    module = tiny.classifier(0, classes=len(state["head.bias"]))
    module.load_state_dict(state)
    return module(images)


def test_a_tower_without_a_text_tower_is_loaded_as_the_page_says(tmp_path, prefect_api):
    """Transformers loads the vision model, and open_clip's CLIP the tensors of its vision tower."""
    transformers = pytest.importorskip("transformers")
    file, store = tiny.experiment(tmp_path), tmp_path / "store"
    out = exports.exported(file, store, "wise-ft/0.50", tmp_path / "out")
    images, state = exports.images(tmp_path, "one"), ours(out)
    logits = tiny_logits(state, images)
    theirs = transformers.CLIPVisionModelWithProjection.from_pretrained(out).eval()
    configuration = json.loads((out / "open_clip_config.json").read_text())["model_cfg"]
    whole = open_clip.CLIP(**configuration, text_cfg={"layers": 1}).eval()
    weights = safetensors.torch.load_file(out / "open_clip_model.safetensors")
    assert not whole.load_state_dict(weights, strict=False).unexpected_keys
    with torch.no_grad():
        for features in (theirs(pixel_values=images).image_embeds, whole.encode_image(images)):
            torch.testing.assert_close(scored(features, state), logits, rtol=1e-5, atol=1e-5)


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
        state = ours(place / f"model-{name}")
        tower = exports.clip(ls_init_value=0.5).visual
        tower.load_state_dict({n.removeprefix("visual."): t for n, t in state.items() if n.startswith("visual.")})
        outputs.append(scored(tower(images), state))
    found, _, _ = Router(place).route(outputs)
    stored = exports.predictions(rows, store, "dawin/clusters-2", "one")
    logits = torch.empty(30, 3)
    for k in (0, 1):
        whole = open_clip.create_model(f"local-dir:{place}/cluster-{k}").eval()
        with torch.no_grad():
            logits[found == k] = scored(whole.encode_image(images), ours(place / f"cluster-{k}"))[found == k]
    assert logits.argmax(1).tolist() == stored["prediction"].to_list()


def test_the_record_names_everything_and_its_digests_are_those_of_the_files(ran, tmp_path, capsys):
    """`dawin.json` holds models, coefficients, the run and the command, which writes the same bytes again."""
    _, file, store, rows = ran
    words = ["export", file, "--method", "dawin/samples", "--dataset", "two", "--store", store, "--json", "-o"]
    assert main([*words, str(tmp_path / "out")]) == 0
    document, record = json.loads(capsys.readouterr().out), json.loads((tmp_path / "out" / "dawin.json").read_text())
    found = {
        str(path.relative_to(tmp_path / "out")): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found.keys() - record["files"].keys() == {"dawin.json", "README.md"}
    assert {name: found[name] for name in record["files"]} == record["files"]
    assert {one["name"] for one in document["files"]} == found.keys()
    row = rows.filter(method="dawin/samples", dataset="two", metric="top1").row(0, named=True)
    assert (record["run_id"], record["predictions_id"]) == (row["run_id"], row["samples_id"])
    assert [model["name"] for model in record["models"]] == ["base", "tuned"]
    assert (record["kind"], record["classes"]) == ("samples", ["class0", "class1", "class2"])
    command = record["command"].split()[1:]
    assert main([*command[:-1], str(tmp_path / "again")]) == 0
    assert json.loads((tmp_path / "again" / "dawin.json").read_text())["files"] == record["files"]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("output-ensemble/uniform", "the outputs of several models are combined, so that no merged model exists"),
        ("classifier-selection", "the outputs of several models are combined, so that no merged model exists"),
        ("random/uniform", "coefficients are drawn at random for each sample"),
        ("oracle/samples", "coefficients come from the true labels, which new images do not have"),
    ],
)
def test_a_method_without_a_model_is_refused_with_what_could_be_exported(ran, tmp_path, capsys, method, message):
    """One line names the reason and the experiment's methods that have models; no folder is left."""
    _, file, store, _ = ran
    assert main(["export", file, "--method", method, "--store", store, "-o", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dawin: --method {method}: {message}; methods that can be exported: individual/base, ")
    assert {"wise-ft/0.50,", "ties/0.30,", "dawin/clusters-2,", "dawin/samples"} <= set(line.split())
    assert "output-ensemble" not in line.partition("exported:")[2]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("dawin/clusters-2", (), "holds no fit of it on data set one; run it first: dawin run "),
        ("dawin/bins-5", (), "holds no fit of it on data set one; run it first: dawin run "),
        ("dawin/samples", (), "holds no fit of it on data set one; run it first: dawin run "),
        ("ties/0.30", (), "does not hold the model of ties; run it first: dawin run "),
        ("dawin/samples", ("merge.expertise=margin",), "router.py routes by entropy, the experiment measures "),
    ],
)
def test_a_method_that_no_run_has_fitted_is_refused(  # noqa: PLR0917  fixtures
    ran, tmp_path, capsys, method, settings, message
):
    """The message names the data set, or the model, and the command that computes it."""
    _, file, _, _ = ran
    words = [word for one in settings for word in ("--set", one)]
    empty = ["--store", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]
    assert main(["export", file, "--method", method, *words, *empty]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_per_sample_merge_without_an_offset_needs_no_run(ran, tmp_path):
    """Nothing is fitted where each sample's own entropies decide, so that an empty store is enough."""
    _, file, _, _ = ran
    out = exports.exported(file, tmp_path / "empty", "dawin/samples", tmp_path / "out", "--set", "merge.offset=false")
    assert json.loads((out / "dawin.json").read_text())["run_id"] is None
    assert json.loads((out / "router.json").read_text())["offset"] == [0.0, 0.0]


def test_a_folder_that_holds_files_is_refused_before_anything_is_read(tmp_path, capsys):
    """The experiment's inputs are not even looked at for it."""
    file = tiny.experiment(tmp_path)
    (tmp_path / "base.pt").unlink()
    assert main(["export", file, "--method", "wise-ft/0.50", "-o", str(tmp_path)]) == 2
    assert "wanted an empty or a new folder, it holds one" in capsys.readouterr().err


def test_a_disk_that_is_full_leaves_no_folder(ran, tmp_path, monkeypatch, capsys):
    """An error of the third form removes the first two, and the message is one line with the system's reason."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tasks.exporting.hugging_face_format.HuggingFaceFormat.write", full)
    _, file, store, _ = ran
    assert main(["export", file, "--method", "wise-ft/0.50", "--store", store, "-o", str(tmp_path / "out")]) == 2
    assert f"dawin: -o {tmp_path}/out: cannot be written (No space left on device)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_changes_while_it_is_read_is_refused(ran, tmp_path, monkeypatch, capsys):
    """A folder with the numbers of two files would be nobody's; none is left."""
    from tasks.exporting.weight_sets import MergedWeights

    folder = tmp_path / "changing"
    file = exports.build(folder)
    safetensors.torch.save_file(exports.states(2)[1], folder / "tuned.safetensors")
    tensors = MergedWeights.tensors

    def changed(self, weights):
        yield from tensors(self, weights)
        with (folder / "tuned.safetensors").open("r+b") as content:
            content.seek(-4, 2)
            content.write(b"\0\0\0\1")

    monkeypatch.setattr(MergedWeights, "tensors", changed)
    models = models_at(base=folder / "base.pt", tuned=folder / "tuned.safetensors")
    words = ["--set", models, "--store", str(tmp_path / "store"), "-o", str(tmp_path / "out")]
    assert main(["export", file, "--method", "wise-ft/0.50", *words]) == 2
    assert "changed since the run began" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_graphs_are_written_where_they_are_asked_for(ran, tmp_path):
    """ONNX graphs of a static merge and of samples give the logits of torch; other exports have none."""
    runtime = pytest.importorskip("onnxruntime")
    folder, file, store, _ = ran
    images = exports.images(folder, "one")[:5]
    out = exports.exported(file, store, "wise-ft/0.30", tmp_path / "plain", "--format", "onnx")
    assert {path.name for path in out.iterdir()} == {"dawin.onnx", "dawin.json", "README.md"}
    (logits,) = runtime.InferenceSession(str(out / "dawin.onnx")).run(["logits"], {"images": images.numpy()})
    np.testing.assert_allclose(logits, logits_of(merged(folder, 2, (0.7, 0.3)), images), rtol=1e-4, atol=1e-4)
    words = ("--dataset", "one", "--format", "onnx")
    out = exports.exported(file, store, "dawin/samples", tmp_path / "samples", *words)
    found = Router(out)(images)
    got = runtime.InferenceSession(str(out / "dawin.onnx")).run(["logits", "coefficients"], {"images": images.numpy()})
    for value, wanted in zip(got, (found.logits, found.coefficients), strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-4)
    given = {"images": images.numpy(), "coefficients": found.coefficients.float().numpy()}
    (logits,) = runtime.InferenceSession(str(out / "samples.onnx")).run(["logits"], given)
    np.testing.assert_allclose(logits, found.logits, rtol=1e-4, atol=1e-4)
    assert Path(out / "samples.onnx").name in json.loads((out / "dawin.json").read_text())["files"]
