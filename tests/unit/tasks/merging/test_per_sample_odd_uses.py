"""Per-sample merging of unusual modules is exact or refused, and never takes the base's weights for merged ones."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from towers import check, one_by_one, simplex, towers, vision

from tasks.errors import ModelMismatch, UncoveredLayer
from tasks.merging.merged_tensor import MergedTensor
from tasks.merging.per_sample import merge_per_sample


class Attending(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.attention, self.options = nn.MultiheadAttention(3, 1), {"need_weights": False, **options}

    def forward(self, x):
        tokens = x.flatten(2).permute(2, 0, 1)
        return self.attention(tokens, tokens, tokens, **self.options)[0]


class Left(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 3))

    def forward(self, x):
        return torch.matmul(self.weight, x.flatten(2))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: nn.BatchNorm2d(3, track_running_stats=False), "batch_norm by the batch's own statistics"),
        (lambda: Attending(need_weights=True), "attention with attention weights asked for"),
        (lambda: Attending(attn_mask=torch.zeros(10, 16, 16)), "attention with a mask for each sample"),
        (Left, "matmul with the weights on the left"),
    ],
)
def test_unusual_uses_of_a_layer_are_refused(layer, message):
    """A use of a layer that differs from the usual one raises an error that names the use."""
    made = layer().eval()
    module = merge_per_sample(made, [made.state_dict()] * 2)
    with pytest.raises(UncoveredLayer, match=message):
        module(torch.zeros(5, 3, 4, 4), torch.full((5, 2), 0.5))


class Odd(nn.Module):
    """A module with one unusual use of its weights."""

    def __init__(self, use, *, bias=True):
        super().__init__()
        self.weight, self.use = nn.Parameter(torch.randn(8, 8)), use
        self.bias = nn.Parameter(torch.randn(8) * 4) if bias else None
        self.mask = nn.Parameter(torch.randn(4, 4) * 8)
        self.register_buffer("constant", torch.tensor([0.0, -math.inf] * 4))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return self.use(self, x.flatten(1)[:, :8])


def tokens(x):
    return x[:, None, :] + torch.arange(4.0, dtype=x.dtype, device=x.device)[:, None]


def masked(module, x, mask):
    attention, y = module.attention, tokens(x).transpose(0, 1)
    return functional.multi_head_attention_forward(
        y, y, y, 8, 2, attention.in_proj_weight, attention.in_proj_bias, None, None, False, 0.0,
        attention.out_proj.weight, attention.out_proj.bias, training=False, need_weights=False, attn_mask=mask,
    )[0][0]  # fmt: skip


COVERED = {
    "transposed by attribute": lambda m, x: x @ m.weight.mH + x @ m.weight.H.real,
    "by keyword": lambda m, x: (
        functional.linear(input=x, weight=m.weight, bias=m.bias) + torch.matmul(x, other=m.weight)
    ),
    "with a constant bias": lambda m, x: functional.linear(x, m.weight, torch.ones(8, dtype=x.dtype, device=x.device)),
    "with constant weights": lambda m, x: functional.linear(x, torch.eye(8, dtype=x.dtype, device=x.device), m.bias),
    "constant scale": lambda m, x: functional.layer_norm(
        x, (8,), torch.ones(8, dtype=x.dtype, device=x.device), m.bias
    ),
    "learnt mask": lambda m, x: m.attention(*[tokens(x)] * 3, need_weights=False, attn_mask=m.mask)[0][:, 0],
    "mask of truths": lambda m, x: masked(m, x, torch.ones(4, 4, dtype=torch.bool, device=x.device).triu(1)),
    "padded with zeros": lambda m, x: x * functional.pad(m.bias[:5], (0, 3)),
    "infinite constants": lambda m, x: torch.softmax(x + m.bias + m.constant, 1),
    "used twice": lambda m, x: functional.linear(functional.linear(x, m.weight), m.weight, m.bias),
}
REFUSED = {
    "changed in place": lambda m, x: m.bias.expand(len(x), -1).clone().add_(x),
    "padded with ones": lambda m, x: x * functional.pad(m.bias[:5], (0, 3), value=1.0),
    "imaginary part": lambda m, x: x + m.bias.imag,
    "by what it is": lambda m, x: x if bool(m.bias.sum() > 0) else -x,
}


@pytest.mark.parametrize("use", COVERED)
def test_odd_uses_are_exact(use):
    """Outputs equal merge-then-run for as many samples as tokens and weights far apart."""
    made = towers(lambda: Odd(COVERED[use]), 3, torch.float64)
    states = [module.state_dict() for module in made]
    images, coefficients = torch.randn(4, 3, 2, 2, dtype=torch.float64), simplex(4, 3)
    expected = one_by_one(made[0], states, images, coefficients)
    torch.testing.assert_close(merge_per_sample(made[0], states)(images, coefficients), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("use", REFUSED)
def test_odd_uses_that_are_not_linear_are_refused(use):
    """A function that is not linear in the weights raises an error instead of using the base's."""
    module = Odd(REFUSED[use])
    with pytest.raises(UncoveredLayer):
        merge_per_sample(module, [module.state_dict()] * 2)(torch.randn(4, 3, 2, 2), torch.full((4, 2), 0.5))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script. is deprecated")
def test_compiled_functions_are_not_given_the_base():
    """Code that bypasses torch's dispatch finds NaN in place of weights, so that its outputs are visibly wrong."""

    @torch.jit.script
    def compiled(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(x, weight)

    for use in (lambda m, x: compiled(x, m.weight), lambda m, x: x @ m.weight.as_subclass(torch.Tensor)):
        module = Odd(use)
        got = merge_per_sample(module, [module.state_dict()] * 2)(torch.randn(4, 3, 2, 2), torch.full((4, 2), 0.5))
        assert got.isnan().all()


def test_a_model_that_depends_on_the_number_of_samples_is_refused():
    """A pass that differs from the dry run raises an error with the number of samples."""
    module = Odd(lambda m, x: (x if len(x) > 64 else x + m.bias) + m.bias)
    with pytest.raises(RuntimeError, match="does not do with 4 samples what it did in its dry run"):
        merge_per_sample(module, [module.state_dict()] * 2)(torch.randn(4, 3, 2, 2), torch.full((4, 2), 0.5))


def test_a_failed_pass_leaves_nothing_behind():
    """After a dry run and a pass that fail, the module computes the same as before and holds no coefficients."""
    made = towers(vision(), 2, torch.float32)
    states = [module.state_dict() for module in made]
    module, coefficients = merge_per_sample(made[0], states), torch.full((2, 2), 0.5)
    images = torch.randn(2, 3, 32, 32)
    before = module(images, coefficients)
    with pytest.raises(UncoveredLayer, match="does not run on shapes alone"):
        module(torch.randn(2, 3, 16, 16), coefficients)
    assert torch.equal(module(images, coefficients), before)
    assert all(t.shared.coefficients == () for t in module.tensors.values() if isinstance(t, MergedTensor))


def test_tied_parameters_and_empty_batches_are_covered():
    """A tensor under two names is merged under both, and a batch without samples gives outputs without samples."""

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(12, 12), nn.Linear(12, 12)
            self.two.weight = self.one.weight

        def forward(self, x):
            return self.two(self.one(x.flatten(1)))

    check(Tied, 2)
    made = Tied()
    module = merge_per_sample(made, [made.state_dict()] * 2)
    assert module(torch.zeros(0, 3, 2, 2), torch.zeros(0, 2)).shape == (0, 12)


def test_states_that_cannot_be_merged_are_refused():
    """An infinity in one state only, and a buffer without values in model and states, raise an error by name."""
    made = towers(lambda: Odd(COVERED["used twice"]), 2, torch.float32)
    states = [module.state_dict() for module in made]
    states[1]["constant"] = torch.zeros(8)
    with pytest.raises(ModelMismatch, match="constant: NaN or infinite numbers that are not the same"):
        merge_per_sample(made[0], states)
    with torch.device("meta"):
        hollow = nn.Sequential(nn.Linear(2, 2))
        hollow.register_buffer("table", torch.zeros(2), persistent=False)
    with pytest.raises(ModelMismatch, match="table: a buffer that is in no state, without values"):
        merge_per_sample(hollow, [nn.Sequential(nn.Linear(2, 2)).state_dict()] * 2)
