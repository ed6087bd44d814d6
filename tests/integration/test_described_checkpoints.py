"""Runs on checkpoints unlike OpenAI's give the library's own logits, preprocessing included."""

import asyncio
import json

import numpy as np
import open_clip
import polars as pl
import pytest
import tiny
import torch
import yaml
from open_clip.model import CLIPVisionCfg, _build_vision_tower
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from timm.models import register_model
from timm.models.vision_transformer import VisionTransformer

from flows.experiment.file import load_experiment
from storage import scan
from storage.store import Store

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


@register_model
def vit_test_patch8_siglip(pretrained=False, **options):
    """A small tower like SigLIP's, without a class token and pooled by attention."""
    assert not pretrained
    options = {name: value for name, value in options.items() if name in ("num_classes", "img_size")}
    shape = {"patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 4}
    return VisionTransformer(class_token=False, global_pool="map", **shape, **{"img_size": 32, **options})


KINDS = {
    "siglip": {
        "model_cfg": {
            "embed_dim": 64,
            "vision_cfg": {
                "image_size": 32,
                "timm_model_name": "vit_test_patch8_siglip",
                "timm_pool": "map",
                "timm_proj": "none",
            },
        },
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"},
    },
    "vit-h": {
        "model_cfg": {
            "embed_dim": 32,
            "vision_cfg": {
                "image_size": 28,
                "patch_size": 14,
                "width": 1280,
                "layers": 2,
                "head_width": 80,
                "mlp_ratio": 0.5,
            },
        },
        "preprocess_cfg": {"mean": [0.4, 0.5, 0.6], "interpolation": "bilinear"},
    },
}


def towers(kind):
    """A base and a tuned tower of a kind, each with a head."""
    model = KINDS[kind]["model_cfg"]
    made = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        tower = _build_vision_tower(model["embed_dim"], CLIPVisionCfg(**model["vision_cfg"])).eval()
        head = torch.nn.functional.normalize(torch.randn(tiny.CLASSES, model["embed_dim"]), dim=1) * 20
        made.append((tower, head))
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_computes_what_the_library_computes(tmp_path, kind):
    """Logits of both models and entropies of a merged one equal the library's to 1e-4, on its own images."""
    from flows.run_experiment import run_experiment

    made = towers(kind)
    for name, (tower, head) in zip(("base", "tuned"), made, strict=True):
        state = {f"visual.{n}": tensor for n, tensor in tower.state_dict().items()}
        torch.save({**state, "head.weight": head}, tmp_path / f"{name}.pt")
    (tmp_path / "open_clip_config.json").write_text(json.dumps(KINDS[kind]))
    tiny.image_folder(tmp_path / "one", 12, 3, size=37)
    content = {
        "name": "described",
        "models": [{"name": n, "checkpoint": f"{n}.pt"} for n in ("base", "tuned")],
        "datasets": [{"name": "one", "images": "one"}],
        "merge": {"granularity": ["samples"], "offset": False},
        "baselines": ["individual", "wise-ft/0.50"],
    }
    (tmp_path / "described.yaml").write_text(yaml.safe_dump(content))
    store = str(tmp_path / "store")
    record = asyncio.run(run_experiment(load_experiment(str(tmp_path / "described.yaml")), store))

    settings = open_clip.transform.merge_preprocess_dict(PreprocessCfg(), KINDS[kind]["preprocess_cfg"])
    transform = image_transform_v2(
        PreprocessCfg(**{**settings, "size": KINDS[kind]["model_cfg"]["vision_cfg"]["image_size"]}), is_train=False
    )
    images = torch.stack([transform(Image.open(path)) for path in sorted((tmp_path / "one").rglob("*.png"))])
    results = scan("results", store=store).filter(run_id=record.run_id).collect()
    for name, (tower, head) in zip(("base", "tuned"), made, strict=True):
        with torch.no_grad():
            expected = torch.nn.functional.normalize(tower(images), dim=-1) @ head.T
        row = results.filter(method=f"individual/{name}", dataset="one", metric="top1").row(0, named=True)
        stored = scan("outputs", store=store).filter(pl.col("id") == row["samples_id"]).collect()
        got = np.stack(stored["logits"].to_numpy())
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-4, atol=1e-4)
    halfway, _ = towers(kind)[0]
    mean = {n: (t + made[1][0].state_dict()[n]) / 2 for n, t in made[0][0].state_dict().items()}
    halfway.load_state_dict(mean)
    with torch.no_grad():
        logits = torch.nn.functional.normalize(halfway(images), dim=-1) @ ((made[0][1] + made[1][1]) / 2).T
    row = results.filter(method="wise-ft/0.50", dataset="one", metric="top1").row(0, named=True)
    merged = scan("predictions", store=store).filter(pl.col("id") == row["samples_id"]).collect()
    entropy = torch.distributions.Categorical(logits=logits.double()).entropy()
    np.testing.assert_allclose(merged["entropy"], entropy, rtol=1e-4, atol=1e-5)
    used = json.loads(results["settings"][0])["preprocess"]
    assert used["source"] == "open_clip_config.json beside model base"
    assert used["resize_mode"] == KINDS[kind]["preprocess_cfg"].get("resize_mode", "shortest")
    assert Store(store).exists(record.key)
