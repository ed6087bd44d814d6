"""Clusters, bins and samples give the right numbers, and no image is decoded more often than promised."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tiny
import torch
from PIL import Image
from runs import run, run_in_shards

from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from storage import scan
from storage.store import Store
from tasks.datasets.files.image_files import ImageFiles
from tasks.errors import UncoveredLayer
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD

pytestmark = [pytest.mark.xdist_group("granularities"), pytest.mark.usefixtures("prefect_api")]


@pytest.fixture
def decodes(monkeypatch):
    """How often each image was read to be decoded; the report's few pictures are left out."""
    monkeypatch.setattr("flows.aggregate_results.write_report", lambda *_, **__: None)
    count = {}
    read = ImageFiles.read

    def counted(self, indices):
        for index in indices:
            count[self.name(index)] = count.get(self.name(index), 0) + 1
        return read(self, indices)

    monkeypatch.setattr(ImageFiles, "read", counted)
    return count


def logits_of_merge(images, lam):
    """Merge, then run, by independent code."""
    base, tuned = tiny.classifier(1).state_dict(), tiny.classifier(2).state_dict()
    module = tiny.classifier(1)
    module.load_state_dict({name: (1 - lam) * base[name] + lam * tuned[name] for name in base})
    return module(images).double().numpy()


def test_bins_are_evaluated_with_their_means_in_data_set_order(tmp_path):
    """Each sample is classified by its bin's model, and the results hold the error of binning."""
    from open_clip import image_transform

    file, store = tiny.experiment(tmp_path, samples=41), str(tmp_path / "store")
    rows = run(file, store, "merge.granularity=[bins]", "merge.bins=6", "baselines=[]").filter(dataset="two")
    samples = scan("predictions", store=store).filter(id=rows["samples_id"][0]).collect()
    bins = scan("bins", store=store).filter(dataset=rows["dataset_digest"][0]).collect()
    own = scan("coefficients", store=store).filter(dataset=rows["dataset_digest"][0]).collect()
    assert samples["sample_index"].to_list() == bins["sample_index"].to_list() == list(range(41))
    lam = bins["coefficients"].list.get(1).to_numpy()
    assert 1 < len(np.unique(lam)) <= 6
    transform = image_transform(16, is_train=False, mean=CLIP_MEAN, std=CLIP_STD)
    images = torch.stack([transform(Image.open(path)) for path in sorted((tmp_path / "two").rglob("*.png"))])
    ours = [logits_of_merge(images[i : i + 1], lam[i]).argmax() for i in range(41)]
    np.testing.assert_array_equal(samples["prediction"], ours)
    error = np.abs(own["coefficients"].list.get(1).to_numpy() - lam)
    reported = dict(rows.select("metric", "value").iter_rows())
    assert reported["coefficient_error_max"] == pytest.approx(error.max())
    assert reported["coefficient_error_mean"] == pytest.approx(error.mean())
    assert error.max() <= np.ptp(own["coefficients"].list.get(1).to_numpy()) / 6
    assert rows.filter(metric="coefficient_error_max")["ci_low"].is_null().all()


def test_a_cluster_is_merged_once_and_every_sample_runs_once(tmp_path, monkeypatch):
    """A cluster is merged once for all blocks of samples; a bin once, and once more where a block ends inside of it."""
    from tasks.merging.merged_models import FlatWeights
    from tasks.streaming.inference import Inference
    from tasks.streaming.merger import Merger

    merges, forwards = [], []
    merge, logits = FlatWeights.merge, Inference.logits
    monkeypatch.setattr(FlatWeights, "merge", lambda self, c, out: (merges.append(c), merge(self, c, out))[1])
    monkeypatch.setattr(
        Inference, "logits", lambda self, module, *a: (forwards.append(len(a[0])), logits(self, module, *a))[1]
    )
    monkeypatch.setattr("tasks.evaluation.BLOCK", 8)
    file, store = tiny.experiment(tmp_path), str(tmp_path / "store")
    run(file, store, "baselines=[]", "batch_size=4", "merge.granularity=[clusters]")
    assert len(merges) == 2 * 2  # data sets × clusters
    assert sum(forwards) == 2 * 30 * (2 + 1)  # data sets × samples × (models + the merged one)
    merges.clear()
    monkeypatch.setattr(Merger, "resident_bytes", 0)
    run(file, store, "baselines=[]", "batch_size=4", "merge.granularity=[bins]", "merge.bins=5")
    assert len(merges) <= 2 * (5 + 3)  # data sets × (bins + borders between four blocks)


def test_three_models_by_every_granularity(tmp_path):
    """Three models with as many bins as samples give the predictions of the samples' own merges."""
    file, store = tiny.experiment(tmp_path), str(tmp_path / "store")
    tiny.checkpoint(tmp_path / "third.pt", 3)
    models = "models=[{name: a, checkpoint: base.pt}, {name: b, checkpoint: tuned.pt}, {name: c, checkpoint: third.pt}]"
    rows = run(
        file,
        store,
        models.replace(".pt", ".pt").replace("checkpoint: ", f"checkpoint: {tmp_path}/"),
        "merge.granularity=[clusters, bins, samples]",
        "merge.bins=30",
        "baselines=[]",
    )
    ids = {row["method"]: row["samples_id"] for row in rows.filter(dataset="one").iter_rows(named=True)}
    assert set(ids) == {"dawin/clusters-2", "dawin/bins-30", "dawin/samples"}
    table = {method: scan("predictions", store=store).filter(id=i).collect() for method, i in ids.items()}
    np.testing.assert_allclose(table["dawin/bins-30"]["loss"], table["dawin/samples"]["loss"], rtol=1e-4)
    worst = rows.filter(method="dawin/bins-30", metric="coefficient_error_max")["value"].max()
    assert worst == pytest.approx(0, abs=1e-12)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """An experiment on 20,000 small images, of which few differ."""
    folder = tmp_path_factory.mktemp("many")
    file = tiny.experiment(folder, samples=3)
    pictures = []
    for i, picture in enumerate(np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)):
        pictures.append(folder / f"{i}.ppm")
        Image.fromarray(picture).save(pictures[-1])
    for i in range(20_000):
        path = folder / "many" / f"class{i % 3}" / f"{i:05d}.ppm"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(pictures[i % 60], path)
    return file, f"datasets=[{{name: many, images: {folder}/many}}]"


ALL = "merge.granularity=[clusters, bins, samples]"


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ((ALL,), 2),
        ((ALL, "image_cache_gib=0.1"), 1),
        (("merge.granularity=[samples]", "merge.offset=false", "baselines=[oracle]"), 1),
    ],
    ids=["two passes", "cache", "streaming"],
)
def test_no_image_is_decoded_more_often_than_promised(  # noqa: PLR0917  fixtures
    many, tmp_path, monkeypatch, decodes, settings, most
):
    """Each of 20,000 images is decoded twice, and once with the image cache or where nothing waits for a fit."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file, datasets = many
    given = (datasets, "baselines=[]", "workers=0", "batch_size=512", *settings)
    rows = run_in_shards(file, tmp_path / "store", 8192, *given)
    assert len(decodes) == 20_000
    assert set(decodes.values()) == {most}
    assert set(rows["samples"]) == {20_000}
    kept = list((tmp_path / "cache").rglob("*.npy"))
    assert len(kept) == (3 if "image_cache_gib=0.1" in settings else 0)


def test_streaming_gives_what_two_passes_give(tmp_path):
    """One pass and two passes give equal predictions under equal identities, so each reuses the other's tables."""
    file = tiny.experiment(tmp_path)
    local = ("merge.offset=false", "baselines=[individual, wise-ft, oracle, output-ensemble]")
    streamed = run(file, tmp_path / "streamed", *local, "merge.granularity=[samples]")
    both = run(file, tmp_path / "both", *local, "merge.granularity=[clusters, samples]")
    common = both.filter(~pl.col("method").str.starts_with("dawin/clusters"))
    assert streamed["samples_id"].to_list() == common["samples_id"].to_list()
    for column in ("method", "dataset", "metric"):
        assert streamed[column].to_list() == common[column].to_list()
    np.testing.assert_allclose(streamed["value"], common["value"])
    one, two = (scan("coefficients", store=str(tmp_path / s)).collect() for s in ("streamed", "both"))
    assert one.height == two.height


def test_a_streaming_run_that_was_cut_short_continues(tmp_path, decodes):
    """It completes any objects that it left: outputs without predictions, or predictions of some spans only."""
    file, store = tiny.experiment(tmp_path), tmp_path / "store"
    settings = ("merge.offset=false", "baselines=[wise-ft]", "merge.granularity=[samples]", "workers=0")
    whole = run_in_shards(file, store, 7, *settings)
    assert set(decodes.values()) == {1}
    lost = list(store.rglob("predictions/**/samples-00000007-00000013.parquet*"))
    lost += list(store.rglob("outputs/**/samples-00000021-00000027.parquet*"))[:2]
    lost += list(store.rglob("results/**/*.parquet*"))
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*.parquet") if path not in lost}
    for path in lost:
        path.unlink()
    again = run_in_shards(file, store, 7, *settings)
    times = ("created_at", "seconds", "images_per_second")
    assert again.drop(times).equals(whole.drop(times))
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_logits_may_be_stored_in_half_the_room(tmp_path):
    """Entropies and losses are computed before the rounding, and both types are read as one table."""
    file, store = tiny.experiment(tmp_path), str(tmp_path / "store")
    wide = run(file, store, "baselines=[individual, output-ensemble]")
    narrow = run(file, store, "baselines=[individual, output-ensemble]", "logits=fp16")
    np.testing.assert_allclose(narrow["value"], wide["value"], atol=0.04)
    table = scan("outputs", store=store).collect()
    assert table.schema["logits"] == pl.List(pl.Float32)
    assert table.height == 2 * 2 * 2 * 30
    pairs = table.join(table, on=["dataset", "weights", "sample_index"], suffix="_other").filter(
        pl.col("id") < pl.col("id_other")
    )
    assert pairs.height == 2 * 2 * 30
    np.testing.assert_array_equal(pairs["entropy"], pairs["entropy_other"])
    logits, others = (np.stack(pairs[name].to_list()) for name in ("logits", "logits_other"))
    assert 0 < abs(logits - others).max() < 2**-10 * abs(logits).max()
    sizes = [path.stat().st_size for path in Path(store).rglob("outputs/**/*.parquet")]
    assert min(sizes) < max(sizes)


def test_a_tower_that_is_not_covered_is_refused_before_anything_runs(tmp_path):
    """Per-sample merging of an uncovered tower is refused before anything runs; by bins the tower is merged."""
    from open_clip.model import CLIPVisionCfg, _build_vision_tower

    file = tiny.experiment(tmp_path)
    tiny.describe(tmp_path, attentional_pool=True)
    settings = CLIPVisionCfg(layers=1, width=64, patch_size=8, image_size=16, mlp_ratio=2.0, attentional_pool=True)
    for seed, name in enumerate(("base", "tuned")):
        torch.manual_seed(seed)
        tower = _build_vision_tower(16, settings, quick_gelu=True)
        torch.save(tiny.ImageClassifier(tower, 16, 3).state_dict(), tmp_path / f"{name}.pt")
    store = tmp_path / "store"
    with pytest.raises(UncoveredLayer, match=r"model base: .*attn_pool.query: no rule for .*granularity: \[bins\]"):
        checked_plan(load_experiment(file, ("baselines=[]", "merge.granularity=[samples]")), Store(str(store)))
    with pytest.raises(UncoveredLayer, match="model base"):
        checked_plan(load_experiment(file, ("baselines=[oracle]",)), Store(str(store)))
    rows = run(file, store, "baselines=[]", "merge.granularity=[clusters, bins]")
    assert set(rows["method"]) == {"dawin/clusters-2", "dawin/bins-64"}
