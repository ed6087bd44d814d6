"""Zero-shot heads have open_clip's and transformers' own numbers, and each is made once in a store."""

import json
import logging

import open_clip
import pytest
import safetensors.torch
import tiny
import torch
from open_clip.model import CLIP

from flows.experiment.file import load_experiment
from flows.experiment.input_settings import TextHeadSettings
from flows.planning.check import checked_plan
from storage.manifests import committed
from storage.store import Store
from tasks.datasets import prompts
from tasks.datasets.catalogue import CATALOGUE
from tasks.datasets.prompts import prompts_of
from tasks.errors import CheckpointError, DatasetError, InputError
from tasks.models.families.registry import recognise
from tasks.models.text_tower import text_features, zero_shot_head
from tasks.opening.load_models import load_head, load_state

VISION = {"layers": 1, "width": 64, "patch_size": 8, "image_size": 16, "mlp_ratio": 2.0}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2}
CLASSES = ["tench", "goldfish", "great white shark"]
TEMPLATES = ["a photo of a {}.", "itap of a {}."]


@pytest.fixture(scope="module")
def clip():
    """A whole CLIP with OpenAI's activation."""
    torch.manual_seed(0)
    return CLIP(16, VISION, TEXT, quick_gelu=True).eval()


def test_a_head_is_open_clips_zero_shot_classifier(clip):
    """The head equals open_clip's zero-shot classifier multiplied by the logit scale, and its bias is zero."""
    ours = zero_shot_head(clip.state_dict(), CLASSES, TEMPLATES, "here")
    wanted = open_clip.build_zero_shot_classifier(clip, open_clip.tokenizer.SimpleTokenizer(), CLASSES, TEMPLATES)
    torch.testing.assert_close(ours["head.weight"], wanted.T * clip.logit_scale.exp(), rtol=1e-5, atol=1e-5)
    assert not ours["head.bias"].any()
    assert text_features(clip.state_dict()) == 16


def test_hugging_faces_text_tower_is_understood():
    """A head of Hugging Face's text tower holds the embeddings that transformers computes itself."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    text = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 1}
    text |= {"vocab_size": 49408, "hidden_act": "quick_gelu", "eos_token_id": 49407, "bos_token_id": 49406}
    vision = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 1}
    settings = transformers.CLIPConfig(
        text_config=text, vision_config={**vision, "image_size": 16, "patch_size": 8}, projection_dim=16
    )
    model = transformers.CLIPModel(settings).eval()
    head = zero_shot_head(recognise(model.state_dict(), "here").tensors, CLASSES, TEMPLATES[:1], "here")
    tokens = open_clip.tokenizer.SimpleTokenizer()([TEMPLATES[0].format(name) for name in CLASSES])
    with torch.no_grad():
        pooled = model.text_model(input_ids=tokens).pooler_output
        wanted = torch.nn.functional.normalize(model.text_projection(pooled), dim=-1) * model.logit_scale.exp()
    torch.testing.assert_close(head["head.weight"], wanted, rtol=1e-4, atol=1e-4)


def test_without_a_text_tower_there_is_no_head(clip):
    """The message names the missing tensor and the settings that would help."""
    state = {name: tensor for name, tensor in clip.state_dict().items() if name.startswith("visual.")}
    assert text_features(state) is None
    with pytest.raises(CheckpointError, match=r"here: no text tower in it .*or a checkpoint with one"):
        zero_shot_head(state, CLASSES, TEMPLATES, "here")


@pytest.fixture
def experiment(tmp_path, clip):
    """The file of an experiment with two models without heads, the first with a text tower."""
    file = tiny.experiment(tmp_path, samples=6, baselines=["individual"])
    torch.save(clip.state_dict(), tmp_path / "base.pt")
    torch.save({n: t + 0.01 for n, t in clip.state_dict().items() if n.startswith("visual.")}, tmp_path / "tuned.pt")
    return file


def loaded(file, *overrides):
    store = Store(f"{file}-store")
    return checked_plan(load_experiment(file, overrides), store), store


HEAD = json.dumps({"classes": CLASSES, "templates": TEMPLATES})


def test_a_head_is_made_once_and_kept(experiment, clip, tmp_path):
    """The store keeps one head for both models; another template makes another head, and other outputs."""
    plan, store = loaded(experiment, f"heads={{'*': {HEAD}}}")
    states = [load_state(outputs, store) for of_dataset in plan.outputs for outputs in of_dataset]
    wanted = zero_shot_head(clip.state_dict(), CLASSES, TEMPLATES, "here")
    assert all(torch.equal(state["head.weight"], wanted["head.weight"]) for state in states)
    assert len(list(committed(store, "heads"))) == 1
    (tmp_path / "base.pt").rename(tmp_path / "away.pt")  # without it no head can be made
    assert torch.equal(load_head(plan.outputs[0][0].scored, store)["head.weight"], wanted["head.weight"])
    (tmp_path / "away.pt").rename(tmp_path / "base.pt")
    other, _ = loaded(experiment, f"heads={{'*': {{classes: {json.dumps(CLASSES)}, templates: ['{{}}']}}}}")
    assert other.outputs[0][0].id != plan.outputs[0][0].id


def test_another_checkpoints_text_tower_may_make_it(experiment, tmp_path, clip):
    """A checkpoint that is not among the models can make the head if the models have no text tower."""
    safetensors.torch.save_file(dict(clip.state_dict()), tmp_path / "text.safetensors")
    torch.save({n: t for n, t in clip.state_dict().items() if n.startswith("visual.")}, tmp_path / "base.pt")
    with pytest.raises(InputError, match=r"head of one: .*base.pt has no text tower to make it with"):
        loaded(experiment, f"heads={{'*': {HEAD}}}")
    head = {"text": "text.safetensors", "classes": CLASSES, "templates": TEMPLATES}
    file = tmp_path / "tiny.yaml"
    file.write_text(file.read_text() + f"heads: {json.dumps({'*': head})}\n")  # counted from the file's folder
    plan, store = loaded(str(file))
    assert load_state(plan.outputs[0][1], store)["head.weight"].shape == (3, 16)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ("{one: zero-shot, two: zero-shot}", "head of one: wanted `classes` and `templates`, or the data set's name"),
        ("{'*': {classes: [a, b], templates: ['{}']}}", "head of 2 classes.*which has 3 classes"),
        ("{'*': {classes: [a], templates: ['none']}}", "wanted one {} where the name goes, got 'none'"),
        ("{'*': {clases: [a]}}", "clases: no such setting"),
    ],
)
def test_a_head_that_cannot_be_made_is_refused(experiment, heads, message):
    """A head that cannot be made is refused before anything is computed, and the message names the fault."""
    with pytest.raises(InputError, match=message):
        loaded(experiment, f"heads={heads}")


@pytest.fixture
def lists(tmp_path, monkeypatch):
    """A clip_benchmark whose import would fail, with its two lists in their places."""
    folder = tmp_path / "site" / "clip_benchmark"
    (folder / "datasets").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('not to be imported')")
    names = {"mnist": list("0123456789"), "imagenet1k": []}
    templates = {"mnist": ['a photo of the number: "{c}".'], "sun397": ["a photo of a {c}."], "dtd": ["{c} texture"]}
    (folder / "datasets" / "en_classnames.json").write_text(json.dumps(names))
    (folder / "datasets" / "en_zeroshot_classification_templates.json").write_text(json.dumps(templates))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    prompts._lists.cache_clear()
    yield
    prompts._lists.cache_clear()


@pytest.mark.usefixtures("lists")
def test_prompts_of_the_catalogue():
    """ImageNet's prompts are open_clip's, others clip_benchmark's; a data set's own names fill gaps."""
    imagenet = prompts_of("imagenet", ())
    assert (len(imagenet.classes), len(imagenet.templates)) == (1000, 80)
    assert (imagenet.classes[0], imagenet.templates[0]) == ("tench", "a bad photo of a {}.")
    assert prompts_of("mnist", list("0123456789")).templates == ('a photo of the number: "{}".',)
    assert prompts_of("sun397", ["a/abbey", "b/bar/indoor", "a_airport_terminal"]).classes[:2] == (
        "abbey",
        "bar indoor",
    )
    digits = ["1", "0", *"23456789"]
    assert prompts_of("mnist", digits).classes == tuple(digits)  # the data set's own order, where names are the same
    with pytest.raises(DatasetError, match="sun397: neither clip_benchmark nor the data set has names of classes"):
        prompts_of("sun397", ())
    with pytest.raises(DatasetError, match="has no prompt templates of cars; it has mnist, sun397, dtd"):
        prompts_of("cars", ["x"])
    with pytest.raises(DatasetError, match="mnist: 10 names of classes in clip_benchmark, but the data set has 11"):
        prompts_of("mnist", ["x"] * 11)


def test_without_clip_benchmark_the_message_says_what_to_install(monkeypatch):
    """The message names the command that installs clip_benchmark and the settings that replace it."""
    prompts._lists.cache_clear()
    monkeypatch.setattr(prompts, "find_spec", lambda _name: None)
    with pytest.raises(DatasetError, match=r"not installed: pip install clip_benchmark; or write `classes`"):
        prompts_of("mnist", ["x"])


def test_the_catalogue_sets_what_is_not_set(tmp_path, caplog):
    """The catalogue gives group, label space and number of samples unless the experiment file sets them."""
    file = tiny.experiment(tmp_path, samples=6)
    data = f"[{{name: m, catalogue: mnist, images: {tmp_path}/one}}]"
    known = f"[{{name: m, catalogue: imagenet-r, label_space: own, group: id, images: {tmp_path}/one, limit: 4}}]"
    plan, _ = loaded(file, f"datasets={data}")
    assert (plan.datasets[0].group, plan.datasets[0].label_space) == ("tasks", None)
    assert plan.datasets[0].note == "6 samples, the catalogue says 10,000"
    plan, _ = loaded(file, f"datasets={known}")
    assert (plan.datasets[0].group, plan.datasets[0].label_space, plan.datasets[0].note) == ("id", None, None)
    with pytest.raises(InputError, match=r"no data set 'digits' in the catalogue; known: imagenet, imagenet-v2"):
        load_experiment(file, ("datasets.0.catalogue=digits",))
    assert all(record.source and record.samples for record in CATALOGUE.values())


def test_zero_shot_is_short_for_the_catalogues_prompts():
    """The word `zero-shot` equals empty head settings, and another word is a file."""
    from flows.experiment.settings import Experiment

    base = {
        "name": "x",
        "models": [{"name": n, "checkpoint": n} for n in "ab"],
        "datasets": [{"name": "d", "images": "i"}],
    }
    assert Experiment(**base, heads={"d": "zero-shot"}).head_of("d") == TextHeadSettings()
    assert Experiment(**base, heads={"*": "file"}).head_of("d") == "file"
    assert logging.getLogger("dawin.heads")
