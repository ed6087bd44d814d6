"""Checkpoints of plain tensors whose shapes make no sense are refused in one line each, soon and in little memory."""

import pytest
import tiny
import torch

BLOCK = "model.visual.transformer.resblocks"
HUGGING_FACE = "vision_model.encoder.layers.0.self_attn"


def zeros(*shape):
    return torch.zeros(*shape)


def changed(**tensors):
    """A tiny checkpoint with some tensors replaced; two underscores stand for a dot."""
    return {**tiny.soup_state(1), **{name.replace("__", "."): tensor for name, tensor in tensors.items()}}


RESNET = {
    "visual.layer1.0.conv1.weight": zeros(4, 4, 1, 1),
    "visual.attnpool.c_proj.weight": zeros(4, 4),
    "visual.attnpool.positional_embedding": zeros(2, 4),
}
STATES = {
    "one name under two prefixes, 5,000 times": lambda: {
        **{f"visual.{i}": zeros(1) for i in range(4990)},
        **{f"model.visual.{i}": zeros(1) for i in range(4980, 9900)},
    },
    "a convolution without dimensions": lambda: changed(model__visual__conv1__weight=zeros(())),
    "a convolution without numbers": lambda: changed(model__visual__conv1__weight=zeros(0, 3, 8, 8)),
    "no positions": lambda: changed(model__visual__positional_embedding=zeros(0, 64)),
    "a perceptron of width 0": lambda: {**tiny.soup_state(1), f"{BLOCK}.0.mlp.c_fc.weight": zeros(0, 64)},
    "990 layers of one tensor": lambda: {
        **tiny.soup_state(1),
        **{f"{BLOCK}.{i}.attn.in_proj_weight": zeros(1) for i in range(990)},
    },
    "a head of no classes": lambda: changed(classification_head__weight=zeros(0, 16)),
    "a head of one dimension": lambda: changed(classification_head__weight=zeros(5)),
    "a width of 4,096": lambda: changed(model__visual__conv1__weight=zeros(4096, 3, 1, 1)),
    "a residual network with a gap": lambda: {**RESNET, "visual.layer1.99.conv1.weight": zeros(1)},
    "a residual network with no number": lambda: {**RESNET, "visual.layer1.x.conv1.weight": zeros(1)},
    "projections of unlike widths": lambda: {
        f"{HUGGING_FACE}.{letter}_proj.weight": zeros(*shape)
        for letter, shape in zip("qkv", ((4, 4), (4,), (4, 5, 6)), strict=True)
    },
    "a projection that is missing": lambda: {f"{HUGGING_FACE}.q_proj.weight": zeros(4, 4)},
    "a last projection of three dimensions": lambda: {
        "vision_model.post_layernorm.weight": zeros(4),
        "visual_projection.weight": zeros(4, 4, 4),
    },
    "complex numbers": lambda: changed(model__visual__proj=zeros(64, 16).to(torch.complex64)),
    "whole numbers": lambda: changed(model__visual__proj=zeros(64, 16).to(torch.int64)),
    "nothing but scalars": lambda: dict.fromkeys(tiny.soup_state(1), zeros(())),
}


@pytest.mark.parametrize("name", STATES)
def test_a_plan_refuses_shapes_that_make_no_tower(confined, tmp_path, name):
    """The command ends within 5 s and 512 MiB, with exit status 2 and one line that names the model."""
    file = tiny.experiment(tmp_path, samples=6)
    torch.save(STATES[name](), tmp_path / "tuned.pt")
    outcome = confined("plan", file, "--store", "store", folder=tmp_path, seconds=5.0)
    assert outcome.status == 2, outcome
    assert len(outcome.err.splitlines()) == 1, outcome
    assert outcome.err.startswith("dawin: model tuned"), outcome
