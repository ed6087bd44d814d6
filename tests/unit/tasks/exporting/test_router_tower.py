"""The comparison of `router.py` with a tower before it is exported."""

import pytest

from tasks.exporting.router_tower import router_tower

VISION = {"image_size": 224, "patch_size": 32, "width": 768, "layers": 12, "head_width": 64, "mlp_ratio": 4.0}
PLAIN = {"embed_dim": 512, "quick_gelu": True, "vision_cfg": VISION}


def test_a_plain_tower_has_settings():
    """Those of ViT-B/32 are its width, layers, heads, patches, activation and epsilon."""
    assert router_tower(PLAIN) == {
        "width": 768, "layers": 12, "heads": 12, "patch_size": 32, "gelu": "quick", "epsilon": 1e-5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"quick_gelu": False}, "gelu", "none"),
        ({"quick_gelu": False, "act_kwargs": {"approximate": "tanh"}}, "gelu", "tanh"),
        ({"norm_kwargs": {"eps": 1e-6}}, "epsilon", 1e-6),
        ({"patch_dropout": 0.5}, "layers", 12),  # of training alone
        ({"final_ln_after_pool": True}, "layers", 12),  # of a single token, the norm may come before or after
    ],
)
def test_settings_without_tensors_are_taken_over(changes, name, value):
    """The activation and the norms' epsilon leave no trace in tensors, and the router has them all the same."""
    quick = changes.pop("quick_gelu", True)
    assert router_tower({**PLAIN, "quick_gelu": quick, "vision_cfg": {**VISION, **changes}})[name] == value


@pytest.mark.parametrize(
    "changes",
    [
        {"pool_type": "avg"},
        {"ls_init_value": 0.1},
        {"no_ln_pre": True},
        {"attentional_pool": True, "attn_pooler_heads": 2},
        {"block_type": "custom", "qk_norm": True},
        {"block_type": "custom", "scaled_cosine_attn": True},
        {"layers": [1, 1, 1, 1]},
        {"timm_model_name": "vit_tiny_patch16_224"},
        {"patch_size": [32, 32]},
    ],
)
def test_a_tower_that_computes_something_else_is_refused(changes):
    """No settings are returned for a tower whose logits `router.py` would not give."""
    assert router_tower({**PLAIN, "vision_cfg": {**VISION, **changes}}) is None
