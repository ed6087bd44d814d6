"""Hugging Face's form, which transformers' `CLIPModel` loads, without a text tower `CLIPVisionModelWithProjection`.

The image processor is described beside the weights. The tokenizer is CLIP's own, and not part of the folder.
"""

import dataclasses
from collections.abc import Mapping
from itertools import chain
from typing import Any

from open_clip.model import CLIPTextCfg, CLIPVisionCfg

from tasks.datasets.preprocessing import Preprocessing
from tasks.exporting.clip_configuration import ClipConfiguration
from tasks.exporting.hugging_face_names import hugging_face_tensors
from tasks.exporting.subject import Subject, chained, text_outline, text_tensors, vision_outline, vision_tensors
from tasks.exporting.written_file import Target
from tasks.models.descriptions import HUGGING_FACE, PROCESSOR

WEIGHTS = "model.safetensors"
_HEADER = {"format": "pt"}
_FILTERS = {"bilinear": 2, "bicubic": 3}  # Pillow's numbers
_HELD = {"image_size", "patch_size", "width", "layers", "head_width", "mlp_ratio", "act_kwargs", "norm_kwargs"}
_HELD_TEXT = {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio", "act_kwargs", "norm_kwargs"}
_WITHOUT_EFFECT = {"patch_dropout", "hf_tokenizer_name", "tokenizer_mode", "tokenizer_kwargs", "final_ln_after_pool"}
"""Settings that change nothing in evaluation, or nothing in a tower; the norm commutes with taking the first token."""


class HuggingFaceFormat:
    """Writes `model.safetensors`, `config.json`, `preprocessor_config.json`; see `tasks.exporting.subject.Format`."""

    def refusal(self, clip: ClipConfiguration, preprocessing: Preprocessing) -> str | None:
        """Return the reason why Hugging Face's CLIP cannot hold a tower or its preprocessing; None if it can."""
        if reason := _vision_refusal(clip.vision):
            return reason
        if preprocessing.resize_mode == "longest":
            return "its image processor has no setting for images that are filled up to a square (resize_mode: longest)"
        return None

    def holds_text(self, clip: ClipConfiguration) -> bool:
        """Return whether Hugging Face's CLIP can hold the text tower; False without one."""
        if clip.whole is None or clip.whole.get("custom_text") or "init_logit_bias" in clip.whole:
            return False
        text = clip.whole["text_cfg"]
        return not _unusual(text, CLIPTextCfg, _HELD_TEXT) and _activation(clip.whole, text) is not None

    def write(self, subject: Subject, target: Target) -> None:
        """Write the three files."""
        has_text = self.holds_text(subject.clip)
        shapes = chain(vision_outline(subject), text_outline(subject) if has_text else ())
        tensors = chain(vision_tensors(subject), text_tensors(subject) if has_text else ())
        target.tensors(WEIGHTS, chained(hugging_face_tensors(shapes)), hugging_face_tensors(tensors), _HEADER)
        target.json(HUGGING_FACE, configuration(subject.clip, with_text=has_text))
        target.json(PROCESSOR, processor(subject.preprocessing))


def configuration(clip: ClipConfiguration, *, with_text: bool) -> dict[str, Any]:
    """Return the content of `config.json`, of a whole CLIP or of its vision tower alone."""
    vision = {"model_type": "clip_vision_model", **_vision(clip.vision)}
    if not with_text:
        return {"architectures": ["CLIPVisionModelWithProjection"], **vision, "torch_dtype": "float32"}
    assert clip.whole is not None  # it holds the text tower
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": clip.vision["embed_dim"],
        "logit_scale_init_value": float(clip.text["logit_scale"]),
        "text_config": {"model_type": "clip_text_model", **_text(clip.whole)},
        "vision_config": vision,
        "torch_dtype": "float32",
    }


def processor(pixels: Preprocessing) -> dict[str, Any]:
    """Return the content of `preprocessor_config.json`."""
    square = {"height": pixels.size, "width": pixels.size}
    cut = pixels.resize_mode == "shortest"
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": pixels.size} if cut else square,
        "resample": _FILTERS[pixels.interpolation],
        "do_center_crop": cut,
        "crop_size": square,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(pixels.mean),
        "image_std": list(pixels.std),
    }


def _vision_refusal(clip: Mapping[str, Any]) -> str | None:
    vision = clip["vision_cfg"]
    if vision.get("timm_model_name"):
        return f"its CLIP has no tower of timm's such as {vision['timm_model_name']}"
    if isinstance(vision.get("layers"), list | tuple):
        return "its CLIP has no residual network as a tower"
    if unusual := _unusual(vision, CLIPVisionCfg, _HELD):
        return f"its CLIP has no vision tower with {' and '.join(f'{n}: {v}' for n, v in unusual.items())}"
    if any(isinstance(vision.get(name), list | tuple) for name in ("image_size", "patch_size")):
        return "its CLIP takes square images in square patches"
    if _activation(clip, vision) is None:
        return f"its CLIP has no activation with {vision['act_kwargs']}"
    return None


def _unusual(settings: Mapping[str, Any], kind: type, held: set[str]) -> dict[str, Any]:
    """Return the settings of a tower that Hugging Face's configuration has no place for and that differ from usual."""
    usual = {field.name: field.default for field in dataclasses.fields(kind)}
    others = {n: v for n, v in settings.items() if n not in held | _WITHOUT_EFFECT and v != usual.get(n)}
    if set(settings.get("norm_kwargs") or {}) - {"eps"}:
        others["norm_kwargs"] = settings["norm_kwargs"]
    return others


def _activation(whole: Mapping[str, Any], tower: Mapping[str, Any]) -> str | None:
    """Return Hugging Face's name of a tower's activation; None if it has none."""
    given = tower.get("act_kwargs") or {}
    if whole.get("quick_gelu"):
        return "quick_gelu" if not given else None
    return {None: "gelu", "none": "gelu", "tanh": "gelu_pytorch_tanh"}.get(given.get("approximate"))


def _vision(clip: Mapping[str, Any]) -> dict[str, Any]:
    default, vision = CLIPVisionCfg(), clip["vision_cfg"]
    width = vision.get("width", default.width)
    return {
        **_transformer(clip, vision, default),
        "num_attention_heads": width // vision.get("head_width", default.head_width),
        "num_channels": 3,
        "image_size": vision.get("image_size", default.image_size),
        "patch_size": vision.get("patch_size", default.patch_size),
    }


def _text(whole: Mapping[str, Any]) -> dict[str, Any]:
    default, text = CLIPTextCfg(), whole["text_cfg"]
    tokens = text.get("vocab_size", default.vocab_size)
    return {
        **_transformer(whole, text, default),
        "num_attention_heads": text.get("heads", default.heads),
        "max_position_embeddings": text.get("context_length", default.context_length),
        "vocab_size": tokens,
        "bos_token_id": tokens - 2,  # the last two of CLIP's tokens begin and end a text
        "eos_token_id": tokens - 1,
    }


def _transformer(clip: Mapping[str, Any], tower: Mapping[str, Any], default: Any) -> dict[str, Any]:  # noqa: ANN401
    width = tower.get("width", default.width)
    return {
        "hidden_size": width,
        "intermediate_size": int(width * tower.get("mlp_ratio", default.mlp_ratio)),  # as open_clip computes it
        "num_hidden_layers": tower.get("layers", default.layers),
        "projection_dim": clip["embed_dim"],
        "hidden_act": _activation(clip, tower),
        "layer_norm_eps": (tower.get("norm_kwargs") or {}).get("eps", 1e-5),
    }


FORMAT = HuggingFaceFormat()
