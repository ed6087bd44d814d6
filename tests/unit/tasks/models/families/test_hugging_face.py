"""Hugging Face's checkpoints of CLIP: whole models, vision models, and towers that come without a projection."""

import json

import pytest
import safetensors.torch
import tiny
import torch
from checkpoints import HUGGING_FACE_VISION, IMAGES, features, read

from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.planning.checkpoint_records import checkpoint_file
from storage.store import Store
from tasks.errors import InputError
from tasks.models.classifier import build_classifier
from tasks.opening.inspect_checkpoint import inspect_checkpoint
from tasks.opening.load_models import load_state

transformers = pytest.importorskip("transformers")
TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 64}


def vision_model(seed=0):
    torch.manual_seed(seed)
    settings = transformers.CLIPVisionConfig(**HUGGING_FACE_VISION, projection_dim=24)
    return transformers.CLIPVisionModelWithProjection(settings).eval()


def whole_model():
    torch.manual_seed(0)
    settings = transformers.CLIPConfig(text_config=TEXT, vision_config=HUGGING_FACE_VISION, projection_dim=24)
    return transformers.CLIPModel(settings).eval()


@pytest.mark.parametrize("make", [whole_model, vision_model])
def test_a_folder_that_transformers_wrote_gives_transformers_features(tmp_path, make):
    """A whole model and a vision model have other names and separate projections, and `inspect` knows the family."""
    model = make()
    model.save_pretrained(tmp_path / "folder")
    with torch.no_grad():
        expected = model.visual_projection(model.vision_model(pixel_values=IMAGES).pooler_output)
    location = checkpoint_file(str(tmp_path / "folder"), "model x")
    torch.testing.assert_close(features(read(location.url)), expected, rtol=1e-5, atol=1e-5)
    assert inspect_checkpoint(location)["family"] == "hugging-face"


def plan_of(folder, **models):
    """Prepare an experiment of checkpoints, on three images and with a head of its own."""
    experiment = tiny.experiment(folder, samples=3, baselines=["individual"])
    chosen = [{"name": name, "checkpoint": str(path)} for name, path in models.items()]
    safetensors.torch.save_file({"weight": torch.randn(3, 24), "bias": torch.zeros(3)}, folder / "head.safetensors")
    overrides = (f"models={json.dumps(chosen)}", f"heads={{'*': {folder}/head.safetensors}}")
    return checked_plan(load_experiment(experiment, overrides), Store(str(folder / "store")))


@pytest.mark.parametrize("prefix", ["", "vision_model."])
def test_a_tower_without_projection_takes_the_bases(tmp_path, prefix):
    """Public fine-tunes hold a tower alone; its features are its output under the base's projection."""
    base = vision_model()
    tuned = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**HUGGING_FACE_VISION)).eval()
    base.save_pretrained(tmp_path / "base")
    (tmp_path / "tuned").mkdir()
    state = {prefix + name.removeprefix("vision_model."): tensor for name, tensor in tuned.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "tuned" / "model.safetensors")
    plan = plan_of(tmp_path, base=tmp_path / "base", tuned=tmp_path / "tuned")
    outputs = plan.outputs[0][1]
    assert outputs.model.projection.digest == plan.outputs[0][0].model.digest
    assert outputs.identity["projection"] == outputs.model.projection.digest
    tower = build_classifier(load_state(outputs, plan.store), "here")
    with torch.no_grad():
        expected = base.visual_projection(tuned(pixel_values=IMAGES).pooler_output)
        torch.testing.assert_close(tower.visual(IMAGES), expected, rtol=1e-5, atol=1e-5)


def test_a_base_without_projection_is_refused(tmp_path):
    """The base cannot take a projection from another model, and the message names the missing tensor."""
    tuned = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**HUGGING_FACE_VISION))
    tuned.save_pretrained(tmp_path / "tuned")
    with pytest.raises(InputError, match=r"visual.proj is missing"):
        plan_of(tmp_path, base=tmp_path / "tuned", tuned=tmp_path / "tuned")
