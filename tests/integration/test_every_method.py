"""Every method in one run's table, by interpolation and by task vectors; what is made once, and what runs again."""

import asyncio
import json

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import tiny
import torch
import yaml
from flows.planning.methods import FAMILIES, Setup, matching
from open_clip import image_transform
from PIL import Image

from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.reports.tables import results_of
from flows.run_experiment import run_experiment
from storage.store import Store
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD

pytestmark = [pytest.mark.xdist_group("methods"), pytest.mark.usefixtures("prefect_api")]

SAMPLES = 24
NAMES = ["base", "first", "second", "third"]


def run(file, store, *overrides):
    record = asyncio.run(run_experiment(load_experiment(str(file), overrides), store))
    return results_of(Store(store), record.experiment, record.run_id)


def states():
    """Four towers near one another, without heads, and a head a data set."""
    base = tiny.classifier(0).visual.state_dict()
    random = torch.Generator().manual_seed(5)
    tuned = [{n: t + 0.05 * torch.randn(t.shape, generator=random) for n, t in base.items()} for _ in NAMES[1:]]
    return [{f"visual.{n}": t for n, t in state.items()} for state in (base, *tuned)]


@pytest.fixture(scope="module")
def multi_task(tmp_path_factory):
    """Three tasks on images of their own, with heads of 3, 4 and 5 classes, as task-vectors checkpoints come."""
    folder = tmp_path_factory.mktemp("tasks")
    for name, state in zip(NAMES, states(), strict=True):
        safetensors.torch.save_file(state, folder / f"{name}.safetensors")
    heads = {}
    for i, task in enumerate(("a", "b", "c")):
        tiny.image_folder(folder / task, SAMPLES, i, classes=3 + i)
        torch.manual_seed(i)
        head = {"weight": 20 * torch.randn(3 + i, 16) / 4, "bias": torch.zeros(3 + i)}
        safetensors.torch.save_file(head, folder / f"head_{task}.safetensors")
        heads[task] = f"head_{task}.safetensors"
    content = {
        "name": "multi",
        "models": [{"name": name, "checkpoint": f"{name}.safetensors"} for name in NAMES],
        "heads": heads,
        "datasets": [{"name": task, "images": task, "group": "tasks"} for task in heads],
        "merge": {
            "kind": "task-vectors",
            "granularity": ["clusters", "bins", "samples"],
            "clusters": 2,
            "bins": 4,
            "scale": 0.3,
            "held_out": "a",
            "adamerging": {"steps": 3, "batch_size": 8},
        },
        "baselines": [name for name in FAMILIES if name != "random"] + ["random/uniform"],
        "batch_size": 16,
    }
    (folder / "multi.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="module")
def table(multi_task, prefect_api):
    """The whole comparison."""
    store = str(multi_task / "store")
    return run(multi_task / "multi.yaml", store), store


def test_every_method_has_an_accuracy_on_every_task(table):
    """And nothing is there that was not asked for."""
    rows, _ = table
    setup = Setup(tuple(NAMES), "a")
    wanted = {method for name in FAMILIES if name != "random" for method in matching(name, setup)} | {"random/uniform"}
    wanted |= {"dawin/clusters-2", "dawin/bins-4", "dawin/samples"}
    top1 = rows.filter(metric="top1")
    assert set(top1["method"]) == wanted
    assert top1.group_by("method").len()["len"].unique().to_list() == [3]
    told = top1.filter("uses_labels").select("method", "dataset").rows()
    assert sorted(told) == [("greedy-soup", "a"), *(("oracle/samples", task) for task in "abc")]


def logits_of(folder, task, state):
    """By independent code: the state's tower, the task's head."""
    head = safetensors.torch.load_file(folder / f"head_{task}.safetensors")
    module = tiny.classifier(0, classes=len(head["bias"]))
    module.load_state_dict({**state, "head.weight": head["weight"], "head.bias": head["bias"]})
    transform = image_transform(16, is_train=False, mean=CLIP_MEAN, std=CLIP_STD)
    files = sorted((folder / task).rglob("*.png"), key=lambda path: (path.parent.name, path.name))
    with torch.no_grad():
        return module(torch.stack([transform(Image.open(path)) for path in files])).double().numpy()


def stored(table, method, task):
    rows, store = table
    row = rows.filter(method=method, dataset=task, metric="top1").row(0, named=True)
    where = f"{store}/{row['samples_table']}/dataset={row['dataset_digest']}/**/id={row['samples_id']}/*.parquet"
    return pl.read_parquet(where).sort("sample_index")


def combined(weights):
    return {n: sum(w * s[n] for w, s in zip(weights, states(), strict=True)) for n in states()[0]}


@pytest.mark.parametrize(
    ("method", "weights"),
    [
        ("task-arithmetic/0.30", [0.1, 0.3, 0.3, 0.3]),
        ("uniform-soup", [0, 1 / 3, 1 / 3, 1 / 3]),
        ("wise-ft/0.50", [0.5, 1 / 6, 1 / 6, 1 / 6]),
        ("weight-average", [0.25] * 4),
    ],
)
def test_linear_merges_are_what_they_say(table, multi_task, method, weights):
    """Entropies of the merged model, on a task with four classes."""
    from scipy.special import log_softmax

    log_p = log_softmax(logits_of(multi_task, "b", combined(weights)), axis=1)
    np.testing.assert_allclose(stored(table, method, "b")["entropy"], -(np.exp(log_p) * log_p).sum(1), atol=1e-4)


def test_dawin_shares_the_scaled_task_vectors_by_entropy(table, multi_task):
    """θ_0 + s·M·Σ π_t τ_t, each sample's own; π from the tuned models' entropies under the task's head."""
    from scipy.special import log_softmax, softmax

    entropies = []
    for state in states()[1:]:
        log_p = log_softmax(logits_of(multi_task, "c", state), axis=1)
        entropies.append(-(np.exp(log_p) * log_p).sum(1))
    shares = softmax(-np.column_stack(entropies), axis=1)
    found = stored(table, "dawin/samples", "c")
    for i in range(0, SAMPLES, 7):
        weights = [1 - 0.9, *(0.9 * shares[i])]
        log_p = log_softmax(logits_of(multi_task, "c", combined(weights))[i])
        assert found["entropy"][i] == pytest.approx(-(np.exp(log_p) * log_p).sum(), abs=1e-4)


def test_scaled_merges_are_made_once(table, multi_task):
    """Ten scales of TIES, three data sets: one model in the store; learnt coefficients and losses beside theirs."""
    _, url = table
    store = Store(url)
    made = [key for key in store.keys("made-models") if key.endswith("model.safetensors")]
    assert len(made) == 9  # ties, tsv-merge, iso-c, greedy-soup, model-stock, four of adamerging
    learnt = [json.loads(store.read(key)) for key in store.keys("made-models") if key.endswith("learnt.json")]
    assert sorted(len(record["loss"]) for record in learnt if "loss" in record) == [3] * 4
    assert [record["held_out"] for record in learnt if "chosen" in record] == ["a"]


def test_nothing_runs_again(table, multi_task):
    """Also with another scale: only dawin's merges."""
    _, store = table
    plan = checked_plan(load_experiment(str(multi_task / "multi.yaml")), Store(store))
    assert plan.is_done
    swept = load_experiment(str(multi_task / "multi.yaml"), ("merge.scale=[0.3, 0.5]",))
    plan = checked_plan(swept, Store(store))
    methods = {cell.method for cell in plan.cells if cell.method.startswith("dawin")}
    assert "dawin/samples/scale-0.50" in methods
    lacking = [merge for dataset in plan.datasets for merge in plan.missing(plan.merges(dataset))]
    assert len(lacking) == 3 * 5  # dawin's three, the oracle, random
    assert {merge.scale for merge in lacking} == {0.5}
    assert not any(plan.missing(plan.mixtures(dataset)) for dataset in plan.datasets)


def test_a_task_without_labels_gets_predictions(multi_task, tmp_path):
    """No accuracy, but a prediction a sample."""
    store = str(tmp_path / "store")
    folder = tmp_path / "loose"
    folder.mkdir()
    for i, path in enumerate(sorted((multi_task / "b").rglob("*.png"))):
        (folder / f"{i}.png").write_bytes(path.read_bytes())
    datasets = f"datasets=[{{name: b, images: {folder}}}]"
    heads = f"heads={{b: {multi_task}/head_b.safetensors}}"
    rows = run(
        multi_task / "multi.yaml", store, datasets, heads, "merge.granularity=[samples]", "baselines=[]",
        "merge.held_out=null",
    )  # fmt: skip
    assert "top1" not in rows["metric"]
    assert len(pl.read_parquet(f"{store}/predictions/**/*.parquet")) == SAMPLES


def test_interpolation_has_every_method_too(tmp_path):
    """Heads inside the checkpoints; one tuned model, for which a model stock makes no sense."""
    file = tiny.experiment(tmp_path, samples=SAMPLES)
    names = [name for name in FAMILIES if name != "model-stock"]
    rows = run(
        file, str(tmp_path / "store"), f"baselines={json.dumps(names)}", "merge.held_out=one",
        "merge.adamerging={steps: 2, batch_size: 8}", "merge.granularity=[clusters, bins, samples]", "merge.bins=4",
    )  # fmt: skip
    setup = Setup(("base", "tuned"), "one")
    wanted = {method for name in names for method in matching(name, setup)}
    assert set(rows["method"]) == wanted | {"dawin/clusters-2", "dawin/bins-4", "dawin/samples"}


@pytest.mark.parametrize("expertise", ["loss", "loss-merged-hard", "margin"])
def test_every_measure_runs(tmp_path, expertise):
    """Also those that ask a merged model, whose outputs are extracted like any other's."""
    file, store = tiny.experiment(tmp_path, samples=12), str(tmp_path / "store")
    run(file, store, f"merge.expertise={expertise}", "merge.granularity=[clusters, samples]", "baselines=[]")
    judges = 2 * expertise.startswith("loss-merged")
    assert len(list(Store(store).keys("outputs"))) // 2 == 4 + judges
    settings = (f"merge.expertise={expertise}", "merge.granularity=[clusters, samples]", "baselines=[]")
    assert checked_plan(load_experiment(file, settings), Store(store)).is_done


def test_adamerging_sees_the_whole_data_set(multi_task, monkeypatch):
    """From its first steps on, also where a data set is more than one object long."""
    from tasks import model_merging as weight_merging
    from tasks.streaming.images import OpenedDataset

    plan = checked_plan(load_experiment(str(multi_task / "multi.yaml")), Store(str(multi_task / "other")))
    monkeypatch.setattr("tasks.references.datasets.SHARD", 8)
    seen, read = set(), OpenedDataset.batches

    def watched(self, spans, order=None):
        for batch in read(self, spans, order):
            seen.update(batch.sample_index.tolist())
            yield batch

    monkeypatch.setattr(OpenedDataset, "batches", watched)
    source = weight_merging._endless(plan.outputs[0][0], 4, 1, "cpu")
    for _ in range(3):
        next(source)
    assert max(seen) >= 16
    assert len(seen) == 12


def test_one_checkpoint_under_two_names_weighs_twice(tmp_path):
    """Shared merges add up what one file gets by both of its names."""
    models = [{"name": "base", "checkpoint": "base.pt"}] + [
        {"name": name, "checkpoint": "tuned.pt"} for name in ("tuned", "again")
    ]
    file, store = tiny.experiment(tmp_path, samples=12, models=models), str(tmp_path / "store")
    rows = run(file, store, "baselines=[individual, wise-ft/1.00]", "merge.granularity=[]")
    merged, alone = (stored((rows, store), m, "one")["entropy"] for m in ("wise-ft/1.00", "individual/tuned"))
    np.testing.assert_allclose(merged, alone, atol=1e-5)


def test_a_soup_keeps_the_heads_that_checkpoints_hold(tmp_path):
    """Though the held-out data set has a head of its own."""
    torch.manual_seed(0)
    safetensors.torch.save_file({"weight": torch.randn(3, 16), "bias": torch.zeros(3)}, tmp_path / "head.safetensors")
    models = [{"name": n, "checkpoint": f"{n}.pt"} for n in ("base", "tuned")]
    file = tiny.experiment(tmp_path, samples=12, models=models)
    settings = ("baselines=[greedy-soup]", "merge.held_out=one", "merge.granularity=[]")
    heads = f"heads={{one: {tmp_path}/head.safetensors}}"
    rows = run(file, str(tmp_path / "store"), *settings, heads)
    assert set(rows["dataset"]) == {"one", "two"}


def test_a_soup_needs_labels_and_says_so_at_once(tmp_path):
    """Before anything is extracted."""
    from tasks.errors import DatasetError

    file = tiny.experiment(tmp_path, samples=12)
    (tmp_path / "loose").mkdir()
    for path in (tmp_path / "one").rglob("*.png"):
        path.rename(tmp_path / "loose" / path.name)
    settings = (f"datasets=[{{name: loose, images: {tmp_path}/loose}}]", "baselines=[greedy-soup]")
    with pytest.raises(DatasetError, match="loose: images without labels, but baseline greedy-soup chooses by them"):
        checked_plan(load_experiment(file, (*settings, "merge.held_out=loose")), Store(str(tmp_path / "store")))


def test_only_models_that_something_lacks_are_made(table, multi_task):
    """Merged models deleted to save space are not made again for what is there."""
    _, url = table
    store = Store(url)
    kept = {key: store.read(key) for key in store.keys("made-models")}
    for key in kept:
        store.delete(key)
    try:
        plan = checked_plan(load_experiment(str(multi_task / "multi.yaml"), ("baselines=[ties, iso-c/0.50]",)), store)
        assert [recipe.method for recipe in plan.missing_models] == ["iso-c"]
    finally:
        for key, content in kept.items():
            store.replace(key, content)


@pytest.mark.parametrize("scale", ["[]", "[0.3, 0.3]", "[0.301, 0.304]"])
def test_scales_are_told_apart(multi_task, scale):
    """Each is a name in results."""
    from flows.errors import ExperimentError

    with pytest.raises(ExperimentError, match="wanted one scale or several that differ in two decimals"):
        load_experiment(str(multi_task / "multi.yaml"), (f"merge.scale={scale}",))


def test_what_a_model_is_made_of_counts_and_nothing_else(multi_task):
    """Another precision, or another width of stored logits, trains nothing anew."""
    store = Store(str(multi_task / "other"))

    def digests(*overrides):
        plan = checked_plan(load_experiment(str(multi_task / "multi.yaml"), overrides), store)
        return {recipe.method: recipe.digest for recipe in plan.made_models}

    first, other = digests(), digests("logits=fp16", "models.0.temperature=2.0")
    assert first == other
    assert digests("merge.adamerging.steps=4")["adamerging/task-wise"] != first["adamerging/task-wise"]
    assert digests("merge.ties_keep=0.3")["ties"] != first["ties"]
    assert digests("precision=bf16")["adamerging/task-wise"] == first["adamerging/task-wise"]
    assert digests("precision=bf16")["greedy-soup"] != first["greedy-soup"]


def test_one_cluster_is_a_static_merge_with_the_mean_coefficients(multi_task, tmp_path):
    """θ_0 + s·M·Σ π̄_t τ_t for all samples; the mean by moments is the samples' own."""
    store = str(tmp_path / "store")
    settings = ("merge.granularity=[clusters]", "merge.clusters=1", "merge.m_step=moments", "baselines=[]")
    rows = run(multi_task / "multi.yaml", store, *settings)
    shares = np.stack(pl.read_parquet(f"{store}/coefficients/**/*.parquet")["coefficients"].to_list())
    assert shares.shape == (3 * SAMPLES, 3)
    found = stored((rows, store), "dawin/clusters-1", "b")
    digest = rows.filter(dataset="b")["dataset_digest"][0]
    table = pl.read_parquet(f"{store}/coefficients/dataset={digest}/**/*.parquet")
    mean = np.stack(table["coefficients"].to_list()).mean(0)
    from scipy.special import log_softmax

    log_p = log_softmax(logits_of(multi_task, "b", combined([0.1, *(0.9 * mean)])), axis=1)
    np.testing.assert_allclose(found["entropy"], -(np.exp(log_p) * log_p).sum(1), atol=1e-4)


def test_constant_coefficients_give_one_model_sample_by_sample(multi_task, tmp_path, monkeypatch):
    """Every sample's own merge, all alike, is that merge."""
    monkeypatch.setattr(
        "tasks.streaming.merge_sinks.model_coefficients",
        lambda columns, offset: np.tile([0.2, 0.3, 0.5], (len(columns), 1)),
    )
    store = str(tmp_path / "store")
    rows = run(multi_task / "multi.yaml", store, "merge.granularity=[samples]", "baselines=[]")
    from scipy.special import log_softmax

    log_p = log_softmax(logits_of(multi_task, "c", combined([0.1, 0.18, 0.27, 0.45])), axis=1)
    found = stored((rows, store), "dawin/samples", "c")
    np.testing.assert_allclose(found["entropy"], -(np.exp(log_p) * log_p).sum(1), atol=1e-4)
