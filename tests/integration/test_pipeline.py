"""The whole pipeline: right numbers, in data-set order, and nothing computed that is there already."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tiny
import torch
import yaml
from PIL import Image

from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.reports.tables import results_of
from storage import scan
from storage.store import Store
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


def run(file, store, *overrides):
    """Run an experiment through its flows; return its result rows."""
    from flows.run_experiment import run_experiment

    record = asyncio.run(run_experiment(load_experiment(file, overrides), store))
    return results_of(Store(store), record.experiment, record.run_id)


def table(rows):
    return {(r["method"], r["dataset"], r["metric"]): r["value"] for r in rows.iter_rows(named=True)}


def written(store):
    """Every committed object and when it was written."""
    folder = Path(store)
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*.parquet")}


@pytest.fixture(scope="module")
def example(tmp_path_factory, prefect_api):
    """An experiment that was run once: its folder, file, store and results."""
    folder = tmp_path_factory.mktemp("example")
    file, store = tiny.experiment(folder), str(folder / "store")
    return folder, file, store, run(file, store)


@pytest.fixture
def copied(example, tmp_path):
    """The same, for a test to change."""
    folder, file, _, rows = example
    target = tmp_path / "copy"
    subprocess.run(["cp", "-a", folder, target], check=True)  # keeps the times of the images
    return target, str(target / Path(file).name), str(target / "store"), rows


def images_of(folder):
    """The test images as open_clip would see them, in sorted path order, with labels; by independent code."""
    paths = sorted(Path(folder).rglob("*.png"))
    from open_clip import image_transform

    transform = image_transform(16, is_train=False, mean=CLIP_MEAN, std=CLIP_STD)
    return torch.stack([transform(Image.open(p)) for p in paths]), np.array([int(p.parent.name[5:]) for p in paths])


def merged_logits(images, lam):
    """Merge, then run, by independent code."""
    base, tuned = tiny.classifier(1), tiny.classifier(2)
    state = {n: (1 - lam) * a + lam * tuned.state_dict()[n] for n, a in base.state_dict().items()}
    base.load_state_dict(state)
    return base(images).double().numpy()


def expected(folder):
    """Every method's predictions on a data set, computed the long way round."""
    images, labels = images_of(folder)
    z = [merged_logits(images, 0.0), merged_logits(images, 1.0)]
    p = [np.exp(v) / np.exp(v).sum(1, keepdims=True) for v in z]
    h = [-(q * np.log(q)).sum(1) for q in p]
    b = 0.5 * sum(v.std(ddof=1) / v.mean() for v in h)
    w = (h[0].mean() + h[1].mean()) / h[0].mean()
    lam = (np.exp(-h[1]) + b / w) / (np.exp(-h[0]) + np.exp(-h[1]) + b)
    true = [q[np.arange(len(labels)), labels] for q in p]
    oracle = true[1] / (true[0] + true[1])
    methods = {f"wise-ft/{a / 10:.2f}": merged_logits(images, a / 10).argmax(1) for a in range(11)}
    methods["individual/base"], methods["individual/tuned"] = z[0].argmax(1), z[1].argmax(1)
    methods["output-ensemble/uniform"] = (p[0] + p[1]).argmax(1)
    methods["output-ensemble/dynamic"] = ((1 - lam)[:, None] * p[0] + lam[:, None] * p[1]).argmax(1)
    methods["classifier-selection"] = np.where((h[1] < h[0])[:, None], z[1], z[0]).argmax(1)
    for name, each in (("dawin/samples", lam), ("oracle/samples", oracle)):
        methods[name] = np.array([merged_logits(images[i : i + 1], each[i]).argmax() for i in range(len(images))])
    return methods, lam, labels


@pytest.mark.parametrize("dataset", ["one", "two"])
def test_every_method_predicts_what_the_long_way_round_predicts(example, dataset):
    """Sample by sample, in data-set order; and the accuracy is that of these predictions."""
    folder, _, store, rows = example
    methods, lam, labels = expected(folder / dataset)
    assert set(methods) | {"dawin/clusters-2"} == set(rows["method"])
    for method, predictions in methods.items():
        row = rows.row(by_predicate=(pl.col("method") == method) & (pl.col("dataset") == dataset), named=True)
        samples = scan(row["samples_table"], store=store).filter(pl.col("id") == row["samples_id"]).collect()
        assert samples["sample_index"].to_list() == list(range(30))
        np.testing.assert_array_equal(samples["label"], labels)
        np.testing.assert_array_equal(samples["prediction"], predictions, err_msg=method)
        assert row["value"] == pytest.approx((predictions == labels).mean())
        assert row["samples"] == 30
    digest = rows.filter(pl.col("dataset") == dataset)["dataset_digest"][0]
    stored = scan("coefficients", store=store).filter(pl.col("dataset") == digest).collect()
    assert any(np.allclose(part["coefficients"].list.get(1), lam, atol=1e-5) for _, part in stored.group_by("id"))


def test_clusters_are_evaluated_with_their_means(example):
    """Each sample by the model of its component's mean coefficient."""
    folder, _, store, rows = example
    images, _ = images_of(folder / "one")
    row = rows.filter(method="dawin/clusters-2", dataset="one", metric="top1").row(0, named=True)
    samples = scan("predictions", store=store).filter(pl.col("id") == row["samples_id"]).collect()
    mixture = scan("mixtures", store=store).filter(pl.col("dataset") == row["dataset_digest"]).collect()
    lam = mixture["coefficients"].list.get(1).to_numpy()
    assert len(np.unique(lam)) == 2
    ours = [merged_logits(images[i : i + 1], lam[i]).argmax() for i in range(30)]
    np.testing.assert_array_equal(samples["prediction"], ours)
    components = scan("components", store=store).filter(pl.col("dataset") == row["dataset_digest"]).collect()
    assert components["samples"].sum() == 30
    assert set(np.round(components["coefficients"].list.get(1), 12)) == set(np.round(np.unique(lam), 12))


def test_results_say_where_they_come_from(example):
    """Provenance, oracles marked, an interval around the value."""
    _, _, store, rows = example
    assert rows.filter("uses_labels")["method"].unique().to_list() == ["oracle/samples"]
    assert rows.filter((pl.col("ci_low") > pl.col("value")) | (pl.col("ci_high") < pl.col("value"))).height == 0
    assert rows["experiment"].unique().to_list() == ["tiny"]
    assert rows["models"].to_list()[0] == ["base"]
    direct = pl.scan_parquet(f"{store}/results/**/*.parquet", hive_partitioning=True).collect()
    assert direct.height == rows.height
    assert {
        "experiment",
        "run_id",
        "method",
        "dataset",
        "group",
        "metric",
        "value",
        "ci_low",
        "ci_high",
        "samples",
    } <= set(direct.columns)


def test_running_again_computes_nothing(copied):
    """Nothing is written, and the plan says so."""
    _, file, store, rows = copied
    before = written(store)
    again = run(file, store)
    assert again.equals(rows)
    assert written(store) == before
    assert checked_plan(load_experiment(file), Store(store)).is_done


def test_another_number_of_clusters_reuses_every_extraction(copied):
    """Only mixtures, their evaluation and the results are new."""
    _, file, store, _ = copied
    before = written(store)
    run(file, store, "merge.clusters=3")
    new = sorted({key.split("/")[0] for key in written(store).keys() - before.keys()})
    assert new == ["components", "mixtures", "predictions", "results"]
    assert len([k for k in written(store).keys() - before.keys() if k.startswith("predictions")]) == 2
    assert {key: at for key, at in written(store).items() if key in before} == before


def test_a_third_model_is_the_only_one_extracted(copied):
    """And the many-model formulas take over."""
    folder, file, store, _ = copied
    tiny.checkpoint(folder / "third.pt", 3)
    content = yaml.safe_load(Path(file).read_text())
    content["models"].append({"name": "third", "checkpoint": "third.pt"})
    Path(file).write_text(yaml.safe_dump(content))
    before = {key for key in written(store) if key.startswith("outputs")}
    rows = run(file, store)
    new = {key for key in written(store) if key.startswith("outputs")} - before
    assert len(new) == 2
    weights = rows.filter(pl.col("method") == "individual/third")["weights"].to_list()[0][0]
    assert all(f"weights={weights[:16]}" in key for key in new)
    assert set(rows["method"]) >= {"individual/third", "dawin/clusters-2", "dawin/samples", "wise-ft/0.50"}


@pytest.mark.parametrize("change", ["checkpoint byte", "temperature", "image"])
def test_what_changes_the_numbers_is_computed_again(copied, change):
    """One byte of a checkpoint (its time kept), a temperature, one image; and nothing else."""
    folder, file, store, _ = copied
    before = {key for key in written(store) if key.startswith("outputs")}
    overrides, expected_new = (), 2
    if change == "checkpoint byte":
        path = folder / "tuned.pt"
        times = path.stat()
        state = torch.load(path, weights_only=True)
        state["model.visual.proj"].view(torch.uint8).view(-1)[0] ^= 1
        torch.save(state, path)
        import os

        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif change == "temperature":
        overrides = ("models.1.temperature=1.5",)
    else:
        tiny.image_folder(folder / "one", 1, seed=99)
    run(file, store, *overrides)
    new = {key for key in written(store) if key.startswith("outputs")} - before
    assert len(new) == expected_new


def test_another_name_or_place_changes_nothing_that_is_computed(copied):
    """Names and addresses are not content."""
    folder, file, store, _ = copied
    shutil.move(folder / "base.pt", folder / "moved.pt")
    before = written(store)
    run(file, store, f"models.0.checkpoint={folder}/moved.pt", "models.0.name=first", "name=renamed")
    assert sorted({key.split("/")[0] for key in written(store).keys() - before.keys()}) == ["results"]


def test_on_s3_the_results_are_the_same(example, s3, tmp_path):
    """Store, checkpoints and images in a bucket."""
    import s3fs

    folder, file, _, rows = example
    filesystem = s3fs.S3FileSystem()
    for name in ("one", "two", "base.pt", "tuned.pt"):
        filesystem.put(str(folder / name), f"{s3}/{name}", recursive=True)
    content = yaml.safe_load(Path(file).read_text())
    for model in content["models"]:
        model["checkpoint"] = f"{s3}/{model['checkpoint']}"
    for dataset in content["datasets"]:
        dataset["images"] = f"{s3}/{dataset['images']}"
    remote = tmp_path / "remote.yaml"
    remote.write_text(yaml.safe_dump(content))
    on_s3 = run(str(remote), f"{s3}/store")
    assert table(on_s3) == table(rows)
    assert scan("results", store=f"{s3}/store").collect().height == rows.height


def test_images_without_labels_get_predictions_and_no_accuracy(copied):
    """Everything but results rows."""
    folder, file, store, _ = copied
    loose = folder / "loose"
    loose.mkdir()
    for path in (folder / "one").rglob("*.png"):
        shutil.copy(path, loose / path.name)
    overrides = ("datasets.1.images=" + str(loose), "datasets.1.name=loose", "baselines=[individual, wise-ft]")
    rows = run(file, store, *overrides)
    assert rows.filter(metric="top1")["dataset"].unique().to_list() == ["one"]
    assert set(rows.filter(dataset="loose")["metric"]) == {"coefficient_error_mean", "coefficient_error_max"}
    unlabelled = scan("predictions", store=store).filter(pl.col("label").is_null()).collect()
    assert unlabelled.height > 0
    assert unlabelled["label_rank"].null_count() == unlabelled.height
    assert unlabelled["prediction"].null_count() == 0


def test_only_images_without_labels(tmp_path, example):
    """A run with nothing to score ends well, and says so."""
    from flows.reports.tables import render

    folder, _, _, _ = example
    file = tiny.experiment(tmp_path)
    (tmp_path / "loose").mkdir()
    for path in (folder / "one").rglob("*.png"):
        shutil.copy(path, tmp_path / "loose" / path.name)
    loose = "[{name: loose, images: %s}]" % (tmp_path / "loose")
    rows = run(file, str(tmp_path / "store"), f"datasets={loose}", "baselines=[individual, wise-ft]")
    assert rows.filter(metric="top1").is_empty()
    assert "the predictions are in the store" in render(rows, "table")
    assert scan("predictions", store=str(tmp_path / "store")).collect().height > 0


def test_a_checkpoint_that_changes_during_a_run_is_not_stored_as_another(example, tmp_path):
    """Its outputs would be found under the first one's digest for ever."""
    from tasks.errors import CheckpointError
    from tasks.extraction import extract
    from tasks.streaming.reading import Reading

    file, store = tiny.experiment(tmp_path), Store(str(tmp_path / "store"))
    plan = checked_plan(load_experiment(file), store)
    tiny.checkpoint(tmp_path / "tuned.pt", 77)
    with pytest.raises(CheckpointError, match=r"tuned\.pt: changed since the run began"):
        extract.fn(plan.outputs[0], store, reading=Reading(batch_size=16))
    assert not list((tmp_path / "store").rglob("*.parquet"))


def test_the_latest_run_is_the_one_that_was_asked_for_last(copied):
    """Also when there was nothing left to run, and when the pointer is lost."""
    from flows.cli import main
    from storage.pointers import latest_run

    _, file, store, rows = copied
    first = rows["run_id"][0]
    second = run(file, store, "merge.clusters=3")["run_id"][0]
    assert latest_run(Store(store), "tiny") == second != first
    assert main(["run", file, "--store", store]) == 0
    assert latest_run(Store(store), "tiny") == first
    Path(store, "results", "experiment=tiny", "latest.json").unlink()
    assert latest_run(Store(store), "tiny") in (first, second)


def test_a_head_of_its_own(copied):
    """Used for the data set it is named for, in place of the checkpoints' own."""
    folder, file, store, rows = copied
    head = tiny.classifier(9).head.state_dict()
    torch.save(head, folder / "head.pt")
    with_head = run(file, store, f"heads.two={folder}/head.pt")
    ours, before = table(with_head), table(rows)
    assert all(ours[key] == before[key] for key in before if key[1] == "one")
    images, labels = images_of(folder / "two")
    made = tiny.classifier(1)
    made.head.load_state_dict(head)
    assert ours["individual/base", "two", "top1"] == pytest.approx((made(images).argmax(1).numpy() == labels).mean())


def test_many_small_shards_give_the_same(example, tmp_path, monkeypatch):
    """However the samples are cut."""
    _, file, _, rows = example
    monkeypatch.setattr("tasks.references.datasets.SHARD", 7)
    assert table(run(file, str(tmp_path / "store"))) == pytest.approx(table(rows), abs=1e-6)
    assert scan("outputs", store=str(tmp_path / "store")).collect().height == 2 * 2 * 30
