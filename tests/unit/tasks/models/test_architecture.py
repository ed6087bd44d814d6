"""Heads and activation are those of the file beside a checkpoint, or follow from its shape; otherwise it is refused."""

import json

import open_clip
import pytest
import tiny
import torch
from open_clip.model import CLIP, CLIPVisionCfg, _build_vision_tower

from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from storage.locations import Location
from storage.store import Store
from tasks.errors import CheckpointError, InputError, ModelMismatch
from tasks.models.architecture import configuration_in, described
from tasks.models.checkpoint import read_checkpoint
from tasks.models.classifier import build_classifier
from tasks.models.descriptions import hugging_face_architecture
from tasks.models.identification import identify
from tasks.models.tower import build_named_tower
from tasks.opening.convert_checkpoint import convert_checkpoint
from tasks.opening.inspect_checkpoint import inspect_checkpoint
from tasks.opening.model_descriptions import read_beside

IMAGES = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(7))
WIDTHS = [32, 64, 80, 88, 104]  # of one head: small models, OpenAI's, ViT-H, ViT-g, ViT-bigG


def our_features(path):
    """The features of the tower that the pipeline builds for a checkpoint and the files beside it."""
    location = Location(str(path))
    with location.open() as file:
        state = read_checkpoint(file, location.url, location.path)
    state = {name: tensor for name, tensor in state.items() if name.startswith("visual.")}
    features = state["visual.proj"].shape[1]
    state |= {"head.weight": torch.eye(features), "head.bias": torch.zeros(features)}
    built = build_classifier(state, location.url, read_beside(location).architecture.value)
    with torch.no_grad():
        return built.visual(IMAGES)


@pytest.mark.parametrize("head_width", WIDTHS)
@pytest.mark.parametrize("quick", [True, False])
def test_heads_and_activation_are_those_of_open_clips_file(tmp_path, head_width, quick):
    """The features equal open_clip's to 1e-5 for every width of a head, with and without QuickGELU."""
    vision = {"layers": 2, "width": 4 * head_width, "head_width": head_width, "patch_size": 14, "image_size": 28}
    torch.manual_seed(0)
    text = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
    made = CLIP(embed_dim=24, vision_cfg=vision, text_cfg=text, quick_gelu=quick).eval()
    torch.save(made.state_dict(), tmp_path / "model.pt")
    model = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text, "quick_gelu": quick}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": model}))
    with torch.no_grad():
        torch.testing.assert_close(our_features(tmp_path / "model.pt"), made.visual(IMAGES), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("head_width", WIDTHS)
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "gelu_pytorch_tanh"])
def test_heads_and_activation_are_those_of_hugging_faces_file(tmp_path, head_width, activation):
    """The features equal transformers' to 1e-5 for every width of a head and every activation."""
    transformers = pytest.importorskip("transformers")
    vision = {
        "hidden_size": 4 * head_width, "num_attention_heads": 4, "intermediate_size": 96, "num_hidden_layers": 2,
        "image_size": 28, "patch_size": 14, "hidden_act": activation, "projection_dim": 24, "layer_norm_eps": 1e-4,
    }  # fmt: skip
    theirs = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**vision)).eval()
    theirs.save_pretrained(tmp_path)
    with torch.no_grad():
        expected = theirs(pixel_values=IMAGES).image_embeds
    torch.testing.assert_close(our_features(tmp_path / "model.safetensors"), expected, rtol=1e-5, atol=1e-5)


def shapes_of(name, layers=None):
    """An open_clip tower's tensors, without numbers."""
    vision = open_clip.get_model_config(name)["vision_cfg"]
    vision |= {"layers": layers} if layers else {}
    with torch.device("meta"):
        tower = _build_vision_tower(open_clip.get_model_config(name)["embed_dim"], CLIPVisionCfg(**vision))
    return {f"visual.{name}": tensor for name, tensor in tower.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "heads", "quick", "assumes"),
    [
        ("ViT-g-14", "heads 16, head_width 88", False, False),
        ("ViT-S-32", "heads 6, head_width 64", False, False),
        ("ViT-L-14-CLIPA", "heads 16, head_width 64", False, False),
        ("ViT-B-32", "heads 12, head_width 64", True, True),
        ("ViT-L-14-336", "heads 16, head_width 64", True, True),
    ],
)
def test_a_shape_that_open_clip_knows_is_identified(name, heads, quick, assumes):
    """All its tensors identify a shape; OpenAI's activation is assumed for OpenAI's shapes, and reported as assumed."""
    found = identify(shapes_of(name), "x")
    assert heads in described(found.architecture)
    assert configuration_in(found.architecture)["quick_gelu"] is quick
    assert (found.assumed is not None) is assumes
    with torch.device("meta"):
        assert set(build_named_tower(found.architecture).state_dict()) == {n[7:] for n in shapes_of(name)}


@pytest.mark.parametrize(
    ("name", "layers", "message"),
    [
        ("ViT-H-14", None, r"may be ViT-H-14 or .*ViT-H-14-quickgelu.*name its `architecture`"),
        ("ViT-bigG-14", None, r"may be ViT-bigG-14 or .*ViT-bigG-14-quickgelu"),
        ("ViT-H-14", 2, r"width 1280, 2 layers: towers that wide, such as ViT-H-14, have heads that are not 64 wide"),
        ("ViT-g-14", 3, r"width 1408, 3 layers: .* put an open_clip_config.json or Hugging Face's config.json beside"),
    ],
)
def test_a_shape_of_several_kinds_is_refused(name, layers, message):
    """The message lists the fitting architectures; no number of heads is guessed if models of that width differ."""
    with pytest.raises(CheckpointError, match=message):
        identify(shapes_of(name, layers), "x")


def test_an_unknown_shape_counts_as_openais_and_is_reported():
    """A multiple of 64 that no model with other heads has is accepted as a width; any other one is refused."""
    found = identify(tiny.classifier(1).state_dict(), "x")
    assert found.assumed == "1 head of 64 and QuickGELU, as in OpenAI's models: no known model has this shape"
    odd = tiny.classifier(1, shape=tiny.TowerShape(16, 8, 96, 1, 3, 2.0, 16)).state_dict()
    with pytest.raises(CheckpointError, match="width 96, 1 layers: open_clip has no model of this shape"):
        identify(odd, "x")


def planned(folder, **settings):
    return checked_plan(load_experiment(tiny.experiment(folder, **settings)), Store(str(folder / "store")))


def write_description(folder, *, head_width=64, **more):
    vision = {"layers": 1, "width": 64, "head_width": head_width, "patch_size": 8, "image_size": 16, "mlp_ratio": 2.0}
    folder.mkdir(exist_ok=True)
    content = {"model_cfg": {"embed_dim": 16, "vision_cfg": vision, "quick_gelu": True}, **more}
    (folder / "open_clip_config.json").write_text(json.dumps(content))


def test_the_plan_and_the_results_settings_say_what_is_used(tmp_path, capsys):
    """The plan and the settings name tower and preprocessing with their sources; other heads make another identity."""
    from flows.cli import main

    bare = planned(tmp_path)
    assert bare.record.settings["assumed"].startswith("1 head of 64")
    write_description(tmp_path, head_width=32, preprocess_cfg={"mean": [0.5] * 3, "resize_mode": "squash"})
    found = planned(tmp_path)
    assert found.record.settings["assumed"] is None
    assert found.record.settings["preprocess"]["source"] == "open_clip_config.json beside model base"
    assert found.record.settings["preprocess"]["resize_mode"] == "squash"
    assert found.outputs[0][0].id != bare.outputs[0][0].id
    assert main(["plan", str(tmp_path / "tiny.yaml"), "--store", str(tmp_path / "store")]) == 0
    shown = capsys.readouterr().out
    assert "heads 2, head_width 32, QuickGELU" in shown
    assert "16 px, bicubic, squashed, mean [0.5, 0.5, 0.5]" in shown
    assert "from: open_clip_config.json beside model base" in shown


def test_a_checkpoint_without_a_description_takes_the_bases(tmp_path):
    """A tuned model without a description takes the base's, but a base without one does not take a tuned model's."""
    file = tiny.experiment(tmp_path)
    for name in ("base", "tuned"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}.pt").rename(tmp_path / name / "model.safetensors")  # a name that folders are searched for
    settings = tuple(f"models.{i}.checkpoint={tmp_path / name}" for i, name in enumerate(("base", "tuned")))
    write_description(tmp_path / "base", head_width=16)
    store = Store(str(tmp_path / "store"))
    plan = checked_plan(load_experiment(file, settings), store)
    assert {"head_width 16" in described(o.model.architecture) for o in plan.outputs[0]} == {True}
    (tmp_path / "base" / "open_clip_config.json").rename(tmp_path / "tuned" / "open_clip_config.json")
    with pytest.raises(ModelMismatch, match=r"tuned is a .*head_width 16.*; base is a .*head_width 64"):
        checked_plan(load_experiment(file, settings), store)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("open_clip_config.json", "{", "not JSON"),
        ("open_clip_config.json", "[1]", "wanted a JSON object, got a list"),
        ("open_clip_config.json", '{"model_cfg": {"embed_dim": 16, "vision_cfg": {"wide": 1}}}', "no setting wide"),
        ("config.json", '{"vision_config": {"hidden_act": "relu"}}', "hidden_act 'relu', wanted one of quick_gelu"),
        ("config.json", '{"vision_config": {"num_attention_heads": 5}}', "width 768 wanted as a multiple of 5 heads"),
        (
            "config.json",
            '{"model_type": "siglip", "vision_config": {"hidden_size": 64}}',
            "type siglip does not set hidden_act",
        ),
        ("preprocessor_config.json", '{"size": "big"}', "describes no model|wanted a square"),
        (
            "open_clip_config.json",
            '{"model_cfg": {"embed_dim": 9, "vision_cfg": {"layers": 1000000000}}}',
            "from 0 to 1000",
        ),
        (
            "open_clip_config.json",
            '{"model_cfg": {"embed_dim": 1e99, "vision_cfg": {}}}',
            "embed_dim wanted as a number",
        ),
        (
            "open_clip_config.json",
            '{"model_cfg": {"embed_dim": 9, "vision_cfg": {"timm_model_name": "hf-hub:org/x"}}}',
            "wanted a name, not an address",
        ),
        (
            "open_clip_config.json",
            '{"model_cfg": {"embed_dim": 9, "vision_cfg": {"image_size": 4096, "patch_size": 1}}}',
            "4096 × 4096 positions",
        ),
        ("config.json", '{"a": "' + "x" * (1 << 20) + '"}', "more than 1048576 bytes"),
    ],
)
def test_a_damaged_description_is_named(tmp_path, name, content, message):
    """A damaged description is refused in one line, and no guess replaces it."""
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        planned(tmp_path)


def test_inspect_counts_the_vision_tower_alone(tmp_path):
    """The text tower's layers are not counted; a head alone and a tower without projection are described too."""
    torch.manual_seed(0)
    text = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 3}
    vision = {"layers": 2, "width": 128, "patch_size": 8, "image_size": 32}
    made = CLIP(embed_dim=24, vision_cfg=vision, text_cfg=text, quick_gelu=True).state_dict()
    torch.save(made, tmp_path / "clip.pt")
    shown = inspect_checkpoint(Location(str(tmp_path / "clip.pt")))
    assert "layers 2, heads 2" in shown["tower"]
    assert (shown["text tower"], shown["head"]) == (True, None)
    torch.save({"weight": torch.zeros(5, 24)}, tmp_path / "head.pt")
    head = inspect_checkpoint(Location(str(tmp_path / "head.pt")))
    assert (head["family"], str(head["head"]), "tower" in head) == ("head", "5 classes of 24 features", False)
    torch.save({n: t for n, t in made.items() if n != "visual.proj"}, tmp_path / "bare.pt")
    bare = inspect_checkpoint(Location(str(tmp_path / "bare.pt")))
    assert "layers 2, heads 2" in bare["tower"]
    assert "no projection: the base's" in bare["tower"]


def test_a_converted_checkpoint_carries_its_description(tmp_path):
    """Its header holds heads and preprocessing, so that the files beside it change nothing."""
    write_description(tmp_path, head_width=16, preprocess_cfg={"mean": [0.5] * 3, "resize_mode": "squash"})
    wanted = planned(tmp_path)
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("base", "tuned"):
        convert_checkpoint(Location(str(tmp_path / f"{name}.pt")), alone / f"{name}.safetensors")
    settings = tuple(f"models.{i}.checkpoint={alone / name}.safetensors" for i, name in enumerate(("base", "tuned")))
    file, store = str(tmp_path / "tiny.yaml"), Store(str(tmp_path / "store"))
    for _ in range(2):  # the second time beside a file that describes another tower
        found = checked_plan(load_experiment(file, settings), store)
        assert found.outputs[0][0].model.architecture == wanted.outputs[0][0].model.architecture
        assert found.datasets == wanted.datasets
        assert found.record.settings["preprocess"]["source"] == "the header of model base"
        assert "head_width 16" in inspect_checkpoint(Location(str(alone / "base.safetensors")))["tower"]
        write_description(alone, head_width=64, preprocess_cfg={"mean": [0.1] * 3})


def test_every_configuration_of_open_clip_can_lie_beside_a_checkpoint(tmp_path):
    """The bounds on descriptions admit all models that open_clip lists."""
    for name in open_clip.list_models():
        (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": open_clip.get_model_config(name)}))
        assert read_beside(Location(str(tmp_path / "x.pt"))).architecture is not None, name


def test_an_old_dictionary_of_settings_overrides_the_others():
    """The settings of `vision_config_dict`, which old files hold, override `vision_config`, as in transformers."""
    content = {"vision_config": {"num_attention_heads": 12}, "vision_config_dict": {"num_attention_heads": 6}}
    assert hugging_face_architecture(content)["vision_cfg"]["head_width"] == 128


def test_equal_towers_have_one_identity_however_they_are_named(tmp_path):
    """Outputs for an assumed shape are used again once a file describes the same one; other heads make new outputs."""
    file, store = tiny.experiment(tmp_path), Store(str(tmp_path / "store"))
    assumed = checked_plan(load_experiment(file), store)
    write_description(tmp_path)
    described_alike = checked_plan(load_experiment(file), store)
    assert described_alike.outputs[0][0].id == assumed.outputs[0][0].id
    assert {cell.predictions.id for cell in described_alike.cells} == {cell.predictions.id for cell in assumed.cells}
    write_description(tmp_path, head_width=32)
    assert checked_plan(load_experiment(file), store).outputs[0][0].id != assumed.outputs[0][0].id
