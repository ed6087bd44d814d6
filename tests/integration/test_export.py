"""Exported folders: other libraries load them, and the record says what they are."""

import contextlib
import hashlib
import json

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

pytestmark = [pytest.mark.xdist_group("export")]

TEXT = torch.tensor([[62, 5, 9, 63, 0, 0, 0, 0], [62, 8, 63, 0, 0, 0, 0, 0]])


def test_a_static_merge_is_loaded_by_everybody_with_the_same_logits(whole_clips, tmp_path):
    """Our file, open_clip's folder and transformers' model give the logits of the merged model, texts included."""
    transformers = pytest.importorskip("transformers")
    folder, file, store, _ = whole_clips
    out = exports.exported(file, store, "wise-ft/0.30", tmp_path / "out", "--dataset", "one")
    images, state = exports.images(folder, "one"), exports.ours(out)
    wanted = exports.merged((0.7, 0.3))
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in wanted.items())
    logits = exports.logits_of(wanted, images)
    whole = open_clip.create_model(f"local-dir:{out}").eval()
    theirs = transformers.CLIPModel.from_pretrained(out).eval()
    tower = transformers.CLIPVisionModelWithProjection.from_pretrained(out).eval()
    with torch.no_grad():
        for features in (
            whole.encode_image(images),
            theirs.get_image_features(pixel_values=images).pooler_output,
            tower(pixel_values=images).image_embeds,
        ):
            torch.testing.assert_close(exports.scored(features, state), logits, rtol=1e-5, atol=1e-5)
        texts = exports.clip().encode_text(TEXT)
        torch.testing.assert_close(whole.encode_text(TEXT), texts, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(theirs.get_text_features(input_ids=TEXT).pooler_output, texts, rtol=1e-5, atol=1e-5)
        assert float(theirs.logit_scale) == float(whole.logit_scale) == float(exports.clip().logit_scale)


def test_the_preprocessing_beside_the_weights_is_the_runs(whole_clips, tmp_path):
    """open_clip's transform and transformers' image processor make the tensors that the run saw."""
    transformers = pytest.importorskip("transformers")
    folder, file, store, _ = whole_clips
    out = exports.exported(file, store, "wise-ft/0.30", tmp_path / "out")
    _, transform = open_clip.create_model_from_pretrained(f"local-dir:{out}")
    path = min((folder / "one").rglob("*.png"), key=lambda path: (path.parent.name, path.name))
    wanted = exports.images(folder, "one")[0]
    assert torch.equal(transform(Image.open(path)), wanted)
    square = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    processor = transformers.CLIPImageProcessor.from_pretrained(out)
    got = processor(images=square, return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(got, transform(square), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("width", "shift"), [(20, 0), (18, 0), (19, 1)])
def test_transformers_cuts_the_middle_out_a_pixel_further_left_where_the_page_says_so(
    whole_clips, tmp_path, width, shift
):
    """Of 3 pixels too many, open_clip leaves 2 on the left and transformers 1."""
    transformers = pytest.importorskip("transformers")
    _, file, store, _ = whole_clips
    out = exports.exported(file, store, "wise-ft/0.30", tmp_path / "out")
    _, transform = open_clip.create_model_from_pretrained(f"local-dir:{out}")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, width, 3), dtype=np.uint8))
    left = round((width - 16) / 2) - shift
    processor = transformers.CLIPImageProcessor.from_pretrained(out)
    got = processor(images=picture, return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(got, transform(picture.crop((left, 0, left + 16, 16))), rtol=1e-5, atol=1e-5)
    assert torch.allclose(got, transform(picture), atol=1e-5) == (shift == 0)


def test_the_predictions_of_an_exported_model_are_the_runs(whole_clips, tmp_path):
    """A static merge, a made model and an individual one predict what the store holds for them."""
    folder, file, store, rows = whole_clips
    images = exports.images(folder, "two")
    for method in ("wise-ft/0.30", "ties/0.30", "individual/tuned"):
        out = exports.exported(file, store, method, tmp_path / method.replace("/", "-"), "--format", "dawin")
        logits = exports.logits_of(exports.ours(out), images)
        stored = exports.predictions(rows, store, method, "two")
        assert logits.argmax(1).tolist() == stored["prediction"].to_list()
        losses = -functional.log_softmax(logits.double(), 1)[range(30), stored["label"].to_list()]
        np.testing.assert_allclose(losses, stored["loss"], rtol=1e-4, atol=1e-5)


def test_our_form_is_inspected_and_is_a_model_of_another_experiment(whole_clips, tmp_path, capsys):
    """`dawin inspect` describes it by its own header, and an experiment that names it runs to the same predictions."""
    folder, file, store, rows = whole_clips
    out = exports.exported(file, store, "wise-ft/0.30", tmp_path / "out", "--format", "dawin")
    capsys.readouterr()
    assert main(["inspect", str(out / "checkpoint.safetensors"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["family"], facts["head"]["classes"], facts["tower_source"]) == ("ours", 3, "the header of it")
    models = exports.models_at(base=folder / "base.pt", merged=out / "checkpoint.safetensors")
    again = runs.run(file, tmp_path / "store", models, "baselines=[individual]", "merge.granularity=[]")
    got = exports.predictions(again, tmp_path / "store", "individual/merged", "one")
    wanted = exports.predictions(rows, store, "wise-ft/0.30", "one")
    assert got["prediction"].to_list() == wanted["prediction"].to_list()


def test_a_static_merge_of_tasks_has_the_head_of_the_data_set_that_is_named(multi_task, table, tmp_path, capsys):
    """Without a data set the tower is exported alone, and the message says so."""
    rows, store = table
    file = str(multi_task / "multi.yaml")
    out = exports.exported(file, store, "ties/0.30", tmp_path / "with", "--dataset", "c")
    logits = tiny_logits(exports.ours(out), exports.images(multi_task, "c"))
    stored = tasks_example.stored((rows, store), "ties/0.30", "c")
    assert logits.argmax(1).tolist() == stored["prediction"].to_list()
    capsys.readouterr()
    words = ["export", file, "--method", "ties/0.30", "--store", store, "-o", str(tmp_path / "alone")]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "no head was written, since the data sets have heads of their own: --dataset names one of a, b, c" in shown
    alone = exports.ours(tmp_path / "alone")
    assert not [name for name in alone if name.startswith("head.")]
    assert all(torch.equal(alone[name], exports.ours(out)[name]) for name in alone)
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
    images, state = exports.images(tmp_path, "one"), exports.ours(out)
    logits = tiny_logits(state, images)
    theirs = transformers.CLIPVisionModelWithProjection.from_pretrained(out).eval()
    configuration = json.loads((out / "open_clip_config.json").read_text())["model_cfg"]
    whole = open_clip.CLIP(**configuration, text_cfg={"layers": 1}).eval()
    weights = safetensors.torch.load_file(out / "open_clip_model.safetensors")
    assert not whole.load_state_dict(weights, strict=False).unexpected_keys
    with torch.no_grad():
        for features in (theirs(pixel_values=images).image_embeds, whole.encode_image(images)):
            torch.testing.assert_close(exports.scored(features, state), logits, rtol=1e-5, atol=1e-5)


def test_the_record_names_everything_and_its_digests_are_those_of_the_files(whole_clips, tmp_path, capsys):
    """`dawin.json` holds models, coefficients, the run and the command, which writes the same bytes again."""
    folder, file, store, rows = whole_clips
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
    assert str(folder) not in record["command"]  # which is published: it names files alone
    with contextlib.chdir(folder):
        assert main([*record["command"].split()[1:-1], str(tmp_path / "again")]) == 0
    assert json.loads((tmp_path / "again" / "dawin.json").read_text())["files"] == record["files"]


def test_another_precision_of_the_run_is_said(whole_clips, tmp_path, capsys):
    """The weights are the same float32 numbers, and a note says that the run computes otherwise."""
    _, file, store, _ = whole_clips
    plain = exports.exported(file, store, "wise-ft/0.30", tmp_path / "plain", "--format", "dawin")
    capsys.readouterr()
    words = ["--method", "wise-ft/0.30", "--store", store, "--format", "dawin", "-o", str(tmp_path / "half")]
    assert main(["export", file, *words, "--set", "precision=bf16"]) == 0
    assert "note: the files hold float32; the run computes in bf16" in capsys.readouterr().out
    assert (tmp_path / "half" / "checkpoint.safetensors").read_bytes() == (
        plain / "checkpoint.safetensors"
    ).read_bytes()
