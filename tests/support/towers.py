"""Towers of every kind, and the comparison of per-sample merging with one merged model a sample."""

import warnings

import torch
from open_clip.model import CLIPVisionCfg, _build_vision_tower
from open_clip.timm_model import TimmModel

from tasks.merging.combination import combine
from tasks.merging.per_sample import merge_per_sample


def towers(make, count, dtype):
    """Models of one architecture, each with its own weights and normalisation statistics."""
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        module = make().to(dtype).eval().requires_grad_(False)
        for name, buffer in module.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
            if name.endswith("running_mean"):
                buffer.normal_()
        made.append(module)
    return made


def simplex(samples, models, dtype=torch.float64):
    """Coefficients (samples, models) whose rows sum to one; the first rows each take one model alone."""
    rows = torch.distributions.Dirichlet(torch.ones(models)).sample((samples,)).to(dtype)
    rows[: min(samples, models)] = torch.eye(models, dtype=dtype)[: min(samples, models)]
    return rows / rows.sum(1, keepdim=True)


def one_by_one(module, states, images, rows):
    """The outputs of one merged model a sample, each made by its row of coefficients."""
    with torch.no_grad():
        return torch.cat(
            [
                torch.func.functional_call(module, combine(states, row), (image[None],), tie_weights=False)
                for image, row in zip(images, rows.tolist(), strict=True)
            ]
        )


def check(make, size, *, models=3, samples=5, dtype=torch.float64, tolerance=1e-10):
    """Assert that per-sample merging of a kind of tower equals one merged model a sample, for images of a size."""
    samples = min(samples, 3) if size > 100 else samples
    made = towers(make, models, dtype)
    states = [module.state_dict() for module in made]
    images, rows = torch.randn(samples, 3, size, size, dtype=dtype), simplex(samples, models, dtype)
    expected = one_by_one(made[0], states, images, rows)
    got = merge_per_sample(made[0], states)(images, rows)
    assert got.shape == expected.shape
    assert float((got - expected).abs().max() / expected.abs().max()) < tolerance
    with torch.no_grad():  # rows that take one model alone
        for i in range(min(samples, models)):
            alone = made[i](images[i : i + 1])[0]
            assert float((got[i] - alone).abs().max() / alone.abs().max()) < tolerance


def vision(**options):
    """A function that makes a small transformer of open_clip's, with some options of its own."""
    quick = options.pop("quick_gelu", True)
    shape = {"layers": 2, "width": 64, "head_width": 32, "patch_size": 8, "image_size": 32, **options}
    return lambda: _build_vision_tower(32, CLIPVisionCfg(**shape), quick_gelu=quick)


def timm(name, size, pool=""):
    """A function that makes a tower of timm's, with a linear projection."""

    def make():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # timm warns about itself
            return TimmModel(name, embed_dim=16, image_size=size, proj="linear", pool=pool)

    return make
