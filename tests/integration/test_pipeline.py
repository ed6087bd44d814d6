"""The whole pipeline: right numbers, in data-set order, from local files and from S3, with labels and without."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tiny
import torch
import yaml
from PIL import Image
from runs import run, run_in_shards, table

from storage import scan
from storage.store import Store
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


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
    """Every method's predictions on a data set, merged and run sample by sample."""
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
def test_every_method_predicts_as_independent_code_does(example, dataset):
    """Predictions agree sample by sample, in data-set order, and the accuracy is that of these predictions."""
    folder, _, store, rows = example
    methods, lam, labels = expected(folder / dataset)
    assert set(methods) | {"dawin/clusters-2"} == set(rows["method"])
    for method, predictions in methods.items():
        (row,) = rows.filter(method=method, dataset=dataset, metric="top1").iter_rows(named=True)
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
    """Each sample is classified by the model of its cluster's mean coefficient."""
    folder, _, store, rows = example
    images, _ = images_of(folder / "one")
    row = rows.filter(method="dawin/clusters-2", dataset="one", metric="top1").row(0, named=True)
    samples = scan("predictions", store=store).filter(pl.col("id") == row["samples_id"]).collect()
    mixture = scan("mixtures", store=store).filter(pl.col("dataset") == row["dataset_digest"]).collect()
    lam = mixture["coefficients"].list.get(1).to_numpy()
    assert len(np.unique(lam)) == 2
    wanted = [merged_logits(images[i : i + 1], lam[i]).argmax() for i in range(30)]
    np.testing.assert_array_equal(samples["prediction"], wanted)
    components = scan("components", store=store).filter(pl.col("dataset") == row["dataset_digest"]).collect()
    assert components["samples"].sum() == 30
    assert set(np.round(components["coefficients"].list.get(1), 12)) == set(np.round(np.unique(lam), 12))


def test_results_carry_their_provenance(example):
    """Rows name models and settings, mark the oracle, and hold an interval around each value."""
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


def test_on_s3_the_results_are_the_same(example, s3, tmp_path):
    """With store, checkpoints and images in a bucket, the table is that of local files."""
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
    """Such a data set gets predictions and coefficient errors, but no accuracy and no label columns."""
    folder, file, store, _ = copied
    loose = folder / "loose"
    loose.mkdir()
    for path in (folder / "one").rglob("*.png"):
        shutil.copy(path, loose / path.name)
    overrides = ("datasets.1.images=" + str(loose), "datasets.1.name=loose", "baselines=[individual, wise-ft]")
    rows = run(file, store, *overrides)
    assert rows.filter(metric="top1")["datasets"].explode().unique().to_list() == ["one"]
    unlabelled_metrics = {"entropy", "confidence", "coefficient_error_mean", "coefficient_error_max"}
    assert set(rows.filter(dataset="loose")["metric"]) == unlabelled_metrics
    unlabelled = scan("predictions", store=store).filter(pl.col("label").is_null()).collect()
    assert unlabelled.height > 0
    assert unlabelled["label_rank"].null_count() == unlabelled.height
    assert unlabelled["prediction"].null_count() == 0


def test_only_images_without_labels(tmp_path, example):
    """A run without any labels completes, and its table says that the predictions are in the store."""
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


def test_a_head_of_its_own(copied):
    """A head named for one data set replaces the checkpoints' own there, and nowhere else."""
    folder, file, store, rows = copied
    head = tiny.classifier(9).head.state_dict()
    torch.save(head, folder / "head.pt")
    with_head = run(file, store, f"heads.two={folder}/head.pt")
    own, before = table(with_head), table(rows)
    assert all(own[key] == before[key] for key in before if key[1] == "one")
    images, labels = images_of(folder / "two")
    made = tiny.classifier(1)
    made.head.load_state_dict(head)
    assert own["individual/base", "two", "top1"] == pytest.approx((made(images).argmax(1).numpy() == labels).mean())


def test_many_small_shards_give_the_same(example, tmp_path):
    """Tables cut into objects of seven samples hold the same numbers as tables of large objects."""
    _, file, _, rows = example
    store = Store(str(tmp_path / "store"))
    assert table(run_in_shards(file, store.url, 7)) == pytest.approx(table(rows), abs=1e-6)
    assert scan("outputs", store=store.url).collect().height == 2 * 2 * 30
    assert len(list(store.keys("outputs"))) // 2 == 2 * 2 * 5
