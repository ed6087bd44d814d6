"""Vision towers of several kinds, built from tensors' shapes or from a configuration, as open_clip builds them."""

import open_clip
import pytest
import tiny
import torch
from checkpoints import read

from tasks.merging.per_sample import merge_per_sample
from tasks.models.architecture import as_text
from tasks.models.classifier import ImageClassifier, build_classifier
from tasks.models.tower import TowerShape, build_named_tower, build_tower, infer_shape

EVA = as_text(
    {
        "embed_dim": 16,
        "vision_cfg": {
            "timm_model_name": "eva02_tiny_patch14_224", "image_size": 224, "timm_proj": "linear", "timm_pool": "",
        },
    }
)  # fmt: skip


def resnet(layers=(1, 2, 1, 1), heads=8):
    """A residual network of width 16 whose normalisation statistics are not those of an untrained one."""
    torch.manual_seed(0)
    tower = open_clip.modified_resnet.ModifiedResNet(list(layers), 24, heads, 64, 16).eval().requires_grad_(False)
    for name, tensor in tower.state_dict().items():
        if "running_var" in name or "bn" in name:
            tensor.copy_(torch.rand_like(tensor.float()) + 0.5)
    return tower


def test_the_shape_of_a_residual_network_is_inferred_from_its_tensors():
    """No architecture has to be named: blocks, width and image size are in the tensors, and heads are 64 wide."""
    tower = resnet()
    shape = infer_shape({f"visual.{name}": tensor for name, tensor in tower.state_dict().items()}, "here")
    assert (shape.layers, shape.width, shape.heads, shape.image_size) == ((1, 2, 1, 1), 16, 8, 64)
    rebuilt = build_tower(shape).eval()
    rebuilt.load_state_dict(tower.state_dict())
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(rebuilt(images), tower(images), rtol=1e-5, atol=1e-5)


def test_a_residual_network_keeps_its_statistics(tmp_path):
    """The statistics of its normalisation layers are read with its weights, from a file of a named architecture."""
    tower = resnet((1, 1, 1, 1))
    state = {f"visual.{name}": tensor for name, tensor in tower.state_dict().items()}
    torch.save({**state, "head.weight": torch.randn(3, 24), "logit_scale": torch.tensor(1.0)}, tmp_path / "rn.pt")
    architecture = {"embed_dim": 24, "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16}}
    built = build_classifier(read(tmp_path / "rn.pt"), "x", as_text(architecture))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(built.visual(images), tower(images))


def test_tables_that_no_state_holds_are_computed():
    """A tower with a table of rotations gives its own logits when it is built from a state, and merged per sample."""
    torch.manual_seed(0)
    made = ImageClassifier(build_named_tower(EVA), 16, 3).eval().requires_grad_(False)
    images = torch.randn(2, 3, 224, 224)
    built = build_classifier(made.state_dict(), "x", EVA)
    torch.testing.assert_close(built(images), made(images))
    merged = merge_per_sample(built, [made.state_dict()] * 2)(images, torch.full((2, 2), 0.5))
    torch.testing.assert_close(merged, made(images))


@pytest.mark.parametrize(
    "name", ["ViT-B-32-quickgelu", "ViT-B-16-quickgelu", "ViT-L-14-quickgelu", "ViT-L-14-336-quickgelu"]
)
def test_the_shape_is_inferred_from_the_tensors(name):
    """The inferred shape equals open_clip's own configuration for every size that people fine-tune."""
    with torch.device("meta"):
        tower = build_named_tower(name)
    settings = open_clip.get_model_config(name)
    shape = infer_shape({f"visual.{n}": t for n, t in tower.state_dict().items()}, name)
    vision = settings["vision_cfg"]
    assert (shape.image_size, shape.patch_size) == (vision["image_size"], vision["patch_size"])
    assert (shape.width, shape.layers, shape.output_dim) == (vision["width"], vision["layers"], settings["embed_dim"])


def test_the_tower_is_open_clips_own():
    """The features equal those of open_clip's own class with QuickGELU, as in OpenAI's models."""
    made = tiny.classifier(5)
    by_hand = open_clip.transformer.VisionTransformer(
        image_size=16,
        patch_size=8,
        width=64,
        layers=1,
        heads=1,
        mlp_ratio=2.0,
        output_dim=16,
        act_layer=open_clip.transformer.QuickGELU,
    )
    by_hand.load_state_dict(made.visual.state_dict())
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(made.visual(images), by_hand.eval()(images))


def test_shapes_are_values():
    """Shapes with equal fields are equal."""
    assert TowerShape(**vars(tiny.SHAPE)) == tiny.SHAPE
