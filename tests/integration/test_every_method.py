"""Every method in one run's table, by task vectors and by interpolation, against independent arithmetic."""

import json

import numpy as np
import polars as pl
import pytest
import tiny
from multi_task import FAMILIES, NAMES, SAMPLES, combined, entropy, log_p_of, states, stored
from runs import run
from scipy.special import softmax

from flows.errors import ExperimentError
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from storage.store import Store
from tasks.methods.greedy_soup import GreedySoupOptions
from tasks.methods.method import Setup
from tasks.methods.registry import matching

pytestmark = [pytest.mark.xdist_group("methods"), pytest.mark.usefixtures("prefect_api")]


def names_of(families, models, held_out):
    """The methods that families stand for."""
    options = {"greedy-soup": GreedySoupOptions(held_out=held_out)}
    setup = Setup(models=tuple(models), datasets=(held_out,), options=options)
    return {member.name for name in families for member in matching(name, setup)}


def test_every_method_has_an_accuracy_on_every_task(table):
    """Exactly the methods asked for are in the results, and those that use labels are marked where they do."""
    rows, _ = table
    wanted = names_of([name for name in FAMILIES if name != "random"], NAMES, "a") | {"random/uniform"}
    wanted |= {"dawin/clusters-2", "dawin/bins-4", "dawin/samples"}
    top1 = rows.filter(~pl.col("dataset").str.starts_with("mean/"), metric="top1")
    assert set(top1["method"]) == wanted
    assert top1.group_by("method").len()["len"].unique().to_list() == [3]
    marked = top1.filter("uses_labels").select("method", "dataset").rows()
    assert sorted(marked) == [("greedy-soup", "a"), *(("oracle/samples", task) for task in "abc")]


@pytest.mark.parametrize(
    ("method", "weights"),
    [
        ("task-arithmetic/0.30", [0.1, 0.3, 0.3, 0.3]),
        ("uniform-soup", [0, 1 / 3, 1 / 3, 1 / 3]),
        ("wise-ft/0.50", [0.5, 1 / 6, 1 / 6, 1 / 6]),
        ("weight-average", [0.25] * 4),
    ],
)
def test_linear_merges_have_their_documented_weights(table, multi_task, method, weights):
    """The entropies are those of the model Σ w_m θ_m, on a task with four classes."""
    wanted = entropy(log_p_of(multi_task, "b", combined(weights)))
    np.testing.assert_allclose(stored(table, method, "b")["entropy"], wanted, atol=1e-4)


def test_dawin_weighs_the_scaled_task_vectors_by_entropy(table, multi_task):
    """Each sample's model is θ_0 + s·M·Σ π_t τ_t, with π from the tuned models' entropies under the task's head."""
    entropies = [entropy(log_p_of(multi_task, "c", state)) for state in states()[1:]]
    pi = softmax(-np.column_stack(entropies), axis=1)
    found = stored(table, "dawin/samples", "c")
    for i in range(0, SAMPLES, 7):
        weights = [1 - 0.9, *(0.9 * pi[i])]
        wanted = entropy(log_p_of(multi_task, "c", combined(weights))[i])
        assert found["entropy"][i] == pytest.approx(wanted, abs=1e-4)


def test_nothing_runs_again(table, multi_task):
    """A second plan is done; a second scale asks for the merges by task vectors alone."""
    _, store = table
    plan = checked_plan(load_experiment(str(multi_task / "multi.yaml")), Store(store))
    assert plan.is_done
    swept = load_experiment(str(multi_task / "multi.yaml"), ("merge.scale=[0.3, 0.5]",))
    plan = checked_plan(swept, Store(store))
    methods = {cell.method for cell in plan.cells if cell.method.startswith("dawin")}
    assert "dawin/samples/scale-0.50" in methods
    missing = [merge for dataset in plan.datasets for merge in plan.missing(plan.merges(dataset))]
    assert len(missing) == 3 * 5  # dawin's three, the oracle, random
    assert {merge.scale for merge in missing} == {0.5}
    assert not any(plan.missing(plan.mixtures(dataset)) for dataset in plan.datasets)


def test_a_task_without_labels_gets_predictions(multi_task, tmp_path):
    """The results hold no accuracy, and the store holds one prediction per sample."""
    store = str(tmp_path / "store")
    folder = tmp_path / "loose"
    folder.mkdir()
    for i, path in enumerate(sorted((multi_task / "b").rglob("*.png"))):
        (folder / f"{i}.png").write_bytes(path.read_bytes())
    datasets = f"datasets=[{{name: b, images: {folder}}}]"
    heads = f"heads={{b: {multi_task}/head_b.safetensors}}"
    rows = run(
        multi_task / "multi.yaml", store, datasets, heads, "merge.granularity=[samples]", "baselines=[]", "methods={}"
    )
    assert "top1" not in rows["metric"]
    assert len(pl.read_parquet(f"{store}/predictions/**/*.parquet")) == SAMPLES


def test_interpolation_has_every_method_too(tmp_path):
    """With heads inside the checkpoints and one tuned model, every family but Model Stock has its rows."""
    file = tiny.experiment(tmp_path, samples=SAMPLES)
    names = [name for name in FAMILIES if name != "model-stock"]
    rows = run(
        file, str(tmp_path / "store"), f"baselines={json.dumps(names)}", "methods.greedy-soup.held_out=one",
        "methods.adamerging={steps: 2, batch_size: 8}", "merge.granularity=[clusters, bins, samples]", "merge.bins=4",
    )  # fmt: skip
    wanted = names_of(names, ("base", "tuned"), "one")
    assert set(rows["method"]) == wanted | {"dawin/clusters-2", "dawin/bins-4", "dawin/samples"}


@pytest.mark.parametrize("expertise", ["loss", "loss-merged-hard", "margin"])
def test_every_measure_runs(tmp_path, expertise):
    """Measures that ask a merged model have its outputs extracted like any other model's."""
    file, store = tiny.experiment(tmp_path, samples=12), str(tmp_path / "store")
    settings = (f"merge.expertise={expertise}", "merge.granularity=[clusters, samples]", "baselines=[]")
    run(file, store, *settings)
    judges = 2 * expertise.startswith("loss-merged")
    assert len(list(Store(store).keys("outputs"))) // 2 == 4 + judges
    assert checked_plan(load_experiment(file, settings), Store(store)).is_done


def test_one_checkpoint_under_two_names_weighs_twice(tmp_path):
    """A shared merge adds up the coefficients of both names of a file."""
    models = [{"name": "base", "checkpoint": "base.pt"}] + [
        {"name": name, "checkpoint": "tuned.pt"} for name in ("tuned", "again")
    ]
    file, store = tiny.experiment(tmp_path, samples=12, models=models), str(tmp_path / "store")
    rows = run(file, store, "baselines=[individual, wise-ft/1.00]", "merge.granularity=[]")
    merged, alone = (stored((rows, store), m, "one")["entropy"] for m in ("wise-ft/1.00", "individual/tuned"))
    np.testing.assert_allclose(merged, alone, atol=1e-5)


@pytest.mark.parametrize("scale", ["[]", "[0.3, 0.3]", "[0.301, 0.304]"])
def test_scales_differ_in_two_decimals(multi_task, scale):
    """Each scale names rows of the results, so equal names are refused."""
    with pytest.raises(ExperimentError, match="wanted one scale or several that differ in two decimals"):
        load_experiment(str(multi_task / "multi.yaml"), (f"merge.scale={scale}",))


def test_one_cluster_is_a_static_merge_with_the_mean_coefficients(multi_task, tmp_path):
    """θ_0 + s·M·Σ π̄_t τ_t serves all samples; the mean by moments is the samples' own."""
    store = str(tmp_path / "store")
    settings = ("merge.granularity=[clusters]", "merge.clusters=1", "merge.m_step=moments", "baselines=[]")
    rows = run(multi_task / "multi.yaml", store, *settings, "methods={}")
    coefficients = np.stack(pl.read_parquet(f"{store}/coefficients/**/*.parquet")["coefficients"].to_list())
    assert coefficients.shape == (3 * SAMPLES, 3)
    found = stored((rows, store), "dawin/clusters-1", "b")
    digest = rows.filter(dataset="b")["dataset_digest"][0]
    table = pl.read_parquet(f"{store}/coefficients/dataset={digest}/**/*.parquet")
    mean = np.stack(table["coefficients"].to_list()).mean(0)
    wanted = entropy(log_p_of(multi_task, "b", combined([0.1, *(0.9 * mean)])))
    np.testing.assert_allclose(found["entropy"], wanted, atol=1e-4)


def test_constant_coefficients_give_one_model_sample_by_sample(multi_task, tmp_path, monkeypatch):
    """Every sample's own merge, all with the same coefficients, is one static merge."""
    monkeypatch.setattr(
        "tasks.streaming.local_coefficients.model_coefficients",
        lambda columns, offset: np.tile([0.2, 0.3, 0.5], (len(columns), 1)),
    )
    store = str(tmp_path / "store")
    rows = run(multi_task / "multi.yaml", store, "merge.granularity=[samples]", "baselines=[]", "methods={}")
    wanted = entropy(log_p_of(multi_task, "c", combined([0.1, 0.18, 0.27, 0.45])))
    found = stored((rows, store), "dawin/samples", "c")
    np.testing.assert_allclose(found["entropy"], wanted, atol=1e-4)
