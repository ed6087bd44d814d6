"""Preprocessing: pixels equal open_clip's for every setting it knows, and the right setting is found."""

import io

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from flows.errors import ExperimentError
from flows.experiment.preprocess_settings import PreprocessSettings
from flows.planning.preprocessing import OPENAI, choose_preprocessing
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.transform import cropping, normalized
from tasks.errors import CheckpointError, ModelMismatch
from tasks.models.descriptions import hugging_face_pixels, pixels_of_open_clip
from tasks.models.records import recorded_pixels
from tasks.opening.model_descriptions import Described

SIGLIP = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash", "fill": 0}


def every_setting():
    """The distinct preprocessings of open_clip's pretrained tags, and those that no tag has: `longest`, a fill."""
    found = {}
    for model, tag in open_clip.list_pretrained():
        pixels = pixels_of_open_clip(open_clip.get_pretrained_cfg(model, tag))
        found.setdefault(str(pixels), pixels)
    assert len(found) >= 8  # of open_clip 3.3.0
    more = {"longest": {**OPENAI, "resize_mode": "longest", "fill": 128}, "filled": {**SIGLIP, "fill": 7}}
    return [*found.values(), *more.values()]


def pictures():
    """Pictures of every mode and of odd shapes, as files hold them."""
    random = np.random.default_rng(0)

    def noise(height, width, channels=3):
        return random.integers(0, 256, (height, width, channels), dtype=np.uint8)

    rotated = Image.fromarray(noise(31, 50))
    exif = rotated.getexif()
    exif[0x0112] = 6  # turn by 90 degrees to show: open_clip does not, and neither do we
    palette = Image.fromarray(noise(40, 33)).convert("P", palette=Image.Palette.ADAPTIVE, colors=17)
    deep = Image.fromarray(random.integers(0, 65536, (37, 45), dtype=np.uint16))
    yield "odd", Image.fromarray(noise(37, 53)), "PNG", {}
    yield "one pixel", Image.fromarray(noise(1, 1)), "PNG", {}
    yield "tiny", Image.fromarray(noise(2, 5)), "PNG", {}
    yield "huge", Image.fromarray(noise(700, 1100)), "PNG", {}
    yield "long", Image.fromarray(noise(9, 300)), "PNG", {}
    yield "grey", Image.fromarray(noise(40, 41, 1)[..., 0]), "PNG", {}
    yield "grey with alpha", Image.fromarray(noise(40, 41, 2)), "PNG", {}
    yield "alpha", Image.fromarray(noise(45, 30, 4)), "PNG", {}
    yield "CMYK", Image.fromarray(noise(44, 35, 4), mode="CMYK"), "JPEG", {}
    yield "palette", palette, "PNG", {}
    yield "palette with transparency", palette, "PNG", {"transparency": 3}
    yield "bits", Image.fromarray(noise(32, 47, 1)[..., 0]).convert("1"), "PNG", {}
    yield "EXIF-rotated", rotated, "JPEG", {"exif": exif}
    yield "16 bits", deep, "PNG", {}


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")  # Pillow's, of this test's own
@pytest.mark.parametrize("size", [32, 57])
def test_pixels_are_open_clips_bit_for_bit(size):
    """For every preprocessing that open_clip records, on every kind of picture: the same float32 numbers."""
    files = []
    for name, picture, kind, options in pictures():
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        files.append((name, buffer.getvalue()))
    for pixels in every_setting():
        ours = Preprocessing(size=size, **{**pixels, "mean": tuple(pixels["mean"]), "std": tuple(pixels["std"])})
        steps = cropping(ours)
        settings = {name: pixels[name] for name in ("mean", "std", "interpolation", "resize_mode")}
        theirs = image_transform_v2(PreprocessCfg(size=size, fill_color=pixels["fill"], **settings), is_train=False)
        for name, content in files:
            got = normalized(steps(Image.open(io.BytesIO(content)))[None], ours)[0]
            assert torch.equal(got, theirs(Image.open(io.BytesIO(content)))), (name, pixels)


def chosen(settings=None, described=None, architecture=None, recorded=()):
    return choose_preprocessing(PreprocessSettings(**settings or {}), 224, described or {}, architecture, recorded)


@pytest.mark.parametrize(
    "name", ["ViT-B-16-SigLIP", "ViT-L-14-CLIPA", "MobileCLIP-B", "ViT-H-14-378-quickgelu", "PE-Core-B-16", "ViT-B-32"]
)
def test_a_named_architecture_has_the_preprocessing_that_open_clip_records(name):
    """Where its tags agree; what `create_model` would evaluate with."""
    found, source = chosen(architecture=name, recorded=recorded_pixels(name))
    tag = open_clip.list_pretrained_tags_by_model(name)[0]
    wanted = pixels_of_open_clip(open_clip.get_pretrained_cfg(name, tag))
    assert {key: list(v) if isinstance(v, tuple) else v for key, v in vars(found).items() if key in wanted} == wanted
    assert source == f"open_clip's record of {name}"


def test_tags_that_differ_are_listed_and_one_can_be_named():
    """ViT-L-14 was trained with two kinds of normalisation; naming a tag, or what differs, settles it."""
    recorded = recorded_pixels("ViT-L-14")
    with pytest.raises(ExperimentError, match=r"the tags of ViT-L-14 differ.*laion2b_s32b_b82k: bicubic.*0\.5"):
        chosen(architecture="ViT-L-14", recorded=recorded)
    found, source = chosen({"tag": "laion2b_s32b_b82k"}, architecture="ViT-L-14", recorded=recorded)
    assert (found.mean, source) == ((0.5, 0.5, 0.5), "open_clip's record of ViT-L-14, tag laion2b_s32b_b82k")
    own = {"mean": (0.1, 0.2, 0.3), "std": (1.0, 1.0, 1.0)}
    assert chosen(own, architecture="ViT-L-14", recorded=recorded).preprocessing.mean == (0.1, 0.2, 0.3)
    with pytest.raises(ExperimentError, match=r"ViT-L-14 has no tag 'openaj'; it has .*openai"):
        chosen({"tag": "openaj"}, architecture="ViT-L-14", recorded=recorded)
    with pytest.raises(ExperimentError, match="a tag of which model"):
        chosen({"tag": "openai"})


def test_models_described_differently_are_refused():
    """All models see the same images; which files differ is said."""
    described = {
        "base": Described(OPENAI, "open_clip_config.json beside"),
        "tuned": Described(SIGLIP, "preprocessor_config.json beside"),
    }
    with pytest.raises(ModelMismatch, match=r"preprocessor_config.json beside model tuned and model base differ"):
        chosen(described=described)
    own = {name: SIGLIP[name] for name in ("mean", "std", "resize_mode")}
    found, source = chosen(own, described=described)  # what differs is settled by the experiment
    assert found.resize_mode == "squash"
    assert source == (
        "mean, std, resize_mode as the experiment says; the rest: open_clip_config.json beside model base"
    )


def test_where_nothing_describes_the_checkpoints_it_is_openais():
    """And says so."""
    found, source = chosen()
    assert (found.mean, found.resize_mode) == (tuple(OPENAI["mean"]), "shortest")
    assert source == "OpenAI's, no file beside the checkpoints says otherwise"


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (
            {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True},
            "shortest",
        ),
        ({"size": 224, "crop_size": 224, "do_center_crop": True}, "shortest"),
        ({"size": {"height": 224, "width": 224}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, "squash"),
        ({"size": {"height": 224, "width": 224}, "do_normalize": False, "resample": 2}, "squash"),
    ],
)
def test_hugging_faces_processors_are_understood(content, wanted):
    """CLIP's crops the centre, SigLIP's squashes; missing values are CLIP's."""
    pixels = hugging_face_pixels(content)
    assert (pixels["resize_mode"], pixels["size"]) == (wanted, 224)
    expected = {True: OPENAI["mean"], False: [0.0] * 3}[content.get("do_normalize", True)]
    assert pixels["mean"] == content.get("image_mean", expected)
    assert pixels["interpolation"] == ("bilinear" if content.get("resample") == 2 else "bicubic")


def test_a_tag_with_another_activation_is_refused():
    """open_clip's record of ViT-L-14's tag openai wants QuickGELU, which ViT-L-14-quickgelu has."""
    recorded = recorded_pixels("ViT-L-14")
    with pytest.raises(ExperimentError, match=r"weights of openai have another activation.*ViT-L-14-quickgelu"):
        chosen({"tag": "openai"}, architecture="ViT-L-14", recorded=recorded)
    found = chosen({"tag": "openai"}, architecture="ViT-L-14-quickgelu", recorded=recorded_pixels("ViT-L-14-quickgelu"))
    assert found.preprocessing.mean == tuple(OPENAI["mean"])


def test_a_tuned_model_does_not_speak_for_a_base_that_nothing_describes():
    """Otherwise the base's own numbers would depend on which model it is compared with."""
    tuned = Described(SIGLIP, "open_clip_config.json beside")
    with pytest.raises(ModelMismatch, match=r"open_clip_config.json beside model tuned and model base differ"):
        chosen(described={"base": None, "tuned": tuned})
    same = Described(dict(OPENAI), "open_clip_config.json beside")
    assert chosen(described={"base": None, "tuned": same}).source.startswith("OpenAI's")


def test_what_the_experiment_settles_no_file_can_spoil():
    """A processor that cannot be followed is no fault where every setting is given."""
    spoilt = Described(CheckpointError("resample 1"), "a file beside")
    with pytest.raises(CheckpointError, match="resample 1"):
        chosen(described={"base": spoilt})
    own = {name: OPENAI[name] for name in ("mean", "std", "interpolation", "resize_mode")}
    assert chosen(own, described={"base": spoilt}).preprocessing.mean == tuple(OPENAI["mean"])
    other_size = Described({**OPENAI, "size": 336}, "preprocessor_config.json beside")
    with pytest.raises(ModelMismatch, match=r"images of 336 px, but the towers take 224"):
        chosen(described={"base": other_size})
    assert chosen({"size": 224}, described={"base": other_size}).preprocessing.size == 224


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ({"image_processor_type": "SiglipImageProcessor"}, ("squash", 0.5, "bicubic", 224)),
        (
            {"image_processor_type": "CLIPImageProcessorFast", "size": 224},
            ("shortest", OPENAI["mean"][0], "bicubic", 224),
        ),
        ({"feature_extractor_type": "CLIPFeatureExtractor"}, ("shortest", OPENAI["mean"][0], "bicubic", 224)),
        ({"image_processor_type": "ViTImageProcessor"}, ("squash", 0.5, "bilinear", 224)),
    ],
)
def test_a_processors_type_says_what_its_file_leaves_out(content, wanted):
    """As transformers' own classes of that name do."""
    pixels = hugging_face_pixels(content)
    assert (pixels["resize_mode"], pixels["mean"][0], pixels["interpolation"], pixels["size"]) == wanted


def test_zero_is_no_missing_value():
    """A mean of 0 stays 0, as MobileCLIP's."""
    assert pixels_of_open_clip({"mean": [0, 0, 0], "std": 1})["mean"] == [0.0] * 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fill_color": "red"}, "fill color 'red'"),
        ({"resize_mode": "weird"}, "resize_mode 'weird', wanted shortest or longest or squash"),
        ({"interpolation": "lanczos"}, "interpolation 'lanczos', wanted bicubic or bilinear"),
        ({"std": [0.1, 0.0, 0.1]}, "numbers above 0"),
    ],
)
def test_values_that_no_transform_takes_are_refused(settings, message):
    """By name, and before any image is read."""
    with pytest.raises(CheckpointError, match=message):
        pixels_of_open_clip(settings)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"resample": 1}, "resample 1, wanted 2"),
        ({"image_processor_type": "OtherProcessor", "size": 224}, "does not set image_mean"),
        ({"do_resize": False}, "do_resize is off"),
        ({"rescale_factor": 1.0}, "not scaled to 0 to 1"),
        ({"size": {"shortest_edge": 256}, "crop_size": 224}, "resizes to 256 and cuts out 224"),
        ({"size": {"shortest_edge": 224}, "do_center_crop": False}, "not square"),
        ({"size": {"height": 224, "width": 112}}, "wanted a square"),
        ({"size": {"height": 224, "width": 224}, "image_mean": [0.5]}, "three numbers"),
    ],
)
def test_what_open_clips_transform_cannot_do_is_refused(content, message):
    """Named, and never replaced with something near it."""
    with pytest.raises(ValueError, match=message):
        hugging_face_pixels(content)
