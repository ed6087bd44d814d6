"""Towers of other kinds than open_clip's transformer become ONNX graphs too, or are refused by the layer's name."""

import pytest
import torch
from onnx_session import close, run
from open_clip.modified_resnet import AttentionPool2d
from timm.models.beit import Beit
from torch import nn
from towers import simplex, timm, towers, vision

from tasks.errors import UncoveredLayer
from tasks.exporting.onnx_graphs import write_samples_graph
from tasks.merging.per_sample import merge_per_sample
from tasks.models.classifier import ImageClassifier

SIZE = 32


def beit():
    """A transformer of timm's whose attention has a table of relative positions."""
    return Beit(img_size=SIZE, patch_size=16, embed_dim=32, depth=1, num_heads=2, use_rel_pos_bias=True, num_classes=32)


def pooled():
    """The layers of an open_clip residual network that its transformers do not have, in small."""
    return nn.Sequential(nn.Conv2d(3, 32, 16, 16, bias=False), nn.BatchNorm2d(32), AttentionPool2d(2, 32, 2, 32))


@pytest.mark.parametrize("make", [pooled, beit])
def test_other_towers_that_merging_covers_are_exported(tmp_path, make):
    """The attention pool and the batch norm of residual networks, and a tower of timm's, agree with torch."""
    models = [ImageClassifier(tower, 32, 5).eval().requires_grad_(False) for tower in towers(make, 2, torch.float32)]
    states = [model.state_dict() for model in models]
    write_samples_graph(tmp_path / "samples.onnx", models[0], states, size=SIZE)
    merged = merge_per_sample(models[0], states)
    for count in (1, 8):
        x, c = torch.randn(count, 3, SIZE, SIZE), simplex(count, 2, torch.float32)
        close(run(tmp_path / "samples.onnx", images=x, coefficients=c)["logits"], merged(x, c))


@pytest.mark.parametrize(
    ("make", "size", "layer"),
    [
        (vision(attentional_pool=True), SIZE, r"visual\.attn_pool\.query: no rule for layer_norm"),
        (
            timm("swin_tiny_patch4_window7_224", 224),
            224,
            r"visual\.trunk\.layers\.0\.blocks\.0\.attn\.qkv\.weight: no rule for linear",
        ),
    ],
    ids=["open_clip CoCa", "timm Swin"],
)
def test_towers_that_merging_does_not_cover_are_refused_by_the_layers_name(tmp_path, make, size, layer):
    """The message names the layer inside the classifier and proposes merges of whole models; no file is written."""
    model = ImageClassifier(make(), 32, 5).to("meta")
    with pytest.raises(UncoveredLayer, match=layer + r".*\[bins\], which merges whole models$"):
        write_samples_graph(tmp_path / "samples.onnx", model, [model.state_dict()] * 2, size=size)
    assert list(tmp_path.iterdir()) == []
