"""`router.py`: its forward against open_clip's towers, its rules against the pipeline's arithmetic."""

import ast
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from towers import simplex

from tasks.datasets.label_spaces import project
from tasks.exporting import router
from tasks.exporting.router_rules import rules_of_bins
from tasks.merging.per_sample import merge_per_sample
from tasks.models.classifier import ImageClassifier
from tasks.models.files.safetensors_file import write_safetensors
from tasks.models.tower import build_configured_tower
from tasks.numerics.bins import find_bins
from tasks.numerics.clustering import assign, cluster_coefficients
from tasks.numerics.entropy import softmax_entropy
from tasks.numerics.expertise import model_coefficients
from tasks.numerics.offset import offset_of

PROGRAM = Path(router.__file__)
TOWER = {"width": 64, "layers": 2, "heads": 2, "patch_size": 8, "gelu": "quick", "epsilon": 1e-5}
VISION = {"image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "head_width": 32}


def classifiers(count, quick=True, **vision):
    """Classifiers with drawn weights, norms included."""
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        tower = build_configured_tower({"embed_dim": 16, "quick_gelu": quick, "vision_cfg": {**VISION, **vision}})
        module = ImageClassifier(tower, 16, 5).eval().requires_grad_(False)
        for parameter in module.parameters():
            parameter.normal_(std=0.3)
        made.append(module)
    return made


def saved(folder, modules):
    """Write the states of modules; return the names of the files."""
    for number, module in enumerate(modules):
        with (folder / f"{number}.safetensors").open("wb") as file:
            write_safetensors(file, module.state_dict(), module.state_dict().items(), {"source": "a test"})
    return [f"{number}.safetensors" for number in range(len(modules))]


def test_it_is_short_and_imports_torch_and_the_standard_library_alone():
    """It has at most 80 lines of at most 120 characters, so that a reader sees what it does."""
    lines = PROGRAM.read_text().splitlines()
    assert len(lines) <= 80
    assert max(map(len, lines)) <= 120
    nodes = [node for node in ast.walk(ast.parse(PROGRAM.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {n.module if isinstance(n, ast.ImportFrom) else n.names[0].name for n in nodes}
    assert {name.partition(".")[0] for name in names} - sys.stdlib_module_names == {"torch"}


@pytest.mark.parametrize(
    ("quick", "vision", "settings"),
    [
        (True, {}, {}),
        (False, {}, {"gelu": "none"}),
        (False, {"act_kwargs": {"approximate": "tanh"}}, {"gelu": "tanh"}),
        (True, {"norm_kwargs": {"eps": 1e-2}}, {"epsilon": 1e-2}),
    ],
)
def test_a_model_alone_gives_the_logits_of_open_clips_tower(tmp_path, quick, vision, settings):
    """The classifier that the pipeline runs gives the same logits to rounding, for every activation."""
    module, images = classifiers(1, quick, **vision)[0], torch.randn(3, 3, 32, 32)
    rules = {"tower": {**TOWER, **settings}, "groups": None}
    got = router.forward(tmp_path, rules, saved(tmp_path, [module]), torch.ones(3, 1), images)
    torch.testing.assert_close(got, module(images), rtol=1e-5, atol=1e-5)


def test_every_image_has_its_own_merge(tmp_path):
    """Shares that differ from image to image give the logits of the pipeline's per-sample merge."""
    modules, images, shares = classifiers(3), torch.randn(4, 3, 32, 32), simplex(4, 3).float()
    files = saved(tmp_path, modules)
    got = router.forward(tmp_path, {"tower": TOWER, "groups": None}, files, shares, images)
    wanted = merge_per_sample(modules[0], [module.state_dict() for module in modules])(images, shares)
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_logits_of_grouped_classes_are_the_largest_of_each_group(tmp_path):
    """A data set whose classes stand for several of the head's gets their maximum."""
    module, images, groups = classifiers(1)[0], torch.randn(3, 3, 32, 32), [[0, 3], [4]]
    rules = {"tower": TOWER, "groups": groups}
    got = router.forward(tmp_path, rules, saved(tmp_path, [module]), torch.ones(3, 1), images)
    np.testing.assert_allclose(got, project(module(images).numpy(), groups), rtol=1e-5, atol=1e-5)


def rules_for(**content):
    return {"borders": None, "centres": None, "groups": None, "tower": None, **content}


def routed(folder, logits, **content):
    """Write rules, and route logits by them."""
    (folder / "router.json").write_text(json.dumps(rules_for(**content)))
    found, coefficients, entropies = router.Router(folder).route([torch.from_numpy(z) for z in logits])
    return found.numpy(), coefficients.numpy(), entropies.numpy()


def drawn(models, samples=400):
    """Logits of models with several degrees of certainty, their temperatures, and the entropies."""
    random = np.random.default_rng(models)
    logits = [random.normal(0, 3, (samples, 6)) * random.random((samples, 1)) for _ in range(models)]
    temperatures = [0.9, 1.0, 1.2][:models]
    entropies = [softmax_entropy(z, t) for z, t in zip(logits, temperatures, strict=True)]
    return logits, temperatures, np.column_stack(entropies)


def added(entropies, offset):
    """The numbers that `router.json` holds for an offset."""
    if not offset:
        return [0.0] * entropies.shape[1], False
    b, w = found = offset_of([entropies])
    return [b - b / w, b / w], found


@pytest.mark.parametrize(("models", "offset"), [(2, True), (2, False), (3, False)])
def test_samples_get_the_pipelines_coefficients(tmp_path, models, offset):
    """Entropies, the offset and the simplex are those of a run; coefficients of the models follow from them."""
    logits, temperatures, entropies = drawn(models)
    numbers, found = added(entropies, offset)
    groups, coefficients, got = routed(
        tmp_path,
        logits,
        kind="samples",
        temperatures=temperatures,
        offset=numbers,
        coefficients=np.eye(models).tolist(),
    )
    np.testing.assert_allclose(got, entropies, atol=1e-12)
    np.testing.assert_allclose(coefficients, model_coefficients(entropies, offset=found), atol=1e-12)
    assert set(groups) == {0}


@pytest.mark.parametrize(("models", "offset"), [(2, True), (2, False), (3, False)])
def test_clusters_are_the_pipelines(tmp_path, models, offset):
    """Each sample has the component of largest responsibility, of Beta and of Dirichlet mixtures."""
    logits, temperatures, entropies = drawn(models)
    numbers, found = added(entropies, offset)
    own = model_coefficients(entropies, offset=found)
    clusters = cluster_coefficients(own, 3, seed=1).clusters
    groups, coefficients, _ = routed(
        tmp_path,
        logits,
        kind="clusters",
        temperatures=temperatures,
        offset=numbers,
        weights=clusters.weights.tolist(),
        concentration=clusters.concentration.tolist(),
        coefficients=clusters.coefficients.tolist(),
    )
    wanted = assign(clusters.weights, clusters.concentration, own).assignment
    assert len(set(wanted)) == 3
    np.testing.assert_array_equal(groups, wanted)
    np.testing.assert_array_equal(coefficients, clusters.coefficients[wanted])


@pytest.mark.parametrize(("models", "bins"), [(2, 4), (2, 40), (3, 5)])
def test_bins_are_the_pipelines(tmp_path, models, bins):
    """Samples of the fitted data set get its bins; others in an empty bin of two models get the nearest mean."""
    logits, temperatures, entropies = drawn(models)
    own = model_coefficients(entropies, offset=False)
    fitted = find_bins([own[::20]], bins, seed=1)
    groups, coefficients, _ = routed(
        tmp_path,
        logits,
        kind="bins",
        temperatures=temperatures,
        offset=[0.0] * models,
        coefficients=fitted.coefficients.tolist(),
        **rules_of_bins(fitted),
    )
    wanted = fitted.assign(own)
    assert bins != 40 or (fitted.numbers < 0).sum() > 5  # many empty ones
    assert 1 < len(set(wanted)) <= bins
    np.testing.assert_array_equal(groups, wanted)
    np.testing.assert_array_equal(coefficients, fitted.coefficients[wanted])


def test_a_file_is_read_as_it_was_written(tmp_path):
    """The mapped tensors have the names, the shapes and the numbers of the safetensors file."""
    state = tiny.classifier(1).state_dict()
    with (tmp_path / "x.safetensors").open("wb") as file:
        write_safetensors(file, state, state.items(), {"format": "pt"})
    got = router.read(tmp_path / "x.safetensors")
    assert list(got) == list(state)
    assert all(torch.equal(got[name], tensor) for name, tensor in state.items())


def test_a_folder_without_rules_is_an_error_that_names_the_file(tmp_path):
    """Nothing is guessed where `router.json` is missing."""
    with pytest.raises(FileNotFoundError, match=r"router\.json"):
        router.Router(tmp_path)
