"""The forms of exported weights: names and configurations that are read back as they were, towers that do not fit."""

import pytest
import torch
from exports import FEATURES, TEXT, VISION, clip

from tasks.datasets.preprocessing import Preprocessing
from tasks.exporting.clip_configuration import ClipConfiguration
from tasks.exporting.hugging_face_format import FORMAT, configuration, processor
from tasks.exporting.hugging_face_names import hugging_face_tensors
from tasks.exporting.open_clip_format import FORMAT as OPEN_CLIP
from tasks.models.descriptions import (
    CLIP_MEAN,
    CLIP_STD,
    hugging_face_architecture,
    hugging_face_pixels,
)
from tasks.models.families.hugging_face import FAMILY

PIXELS = Preprocessing(size=16, mean=CLIP_MEAN, std=CLIP_STD, interpolation="bicubic")


def described(quick=True, text=None, **vision):
    """A tower's configuration, with the text tower of the tests' CLIPs, changed."""
    own = {"embed_dim": FEATURES, "quick_gelu": quick, "vision_cfg": {**VISION, **vision}}
    whole = {**own, "text_cfg": {**TEXT, **(text or {})}}
    return ClipConfiguration(own, whole, {"logit_scale": torch.tensor(4.6)}, "")


def test_names_are_the_inverse_of_the_ones_that_are_read():
    """A CLIP that is renamed, cut and transposed, and read as Hugging Face's, is the same CLIP."""
    state = clip().state_dict()
    theirs = dict(hugging_face_tensors(state.items()))
    assert FAMILY.recognises(theirs)
    again = FAMILY.read(theirs)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


def test_a_tensor_that_hugging_face_does_not_know_is_an_error():
    """No tensor is left out silently."""
    with pytest.raises(KeyError, match="ls_1"):
        dict(hugging_face_tensors([("visual.transformer.resblocks.0.ls_1.gamma", torch.ones(2))]))


@pytest.mark.parametrize(
    ("quick", "vision"),
    [
        (True, {}),
        (False, {}),
        (False, {"act_kwargs": {"approximate": "tanh"}}),
        (True, {"norm_kwargs": {"eps": 1e-6}}),
        (True, {"patch_dropout": 0.5}),
    ],
)
def test_a_configuration_is_read_back_as_the_same_tower(quick, vision):
    """Our reader of config.json finds the settings that were exported; those of training alone are left out."""
    clip_configuration = described(quick, **vision)
    for with_text in (True, False):
        content = configuration(clip_configuration, with_text=with_text)
        found = hugging_face_architecture(content)
        wanted = {name: value for name, value in {**VISION, **vision}.items() if name != "patch_dropout"}
        assert found["vision_cfg"] == wanted
        assert (found["embed_dim"], found["quick_gelu"]) == (FEATURES, quick)
        assert ("text_cfg" in found) == with_text


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_a_preprocessing_is_read_back_as_it_was(mode, interpolation):
    """Our reader of preprocessor_config.json finds the settings that were exported."""
    pixels = Preprocessing(
        size=16, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), interpolation=interpolation, resize_mode=mode
    )
    assert hugging_face_pixels(processor(pixels)) == {
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "interpolation": interpolation,
        "resize_mode": mode,
        "fill": 0,
        "size": 16,
    }


@pytest.mark.parametrize(
    ("vision", "reason"),
    [
        ({"timm_model_name": "vit_tiny_patch16_224"}, "no tower of timm's such as vit_tiny_patch16_224"),
        ({"layers": [1, 1, 1, 1]}, "no residual network"),
        ({"pool_type": "avg"}, "no vision tower with pool_type: avg"),
        ({"ls_init_value": 0.1, "no_ln_pre": True}, "no vision tower with ls_init_value: 0.1 and no_ln_pre: True"),
        ({"image_size": [16, 32]}, "square images"),
        ({"norm_kwargs": {"elementwise_affine": False}}, "norm_kwargs"),
    ],
)
def test_a_tower_that_hugging_faces_clip_cannot_hold_is_refused_with_the_reason(vision, reason):
    """The reason names the setting and its value; open_clip's form holds every tower."""
    assert reason in FORMAT.refusal(described(**vision), PIXELS)
    assert OPEN_CLIP.refusal(described(**vision), PIXELS) is None
    assert FORMAT.refusal(described(), PIXELS) is None


def test_images_that_are_filled_up_are_refused_by_hugging_faces_form():
    """Its image processor would cut them instead."""
    pixels = Preprocessing(size=16, mean=CLIP_MEAN, std=CLIP_STD, interpolation="bicubic", resize_mode="longest")
    assert "resize_mode: longest" in FORMAT.refusal(described(), pixels)


@pytest.mark.parametrize(
    ("text", "holds"),
    [({}, True), ({"pool_type": "last"}, False), ({"proj_bias": True}, False), ({"no_causal_mask": True}, False)],
)
def test_a_text_tower_is_held_by_hugging_faces_clip_if_it_is_clips(text, holds):
    """Another one is left out, and the vision tower is exported alone."""
    assert FORMAT.holds_text(described(text=text)) is holds
    assert not FORMAT.holds_text(described()._replace(whole=None))
