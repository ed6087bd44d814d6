"""Every family of checkpoints, in its exact public layout, gives the logits that its own code base gives."""

import io
import json
import shutil

import fsspec
import open_clip
import pickled
import pytest
import safetensors.torch
import tiny
import torch
from open_clip.model import CLIP
from torch import nn

from flows.cli import main
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.planning.checkpoints import checkpoint_file
from storage.hub import fetch
from storage.locations import Location
from storage.store import Store
from tasks.errors import CheckpointError, InputError
from tasks.models.checkpoint import read_checkpoint, read_head
from tasks.models.classifier import build_classifier
from tasks.models.files.lazy_state import open_state
from tasks.models.tower import build_tower, infer_shape
from tasks.opening.convert_checkpoint import convert_checkpoint
from tasks.opening.inspect_checkpoint import inspect_checkpoint
from tasks.streaming.images import load_state

VISION = {"layers": 2, "width": 128, "patch_size": 8, "image_size": 32}
TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(7))


def clip(seed=0):
    """A whole CLIP as open_clip builds it."""
    torch.manual_seed(seed)
    return CLIP(embed_dim=24, vision_cfg=VISION, text_cfg=TEXT, quick_gelu=True).eval().requires_grad_(False)


def features(state):
    """What our tower gives for tensors that were read."""
    tower = build_tower(infer_shape(state, "here"))
    tower.load_state_dict({n.removeprefix("visual."): t for n, t in state.items() if n.startswith("visual.")})
    with torch.no_grad():
        return tower.eval()(IMAGES)


def read(url):
    location = Location(url)
    with location.open() as file:
        return read_checkpoint(file, location.url, location.path if location.is_local else None)


@pytest.fixture
def task_vectors(tmp_path):
    """Pickled modules as the task-vectors code writes them: an encoder around a CLIP, a head that normalises."""
    encoder = clip(3)
    weights = torch.randn(5, 24, generator=torch.Generator().manual_seed(1))
    pickled.write_encoder(tmp_path / "finetuned.pt", encoder)
    pickled.write_head(tmp_path / "head_MNIST.pt", weights)
    with torch.no_grad():
        expected = encoder.encode_image(IMAGES)
    return tmp_path, expected, weights


def write(family, path):
    """Write a checkpoint of a family by that family's own means; return its features."""
    made = clip(1)
    with torch.no_grad():
        expected = made.encode_image(IMAGES)
    if family == "open_clip":
        torch.save(made.state_dict(), path)
    elif family == "open_clip training":
        state = {f"module.{name}": tensor for name, tensor in made.state_dict().items()}
        torch.save({"epoch": 1, "name": "x", "state_dict": state, "optimizer": {"state": {}, "lr": 1e-4}}, path)
    elif family == "open_clip safetensors":
        safetensors.torch.save_file(made.state_dict(), path)
    elif family == "model-soups":
        state = {f"model.{name}": tensor for name, tensor in made.state_dict().items()}
        torch.save(
            {**state, "classification_head.weight": torch.ones(4, 24), "classification_head.bias": torch.zeros(4)}, path
        )
    elif family == "task-vectors":
        pickled.write_encoder(path, made)
    elif family == "hugging face":
        transformers = pytest.importorskip("transformers")
        vision = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2}
        vision |= {"image_size": 32, "patch_size": 8, "hidden_act": "quick_gelu", "projection_dim": 24}
        theirs = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**vision)).eval()
        safetensors.torch.save_file(theirs.state_dict(), path)
        with torch.no_grad():
            expected = theirs(pixel_values=IMAGES).image_embeds
    elif family == "openai torchscript":

        class Whole(nn.Module):
            def __init__(self):
                super().__init__()
                self.visual, self.logit_scale = made.visual, made.logit_scale

            def forward(self, images):
                return self.visual(images) * self.logit_scale.exp()

        torch.jit.save(torch.jit.trace(Whole(), IMAGES, check_trace=False), path)
    return expected


FAMILIES = [
    "open_clip",
    "open_clip training",
    "open_clip safetensors",
    "model-soups",
    "openai torchscript",
    "task-vectors",
    "hugging face",
]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")  # of writing TorchScript
@pytest.mark.parametrize("where", ["file", "s3", "hf"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_its_own_features(tmp_path, request, family, where):
    """From a path, from S3 and from the Hub's cache, whatever the file is called."""
    path = tmp_path / "any.name"
    expected = write(family, path)
    url = str(path)
    if where == "s3":
        url = f"{request.getfixturevalue('s3')}/deep/any.name"
        filesystem, target = fsspec.core.url_to_fs(url)
        filesystem.put_file(str(path), target)
    elif where == "hf":
        shutil.copy(path, request.getfixturevalue("hub") / "any.name")
        url = checkpoint_file("hf://org/tuned/any.name", "model x").url
    torch.testing.assert_close(features(read(url)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("whole", [True, False])
def test_hugging_faces_clip(tmp_path, whole):
    """A folder as transformers writes it: other names, separate projections; the whole model or its tower."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    vision = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"image_size": 32, "patch_size": 8, "hidden_act": "quick_gelu"}
    text = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 64,
    }
    if whole:
        settings = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
        model = transformers.CLIPModel(settings)
    else:
        model = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**vision, projection_dim=24))
    model.eval().save_pretrained(tmp_path / "folder")
    with torch.no_grad():
        tower, projection = model.vision_model, model.visual_projection
        expected = projection(tower(pixel_values=IMAGES).pooler_output)
    location = checkpoint_file(str(tmp_path / "folder"), "model x")
    torch.testing.assert_close(features(read(location.url)), expected, rtol=1e-5, atol=1e-5)
    assert inspect_checkpoint(location)["family"] == "hugging-face"


def plan_of(folder, **models):
    """Prepare an experiment of checkpoints on three images; heads of their own."""
    experiment = tiny.experiment(folder, samples=3, baselines=["individual"])
    chosen = [{"name": name, "checkpoint": str(path)} for name, path in models.items()]
    safetensors.torch.save_file({"weight": torch.randn(3, 24), "bias": torch.zeros(3)}, folder / "head.safetensors")
    overrides = (f"models={json.dumps(chosen)}", f"heads={{'*': {folder}/head.safetensors}}")
    return checked_plan(load_experiment(experiment, overrides), Store(str(folder / "store")))


@pytest.mark.parametrize("prefix", ["", "vision_model."])
def test_a_tower_without_projection_takes_the_bases(tmp_path, prefix):
    """As public fine-tunes come: `vision_model.…` alone; what they give is the tower's output under the base's."""
    transformers = pytest.importorskip("transformers")
    vision = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"image_size": 32, "patch_size": 8, "hidden_act": "quick_gelu"}
    torch.manual_seed(0)
    base = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**vision, projection_dim=24)).eval()
    tuned = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**vision)).eval()
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


def test_a_base_has_to_have_its_own_projection(tmp_path):
    """There is none to take."""
    transformers = pytest.importorskip("transformers")
    vision = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2}
    tuned = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**vision, image_size=32, patch_size=8))
    tuned.save_pretrained(tmp_path / "tuned")
    with pytest.raises(InputError, match=r"visual.proj is missing"):
        plan_of(tmp_path, base=tmp_path / "tuned", tuned=tmp_path / "tuned")


def test_a_tensor_that_is_there_twice_is_refused(tmp_path):
    """Raw weights and their average, say: neither is taken by chance."""
    state = {f"visual.{name}": tensor for name, tensor in clip().visual.state_dict().items()}
    torch.save({**state, "model.visual.class_embedding": torch.zeros(128)}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"visual.class_embedding is there twice, under several prefixes"):
        read(str(tmp_path / "x.pt"))


def test_a_checkpoint_read_lazily_is_the_same(tmp_path):
    """Tensor by tensor, whatever the prefix; what has to be packed is read whole; damaged ones are told."""
    made = clip(1)
    state = {f"module.{name}": tensor for name, tensor in made.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "x.safetensors")
    with open(tmp_path / "x.safetensors", "rb") as file:
        opened = open_state(file, "x")
        whole = read(str(tmp_path / "x.safetensors"))
        assert set(opened) == set(whole) == set(opened.outline())
        assert all(torch.equal(opened[name], whole[name]) for name in whole)
    with pytest.raises(CheckpointError, match="damaged safetensors file"):
        open_state(io.BytesIO(bytes([9, 0, 0, 0, 0, 0, 0, 0]) + b"{notjson}"), "x")
    header = {n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in ("visual.a", "visual.b")}
    text = json.dumps(header).encode()
    with pytest.raises(CheckpointError, match="a tensor begins at 0, wanted 8"):
        open_state(io.BytesIO(len(text).to_bytes(8, "little") + text + bytes(8)), "x")


def test_a_residual_network_is_read_off_its_tensors(tmp_path):
    """RN50's kind: no architecture has to be named."""
    tower = open_clip.modified_resnet.ModifiedResNet([1, 2, 1, 1], 24, 32, 64, 16).eval()
    for name, tensor in tower.state_dict().items():
        if "running_var" in name or "bn" in name:
            tensor.copy_(torch.rand_like(tensor.float()) + 0.5)
    state = {f"visual.{name}": tensor for name, tensor in tower.state_dict().items()}
    shape = infer_shape(state, "here")
    assert (shape.layers, shape.width, shape.heads, shape.image_size) == ((1, 2, 1, 1), 16, 8, 64)
    images = torch.randn(2, 3, 64, 64)
    rebuilt = build_tower(shape).eval()
    rebuilt.load_state_dict(tower.state_dict())
    wanted = open_clip.modified_resnet.ModifiedResNet([1, 2, 1, 1], 24, 8, 64, 16).eval()
    wanted.load_state_dict(tower.state_dict())
    torch.testing.assert_close(rebuilt(images), wanted(images), rtol=1e-5, atol=1e-5)


def test_pickled_modules_are_read_without_their_code(task_vectors):
    """The encoder's tower and the head's weights; the classes do not exist when they are read."""
    folder, expected, weights = task_vectors
    torch.testing.assert_close(features(read(str(folder / "finetuned.pt"))), expected, rtol=1e-5, atol=1e-5)
    with open(folder / "head_MNIST.pt", "rb") as file:
        head = read_head(file, "head_MNIST.pt")
    assert torch.equal(head["head.weight"], weights)
    assert inspect_checkpoint(Location(str(folder / "finetuned.pt")))["family"] == "task-vectors"


def test_a_resnet_is_read_by_its_name(tmp_path, monkeypatch):
    """What is no vision transformer needs its architecture; its statistics come along."""
    from tasks.models.classifier import build_classifier

    tower = open_clip.modified_resnet.ModifiedResNet([1, 1, 1, 1], 24, 4, 64, 16).eval()
    monkeypatch.setattr(
        "tasks.models.classifier.build_named_tower",
        lambda _name: open_clip.modified_resnet.ModifiedResNet([1, 1, 1, 1], 24, 4, 64, 16),
    )
    state = {f"visual.{name}": tensor for name, tensor in tower.state_dict().items()}
    torch.save({**state, "head.weight": torch.randn(3, 24), "logit_scale": torch.tensor(1.0)}, tmp_path / "rn.pt")
    made = build_classifier(read(str(tmp_path / "rn.pt")), "x", "RN-tiny")
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(made.visual(images), tower(images))


def test_a_tower_with_tables_that_are_in_no_state(monkeypatch):
    """Computed when the tower is built, and not left without values; merged per sample too."""
    from tasks.merging.per_sample import merge_per_sample
    from tasks.models.classifier import ImageClassifier, build_classifier

    def eva(_name=""):
        return open_clip.timm_model.TimmModel(
            "eva02_tiny_patch14_224", embed_dim=16, image_size=224, proj="linear", pool=""
        )

    monkeypatch.setattr("tasks.models.classifier.build_named_tower", eva)
    torch.manual_seed(0)
    made = ImageClassifier(eva(), 16, 3).eval().requires_grad_(False)
    images = torch.randn(2, 3, 224, 224)
    built = build_classifier(made.state_dict(), "x", "eva")
    torch.testing.assert_close(built(images), made(images))
    merged = merge_per_sample(built, [made.state_dict()] * 2)(images, torch.full((2, 2), 0.5))
    torch.testing.assert_close(merged, made(images))


def test_our_own_form_is_exact(tmp_path):
    """Written and read back: the same numbers in the same types, and where they come from in the header."""
    torch.save({n: t.half() for n, t in clip(1).state_dict().items()}, tmp_path / "in.pt")
    convert_checkpoint(Location(str(tmp_path / "in.pt")), tmp_path / "deep" / "out.safetensors")
    with safetensors.safe_open(tmp_path / "deep" / "out.safetensors", "pt") as file:
        header, names = file.metadata(), set(file.keys())
        assert all(torch.equal(file.get_tensor(n), clip(1).state_dict()[n].half()) for n in names)
    assert names == {n for n in clip(1).state_dict() if n.startswith("visual.")}
    assert (header["dawin.format"], header["family"]) == ("2", "open-clip")
    before, after = read(str(tmp_path / "in.pt")), read(str(tmp_path / "deep" / "out.safetensors"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    with pytest.raises(CheckpointError, match=r"out.safetensors: the file exists already"):
        convert_checkpoint(Location(str(tmp_path / "in.pt")), tmp_path / "deep" / "out.safetensors")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out.safetensors"]


def test_inspect_and_convert_by_the_command_line(tmp_path, capsys):
    """What it is, in words; what cannot be read is one line and exit status 2."""
    path = tmp_path / "soup"
    write("model-soups", path)
    assert main(["inspect", str(path)]) == 0
    shown = capsys.readouterr().out
    for part in (
        "family      model-soups",
        "image_size 32, patch_size 8, width 128",
        "4 classes of 24 features",
        "True",
    ):
        assert part in shown
    assert main(["convert", str(path), str(tmp_path / "out")]) == 0
    assert "out: model-soups, from file://" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "out")]) == 0
    assert "family      ours" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "nothing")]) == 2
    (tmp_path / "junk").write_bytes(b"junk")
    assert main(["inspect", str(tmp_path / "junk")]) == 2
    assert "junk: not a checkpoint" in capsys.readouterr().err


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The Hub's cache as its own library lays it out, and the Hub switched off."""
    root = tmp_path / "hub"
    repository = root / "models--org--tuned"
    snapshot = repository / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")
    torch.save(clip(1).state_dict(), snapshot / "pytorch_model.bin")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    fetch.cache_clear()  # what another test's cache held under the same address
    return snapshot


@pytest.mark.parametrize("url", ["hf://org/tuned", "hf://org/tuned/pytorch_model.bin"])
def test_the_hub_is_read_from_its_cache(hub, url):
    """A repository or a file in it; nothing is asked of the Hub when it is switched off."""
    with torch.no_grad():
        expected = clip(1).encode_image(IMAGES)
    torch.testing.assert_close(features(read(checkpoint_file(url, "model x").url)), expected)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("hf://org/missing", "not in the Hub's cache"),
        ("hf://org/tuned/other.bin", "not in the Hub's cache"),
        ("hf://org", "wanted hf://org/repo"),
    ],
)
def test_what_the_hub_does_not_have_is_named(hub, url, message):
    """One line, the address in it."""
    with pytest.raises(CheckpointError, match=rf"model x: checkpoint {url}: .*{message}"):
        checkpoint_file(url, "model x")


def test_a_folder_without_a_checkpoint_says_what_it_holds(tmp_path):
    """And what was looked for."""
    (tmp_path / "readme.md").write_text("x")
    with pytest.raises(CheckpointError, match=r"a folder without model.safetensors or .*; it holds readme.md"):
        checkpoint_file(str(tmp_path), "model x")
