"""Descriptions of checkpoints in files beside them: open_clip's and Hugging Face's configurations, read to one form.

Each function takes the parsed JSON of one kind of file. It raises `CheckpointError` if the file describes a computation
that the pipeline would do otherwise. This module imports no torch, since planning uses it and has to start fast.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.errors import CheckpointError

Record = Mapping[str, Any]

OPEN_CLIP, HUGGING_FACE, PROCESSOR = "open_clip_config.json", "config.json", "preprocessor_config.json"

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Means of the channels, on a scale of 0 to 1, of OpenAI's CLIP and all models that are tuned from it."""
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Standard deviations of the channels, on the same scale."""
_FILTERS = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers, as Hugging Face's processors write them
_SCALE = 1 / 255
_WHITE = 255
_INTERPOLATIONS, _RESIZE_MODES = ("bicubic", "bilinear"), ("shortest", "longest", "squash")
_INCEPTION = [0.5] * 3
# the defaults of Hugging Face's image processors, by their type without endings such as "Fast"
_PROCESSORS: dict[str, dict[str, Any]] = {
    "CLIP": {"resample": 3, "image_mean": list(CLIP_MEAN), "image_std": list(CLIP_STD), "do_center_crop": True,
             "size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}},
    "Siglip": {"resample": 3, "image_mean": _INCEPTION, "image_std": _INCEPTION, "do_center_crop": False,
               "size": {"height": 224, "width": 224}},
    "ViT": {"resample": 2, "image_mean": _INCEPTION, "image_std": _INCEPTION, "do_center_crop": False,
            "size": {"height": 224, "width": 224}},
}  # fmt: skip

# the defaults of Hugging Face's CLIPVisionConfig and CLIPTextConfig; files leave out settings that equal them
_VISION = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "image_size": 224, "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
}  # fmt: skip
_TEXT = {
    "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8,
    "max_position_embeddings": 77, "vocab_size": 49408, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
}  # fmt: skip
_ACTIVATIONS: dict[str, tuple[bool, dict[str, str] | None]] = {
    "quick_gelu": (True, None),
    "gelu": (False, None),
    "gelu_new": (False, {"approximate": "tanh"}),
    "gelu_pytorch_tanh": (False, {"approximate": "tanh"}),
}
"""From Hugging Face's name of an activation to open_clip's `quick_gelu` and `act_kwargs`."""


def open_clip_architecture(content: Record) -> dict[str, Any] | None:
    """Return the configuration of an `open_clip_config.json`, or None if it holds none."""
    model = content.get("model_cfg")
    if not isinstance(model, Mapping) or not isinstance(model.get("vision_cfg"), Mapping):
        return None
    left_out = ("timm_model_pretrained", "output_tokens")  # other weights, other outputs
    vision = {name: value for name, value in model["vision_cfg"].items() if name not in left_out}
    kept = {name: model[name] for name in ("embed_dim", "text_cfg", "quick_gelu") if name in model}
    return {**kept, "vision_cfg": vision}


def open_clip_pixels(content: Record) -> dict[str, Any] | None:
    """Return the preprocessing of an `open_clip_config.json` with open_clip's defaults, or None if it holds none."""
    settings = content.get("preprocess_cfg")
    return pixels_of_open_clip(settings) if isinstance(settings, Mapping) else None


def pixels_of_open_clip(settings: Record) -> dict[str, Any]:
    """Return open_clip's settings of a preprocessing in our form; OpenAI's values stand in for missing ones."""
    known = {name: value for name, value in settings.items() if value is not None}
    interpolation = known.get("interpolation", "bicubic")
    return _checked(
        {
            "mean": _channels(known.get("mean", CLIP_MEAN)),
            "std": _channels(known.get("std", CLIP_STD)),
            # `random` means bicubic when open_clip evaluates
            "interpolation": "bicubic" if interpolation == "random" else interpolation,
            "resize_mode": known.get("resize_mode", "shortest"),
            "fill": known.get("fill_color", 0),
        }
    )


def _checked(pixels: dict[str, Any]) -> dict[str, Any]:
    """Return a preprocessing; refuse one with values that open_clip's transform does not take."""
    for name, choices in (("interpolation", _INTERPOLATIONS), ("resize_mode", _RESIZE_MODES)):
        if pixels[name] not in choices:
            raise CheckpointError(f"{name} {str(pixels[name])[:40]!r}, wanted {' or '.join(choices)}")
    if type(pixels["fill"]) is not int or not 0 <= pixels["fill"] <= _WHITE:
        raise CheckpointError(f"fill color {str(pixels['fill'])[:40]!r}, wanted a number from 0 to {_WHITE}")
    if min(pixels["std"]) <= 0:
        raise CheckpointError(f"std {pixels['std']}, wanted numbers above 0")
    return pixels


def hugging_face_architecture(content: Record) -> dict[str, Any] | None:
    """Return the configuration of the CLIP that Hugging Face's `config.json` describes, or None if it has no tower.

    CLIP's defaults stand in for settings that the file leaves out. Files of other model types must not leave out any.

    Raises:
        CheckpointError: open_clip's towers cannot have the activation, or the heads do not divide the width.
    """
    kind = str(content.get("model_type", "clip"))
    whole = isinstance(content.get("vision_config"), Mapping)
    if not whole and not kind.endswith("_vision_model"):
        return None
    own = _with_legacy(content, "vision_config", _VISION) if whole else dict(content)
    if kind.removesuffix("_vision_model") != "clip" and (missing := sorted(set(_VISION) - {"layer_norm_eps", *own})):
        raise CheckpointError(f"model type {kind[:40]} does not set {missing[0]}; name its `architecture`")
    vision = _VISION | own
    quick, activation = _activation(vision["hidden_act"])
    found: dict[str, Any] = {
        "embed_dim": content.get("projection_dim", vision.get("projection_dim", 512)),
        "quick_gelu": quick,
        "vision_cfg": {
            "image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
            "head_width": _head_width(vision),
            **_transformer(vision, activation),
        },
    }
    text = _TEXT | _with_legacy(content, "text_config", _TEXT)
    if whole:
        quick, activation = _activation(text["hidden_act"])
        found["text_cfg"] = {
            "quick_gelu": quick,  # open_clip has one setting for both towers
            "context_length": text["max_position_embeddings"],
            "vocab_size": text["vocab_size"],
            "heads": text["num_attention_heads"],
            **_transformer(text, activation),
        }
    return found


def _with_legacy(content: Record, name: str, defaults: Record) -> dict[str, Any]:
    """Return the settings of one tower; those of an old file's `…_config_dict` override the others."""
    own, legacy = dict(content.get(name) or {}), content.get(f"{name}_dict")
    return own if not legacy else {**own, **defaults, **legacy}


def _transformer(settings: Record, activation: dict[str, str] | None) -> dict[str, Any]:
    width = settings["hidden_size"]
    shape = {
        "width": width,
        "layers": settings["num_hidden_layers"],
        "mlp_ratio": settings["intermediate_size"] / width,
    }
    shape |= {"act_kwargs": activation} if activation else {}
    epsilon = settings["layer_norm_eps"]
    return shape if epsilon == _VISION["layer_norm_eps"] else {**shape, "norm_kwargs": {"eps": epsilon}}


def _head_width(settings: Record) -> int:
    width, heads = settings["hidden_size"], settings["num_attention_heads"]
    if not all(type(n) is int and n > 0 for n in (width, heads)) or width % heads:
        raise CheckpointError(f"width {width} wanted as a multiple of {heads} heads")
    return int(width // heads)


def _activation(name: Any) -> tuple[bool, dict[str, str] | None]:  # noqa: ANN401  JSON
    if name not in _ACTIVATIONS:
        raise CheckpointError(f"hidden_act {name!r}, wanted one of {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


def hugging_face_pixels(content: Record) -> dict[str, Any]:
    """Return the preprocessing of a `preprocessor_config.json`, with the side of its square in pixels as `size`.

    Raises:
        CheckpointError: open_clip's transform has no setting for one of the steps.
    """
    content = _with_defaults(content)
    if content.get("resample", 3) not in _FILTERS:
        raise _unlike(f"resample {content['resample']}, wanted 2 (bilinear) or 3 (bicubic)")
    if not content.get("do_resize", True):
        raise _unlike("do_resize is off, but a tower takes images of one size")
    if not content.get("do_rescale", True) or abs(content.get("rescale_factor", _SCALE) - _SCALE) > 1e-9:
        raise _unlike("pixels are not scaled to 0 to 1")
    normalizes = content.get("do_normalize", True)
    size, mode = _square(content)
    pixels = {
        "mean": _channels(content.get("image_mean", CLIP_MEAN)) if normalizes else [0.0] * 3,
        "std": _channels(content.get("image_std", CLIP_STD)) if normalizes else [1.0] * 3,
        "interpolation": _FILTERS[content.get("resample", 3)],
        "resize_mode": mode,
        "fill": 0,
    }
    return {**_checked(pixels), "size": size}


def _with_defaults(content: Record) -> dict[str, Any]:
    """Return a processor's settings, completed with its type's defaults; an unknown type must not leave out any."""
    own = {name: value for name, value in content.items() if value is not None}
    named = str(own.get("image_processor_type") or own.get("feature_extractor_type") or "")
    if not named:
        return own
    kind = next((name for name in _PROCESSORS if named.startswith((f"{name}Image", f"{name}Feature"))), None)
    if kind is not None:
        return _PROCESSORS[kind] | own
    if missing := sorted({"resample", "image_mean", "image_std", "size"} - own.keys()):
        raise _unlike(f"{named[:40]} does not set {missing[0]}")
    return own


def _square(content: Record) -> tuple[int, str]:
    """Return the side of a processor's square in pixels, and the way of resizing: `shortest` or `squash`."""
    size, crop = content.get("size", 224), content.get("crop_size")
    cropped = content.get("do_center_crop", crop is not None)
    edge = size.get("shortest_edge") if isinstance(size, Mapping) else size if cropped else None
    if edge is None:  # height and width are given, so that the image's shape is lost
        wanted, mode = (size.get("height"), size.get("width")) if isinstance(size, Mapping) else (size, size), "squash"
    elif not cropped:
        raise _unlike(f"size {size} without do_center_crop leaves images that are not square")
    else:
        wanted, mode = (edge, edge), "shortest"
    if cropped and crop is not None:
        cut = (crop.get("height"), crop.get("width")) if isinstance(crop, Mapping) else (crop, crop)
        if cut != wanted:
            raise _unlike(f"resizes to {wanted[0]} and cuts out {cut[0]}")
    if wanted[0] != wanted[1] or type(wanted[0]) is not int or wanted[0] < 1:
        raise _unlike(f"size {size}, wanted a square")
    return wanted[0], mode


def _unlike(what: str) -> CheckpointError:
    return CheckpointError(f"{what}; set mean, std, interpolation and resize_mode in `preprocess` yourself")


def _channels(value: Any) -> list[float]:  # noqa: ANN401  JSON
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value] * 3
    if len(values) != 3 or not all(isinstance(v, int | float) for v in values):
        raise CheckpointError(f"mean and std wanted as three numbers, got {value}")
    return [float(v) for v in values]
