"""Per-sample merging equals n separately merged models, for every kind of tower that is covered."""

import doctest
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
from tasks.merging import per_sample
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
    """In float64 outputs agree to 1e-10, with more tokens than samples and endpoints among the coefficients."""
    make, size = TOWERS[tower]
    check(make, size)


@pytest.mark.parametrize("models", [2, 3, 8])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_two_to_eight_models_are_merged_alike(models, dtype, tolerance):
    """Outputs agree with separately merged models for any number of models, up to the rounding of the dtype."""
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
def test_towers_of_any_shape_are_merged_exactly(layers, heads, head_width, patches, ratio, samples, models, quick):  # noqa: PLR0917  as hypothesis gives them
    """With as many samples as tokens, heads or channels, no other axis is ever taken for that of the samples."""
    options = {"layers": layers, "width": heads * head_width, "head_width": head_width, "mlp_ratio": ratio}
    make = vision(**options, patch_size=4, image_size=4 * patches, quick_gelu=quick)
    check(make, 4 * patches, models=models, samples=samples)


def test_samples_may_lie_between_tokens_and_channels():
    """Attention on (tokens, samples, channels) is exact with as many tokens as samples."""

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


def test_group_and_root_mean_square_normalisations_are_covered():
    """Normalisations by groups, by the root mean square and without a shift are exact."""

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


def test_coefficients_may_be_negative_or_above_one():
    """Coefficients of large task vectors, which sum to one but leave the simplex, are merged exactly."""
    made = towers(vision(), 3, torch.float64)
    states = [module.state_dict() for module in made]
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    coefficients = torch.tensor(
        [[-1.4, 2.0, 0.4], [3.0, -1.0, -1.0], [0.1, 0.4, 0.5], [1.0, 0.0, 0.0]], dtype=torch.float64
    )
    torch.testing.assert_close(
        merge_per_sample(made[0], states)(images, coefficients),
        one_by_one(made[0], states, images, coefficients),
        rtol=1e-9,
        atol=1e-9,
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_small_differences_survive_a_narrow_dtype(dtype):
    """Differences of 1e-7, below half precision beside the weights, keep the relative precision of the dtype."""
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
    matrix = module.tensors["layer.weight"]
    kept = matrix.differences[0].double() * matrix.factors[0]
    assert float((kept - change).norm() / change.norm()) < 2 ** -(8 if dtype == torch.bfloat16 else 11)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float16, 0.01)])
def test_matrices_of_a_narrow_dtype_agree_up_to_its_rounding(dtype, tolerance):
    """Under autocast, as the pipeline runs, outputs agree with float32 up to the rounding of the dtype."""
    made = towers(vision(), 3, torch.float32)
    states = [module.state_dict() for module in made]
    images, coefficients = torch.randn(6, 3, 32, 32), simplex(6, 3, torch.float32)
    expected = one_by_one(made[0], states, images, coefficients)
    with torch.autocast("cpu", dtype=dtype):
        got = merge_per_sample(made[0], states, dtype=dtype)(images, coefficients)
    assert float((got.float() - expected).abs().max() / expected.abs().max()) < tolerance


def test_the_model_is_not_changed_and_may_have_no_weights():
    """A model on the meta device gives the same outputs, and the module holds the memory of exactly M models."""
    shape = TowerShape(16, 8, 64, 1, 1, 2.0, 16)
    made = [tiny.classifier(seed, shape=shape) for seed in range(2)]
    states = [module.state_dict() for module in made]
    with torch.device("meta"):
        hollow = tiny.ImageClassifier(tiny.build_tower(shape), 16, 3).eval()
    images, coefficients = torch.randn(3, 3, 16, 16), simplex(3, 2, torch.float32)
    before = {name: tensor.clone() for name, tensor in made[0].state_dict().items()}
    module = merge_per_sample(made[0], states)
    assert torch.equal(module(images, coefficients), merge_per_sample(hollow, states)(images, coefficients))
    assert all(torch.equal(tensor, before[name]) for name, tensor in made[0].state_dict().items())
    parts = [part for tensor in module.tensors.values() for part in (tensor.base, *tensor.differences)]
    held = {part.untyped_storage().data_ptr(): part.numel() for part in parts}
    assert sum(held.values()) == 2 * sum(tensor.numel() for tensor in states[0].values())


def pair():
    made = [tiny.classifier(seed) for seed in range(2)]
    return made[0], [module.state_dict() for module in made]


@pytest.mark.parametrize(
    ("coefficients", "message"),
    [
        ([[0.5, 0.6], [0.5, 0.5]], r"rows that sum to one, got \[0.5, 0.6.* for sample 0, which sum to 1.1"),
        ([[0.5, 0.5], [math.nan, 1.0]], r"finite numbers, got \[nan, 1.0\] for sample 1"),
        ([[0.5, 0.5], [math.inf, 1.0]], r"finite numbers, got \[inf, 1.0\] for sample 1"),
        ([[0.5, 0.5]], r"wanted \(samples, models\) = \(2, 2\), got \(1, 2\)"),
        ([[0.2, 0.3, 0.5]] * 2, r"wanted \(samples, models\) = \(2, 2\), got \(2, 3\)"),
        ([0.5, 0.5], r"wanted \(samples, models\) = \(2, 2\), got \(2,\)"),
    ],
)
def test_bad_coefficients_are_refused_before_any_computation(coefficients, message):
    """The message gives the numbers and the sample, and the model has not run."""

    class Running(nn.Linear):
        def forward(self, x):
            raise AssertionError("the model ran")

    model = Running(2, 2)
    module = merge_per_sample(model, [model.state_dict()] * 2)
    with pytest.raises(BatchError, match=message):
        module(torch.zeros(2, 3, 16, 16), torch.tensor(coefficients))


def test_bytes_and_coarse_coefficients_are_refused():
    """Bytes, which were not normalised, and bfloat16 coefficients, which do not sum to one, raise an error."""
    model, states = pair()
    with pytest.raises(BatchError, match=r"images: wanted numbers .*, got torch.uint8"):
        merge_per_sample(model, states)(torch.zeros(2, 3, 16, 16, dtype=torch.uint8), torch.full((2, 2), 0.5))
    with pytest.raises(BatchError, match=r"wanted float32 or float64, got torch\.bfloat16: too coarse"):
        merge_per_sample(model, states)(torch.zeros(2, 3, 16, 16), torch.full((2, 2), 0.5).bfloat16())


def test_images_of_another_shape_are_refused():
    """Images need four axes, and the message gives the shape that came."""
    model, states = pair()
    with pytest.raises(BatchError, match=r"images: wanted numbers \(n, 3, h, w\), got torch.float32 \(3, 16, 16\)"):
        merge_per_sample(model, states)(torch.zeros(3, 16, 16), torch.ones(3, 2) / 2)


def test_towers_that_differ_are_refused():
    """States that differ from each other or from the model raise an error that names the first tensor."""
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
    """On states without numbers, the check names the weight and its use, and proposes bins instead."""
    made = make().eval()
    state = {name: tensor.to("meta") for name, tensor in made.state_dict().items()}  # nothing could be computed
    with pytest.raises(UncoveredLayer, match=message + r".*bins"):
        merge_per_sample(made, [state, state]).prepare((3, size, size))


def test_a_function_without_a_rule_is_named():
    """Weights that are normalised before their use are not linear, and the message names weight and function."""

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3))

        def forward(self, x):
            return x.mean((2, 3)) @ functional.normalize(self.weight).T

    module = Odd()
    with pytest.raises(UncoveredLayer, match=r"weight: no rule for normalize.*bins"):
        merge_per_sample(module, [module.state_dict()] * 2)(torch.zeros(1, 3, 4, 4), torch.ones(1, 2) / 2)


def test_the_example_in_the_docstring_holds():
    """The `>>>` lines of the module print what its docstrings say."""
    assert doctest.testmod(per_sample).failed == 0
