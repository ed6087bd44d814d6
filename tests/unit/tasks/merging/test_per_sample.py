"""Per-sample merging: what n separately merged models would give, for every kind of tower that is covered."""

import math

import hypothesis.strategies as st
import pytest
import tiny
import torch
from hypothesis import given, settings
from timm.models.beit import Beit
from torch import nn
from torch.nn import functional
from towers import check, one_by_one, simplex, timm, towers, vision

from tasks.errors import BatchError, ModelMismatch, UncoveredLayer
from tasks.merging.per_sample import merge_per_sample
from tasks.models.tower import TowerShape


class WithHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.visual, self.head = vision()(), nn.Linear(32, 5)

    def forward(self, x):
        return self.head(functional.normalize(self.visual(x), dim=-1))


TOWERS = {
    "ViT": (vision(), 32),
    "ViT, GELU": (vision(quick_gelu=False), 32),
    "ViT, layer scale": (vision(ls_init_value=0.1), 32),
    "ViT, average pooling": (vision(pool_type="avg", final_ln_after_pool=True), 32),
    "ViT and head": (WithHead, 32),
    "ModifiedResNet": (vision(layers=[1, 1, 1, 1], width=16, image_size=64), 64),
    "timm ViT": (timm("vit_tiny_patch16_224", 224), 224),
    "timm ConvNeXt": (timm("convnext_atto", 64, "avg"), 64),
    "timm ConvNeXt 2": (timm("convnextv2_atto", 64, "avg"), 64),
    "timm EVA02": (timm("eva02_tiny_patch14_224", 224), 224),
    "timm BEiT": (
        lambda: Beit(
            img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, use_rel_pos_bias=True, num_classes=3
        ),
        32,
    ),
    "timm ResNet": (timm("resnet18", 64, "avg"), 64),
}


@pytest.mark.parametrize("tower", TOWERS)
def test_a_pass_gives_what_separately_merged_models_give(tower):
    """In float64, to 1e-10; more tokens than samples, and endpoints among the samples."""
    make, size = TOWERS[tower]
    check(make, size)


@pytest.mark.parametrize("models", [2, 3, 8])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_however_many_models(models, dtype, tolerance):
    """Two interpolate; more are one product more each."""
    check(vision(), 32, models=models, dtype=dtype, tolerance=tolerance)


@settings(max_examples=25, deadline=None)
@given(
    layers=st.integers(0, 2),
    heads=st.integers(1, 3),
    head_width=st.sampled_from([4, 16]),
    patches=st.integers(1, 4),
    ratio=st.sampled_from([1.0, 2.0, 4.0]),
    samples=st.integers(1, 18),
    models=st.integers(1, 4),
    quick=st.booleans(),
)
def test_whatever_the_shape(layers, heads, head_width, patches, ratio, samples, models, quick):  # noqa: PLR0917  as hypothesis gives them
    """As many samples as tokens, or heads, or channels: where the samples lie is never guessed from a size."""
    options = {"layers": layers, "width": heads * head_width, "head_width": head_width, "mlp_ratio": ratio}
    make = vision(**options, patch_size=4, image_size=4 * patches, quick_gelu=quick)
    check(make, 4 * patches, models=models, samples=samples)


def test_samples_between_tokens_and_channels():
    """torch's own attention on (tokens, samples, channels), as many of the one as of the other."""

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 2, stride=2)
            self.attention = nn.MultiheadAttention(4, 2)
            self.norm, self.out = nn.LayerNorm(4), nn.Linear(4, 4)
            self.position = nn.Parameter(torch.randn(4, 4))

        def forward(self, x):
            x = self.conv(x).flatten(2).permute(2, 0, 1) + self.position[:, None, :]
            x = x + self.attention(x, x, x, need_weights=False)[0]
            return self.out(self.norm(x)).mean(0)

    check(Mixed, 4, samples=4)


def test_the_other_normalisations():
    """By groups, and by the root of the mean square; with and without a shift."""

    class Normalised(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.group = nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4)
            self.square, self.layer = nn.RMSNorm(4), nn.LayerNorm(4, bias=False)
            for parameter in (*self.group.parameters(), self.square.weight, self.layer.weight):
                nn.init.normal_(parameter)

        def forward(self, x):
            x = self.group(self.conv(x)).permute(0, 2, 3, 1)
            return self.layer(self.square(x)).mean((1, 2))

    check(Normalised, 4)


def test_coefficients_outside_of_the_simplex():
    """Task vectors of scale above one: rows sum to one, entries need not lie between."""
    made = towers(vision(), 3, torch.float64)
    states = [module.state_dict() for module in made]
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    rows = torch.tensor([[-1.4, 2.0, 0.4], [3.0, -1.0, -1.0], [0.1, 0.4, 0.5], [1.0, 0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(
        merge_per_sample(made[0], states)(images, rows), one_by_one(made[0], states, images, rows), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_small_differences_survive_a_narrow_dtype(dtype):
    """A fine-tuning of a millionth of the weights: smaller than a half-precision number beside the weights."""
    base = nn.Linear(64, 64, bias=False).double()
    change = torch.randn(64, 64, dtype=torch.float64) * 1e-7

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = base

        def forward(self, x):
            return self.layer(x.flatten(1))

    states = [
        {"layer.weight": torch.zeros(64, 64)},
        {"layer.weight": change.float()},
    ]
    module = merge_per_sample(Wrapped().float(), states, dtype=dtype)
    images = torch.randn(4, 1, 8, 8)
    with torch.autocast("cpu", dtype=dtype):
        got = module(images, torch.tensor([[0.0, 1.0]] * 4)).double()
    expected = images.flatten(1).double() @ change.T
    if dtype == torch.bfloat16:
        assert float((got - expected).norm() / expected.norm()) < 0.02
    matrix = module._tensors["layer.weight"]
    kept = matrix.differences[0].double() * matrix.scales[0]
    assert float((kept - change).norm() / change.norm()) < 2 ** -(8 if dtype == torch.bfloat16 else 11)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float16, 0.01)])
def test_narrow_matrices_give_the_same_to_their_rounding(dtype, tolerance):
    """Under autocast, as the pipeline runs them."""
    made = towers(vision(), 3, torch.float32)
    states = [module.state_dict() for module in made]
    images, rows = torch.randn(6, 3, 32, 32), simplex(6, 3, torch.float32)
    expected = one_by_one(made[0], states, images, rows)
    with torch.autocast("cpu", dtype=dtype):
        got = merge_per_sample(made[0], states, dtype=dtype)(images, rows)
    assert float((got.float() - expected).abs().max() / expected.abs().max()) < tolerance


def test_the_model_is_not_changed_and_may_have_no_weights():
    """Only its layout counts; what the pass holds is M models, on whatever device the states are."""
    shape = TowerShape(16, 8, 64, 1, 1, 2.0, 16)
    made = [tiny.classifier(seed, shape=shape) for seed in range(2)]
    states = [module.state_dict() for module in made]
    with torch.device("meta"):
        hollow = tiny.ImageClassifier(tiny.build_tower(shape), 16, 3).eval()
    images, rows = torch.randn(3, 3, 16, 16), simplex(3, 2, torch.float32)
    before = {name: tensor.clone() for name, tensor in made[0].state_dict().items()}
    module = merge_per_sample(made[0], states)
    assert torch.equal(module(images, rows), merge_per_sample(hollow, states)(images, rows))
    assert all(torch.equal(tensor, before[name]) for name, tensor in made[0].state_dict().items())
    parts = [part for tensor in module._tensors.values() for part in (tensor.base, *tensor.differences)]
    held = {part.untyped_storage().data_ptr(): part.numel() for part in parts}
    assert sum(held.values()) == 2 * sum(tensor.numel() for tensor in states[0].values())


def pair():
    made = [tiny.classifier(seed) for seed in range(2)]
    return made[0], [module.state_dict() for module in made]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0.5, 0.6], [0.5, 0.5]], r"rows that sum to one, got \[0.5, 0.6.* for sample 0, which sum to 1.1"),
        ([[0.5, 0.5], [math.nan, 1.0]], r"finite numbers, got \[nan, 1.0\] for sample 1"),
        ([[0.5, 0.5], [math.inf, 1.0]], r"finite numbers, got \[inf, 1.0\] for sample 1"),
        ([[0.5, 0.5]], r"wanted \(samples, models\) = \(2, 2\), got \(1, 2\)"),
        ([[0.2, 0.3, 0.5]] * 2, r"wanted \(samples, models\) = \(2, 2\), got \(2, 3\)"),
        ([0.5, 0.5], r"wanted \(samples, models\) = \(2, 2\), got \(2,\)"),
    ],
)
def test_bad_coefficients_are_refused_before_any_computation(rows, message, monkeypatch):
    """By value, with the sample."""
    model, states = pair()
    module = merge_per_sample(model, states)
    monkeypatch.setattr("tasks.merging.per_sample.functional_call", None)
    with pytest.raises(BatchError, match=message):
        module(torch.zeros(2, 3, 16, 16), torch.tensor(rows))


def test_bytes_and_coarse_coefficients_are_refused():
    """Images that were not normalised; rows of bfloat16, which do not sum to one."""
    model, states = pair()
    with pytest.raises(BatchError, match=r"images: wanted numbers .*, got torch.uint8"):
        merge_per_sample(model, states)(torch.zeros(2, 3, 16, 16, dtype=torch.uint8), torch.full((2, 2), 0.5))
    with pytest.raises(BatchError, match=r"wanted float32 or float64, got torch\.bfloat16: too coarse"):
        merge_per_sample(model, states)(torch.zeros(2, 3, 16, 16), torch.full((2, 2), 0.5).bfloat16())


def test_images_of_another_shape_are_refused():
    """Four axes."""
    model, states = pair()
    with pytest.raises(BatchError, match=r"images: wanted numbers \(n, 3, h, w\), got torch.float32 \(3, 16, 16\)"):
        merge_per_sample(model, states)(torch.zeros(3, 16, 16), torch.ones(3, 2) / 2)


def test_towers_that_differ_are_refused():
    """From each other, and from the model."""
    model, states = pair()
    other = tiny.classifier(3, shape=TowerShape(16, 8, 64, 2, 1, 2.0, 16)).state_dict()
    with pytest.raises(ModelMismatch, match=r"state 1 does not fit state 0: visual\.transformer\.resblocks\.1"):
        merge_per_sample(model, [states[0], other])
    with pytest.raises(ModelMismatch, match=r"the states do not fit the model: visual\.transformer\.resblocks\.1"):
        merge_per_sample(model, [other, other])
    with pytest.raises(ModelMismatch, match="at least one state"):
        merge_per_sample(model, [])


@pytest.mark.parametrize(
    ("make", "size", "message"),
    [
        (vision(attentional_pool=True), 32, r"attn_pool.query: no rule for layer_norm of weights alone"),
        (
            timm("swin_tiny_patch4_window7_224", 224),
            224,
            r"qkv.weight: no rule for linear where the samples share an axis",
        ),
    ],
)
def test_a_layer_that_is_not_covered_is_named_before_anything_is_computed(make, size, message):
    """And `bins` proposed."""
    made = make().eval()
    state = {name: tensor.to("meta") for name, tensor in made.state_dict().items()}  # nothing could be computed
    with pytest.raises(UncoveredLayer, match=message + r".*bins"):
        merge_per_sample(made, [state, state]).checked_plan((3, size, size))


def test_a_function_without_a_rule_is_named():
    """Weights that are normalised before they are used are not linear."""

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3))

        def forward(self, x):
            return x.mean((2, 3)) @ functional.normalize(self.weight).T

    module = Odd()
    with pytest.raises(UncoveredLayer, match=r"weight: no rule for normalize.*bins"):
        merge_per_sample(module, [module.state_dict()] * 2)(torch.zeros(1, 3, 4, 4), torch.ones(1, 2) / 2)
