"""`dawin predict`: a method, as it was fitted on one data set, applied to other images."""

from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest
import tiny
import torch
from pool_here import run_here, use_pool_here
from predicted import BINNED, CLUSTERED, OWN, make_place, predict
from runs import run, written

from flows.cli import main
from flows.experiment.file import load_experiment
from flows.planning import other_images
from flows.planning.datasets import Datasets
from flows.planning.fitted_method import fitted_method
from storage.store import Store
from tasks.datasets.transform import normalized
from tasks.merging.combination import combine
from tasks.models.classifier import build_classifier
from tasks.numerics.clustering import assign
from tasks.numerics.expertise import model_coefficients
from tasks.opening.fitted_rules import bins_for, offset_for, read_components
from tasks.opening.load_models import load_states
from tasks.streaming.images import Images
from tasks.streaming.reading import Reading

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture(scope="module")
def place(tmp_path_factory, prefect_api):
    """A run of two models on two data sets, and other images."""
    return make_place(tmp_path_factory.mktemp("predict"))


def stored(place, method, dataset="one"):
    """Return the predictions of the run."""
    folder, _, store = place
    out = folder / "stored.parquet"
    out.unlink(missing_ok=True)
    words = ["results", "tiny", "--samples", "--method", method, "--dataset", dataset, "-o", str(out)]
    assert main([*words, "--store", store]) == 0
    return pl.read_parquet(out)


@pytest.mark.parametrize(
    "method", [CLUSTERED, BINNED, OWN, "wise-ft/0.50", "individual/tuned", "ties/1.00", "greedy-soup"]
)
def test_the_images_of_the_data_set_get_the_predictions_of_the_run(place, method):
    """The same images are the same data set: the file holds the run's own numbers, and nothing is computed again."""
    before = written(place[2])
    rows = predict(place, method, images="one")
    wanted = stored(place, method)
    assert rows["prediction"].to_list() == wanted["prediction"].to_list()
    assert rows["name"].to_list() == wanted["name"].to_list()
    assert rows["class"].to_list() == wanted["prediction_name"].to_list()
    assert written(place[2]) == before


@pytest.mark.parametrize("method", [CLUSTERED, BINNED, OWN])
def test_other_images_are_predicted_by_the_formulas(place, method):
    """Offset, components and bins come from the fitted data set; each image is merged by itself and run alone."""
    folder, file, url = place
    rows, store = predict(place, method), Store(url)
    fitted = fitted_method(load_experiment(file), store, method, "one")
    source = fitted.predictions.source
    own = source if method == OWN else source.coefficients
    states = load_states(fitted.outputs, store, "cpu")
    images = images_of(fitted, folder / "new")
    logits = [build_classifier(states[o], "", None)(images).double() for o in fitted.outputs]
    log_p = [one.log_softmax(1) for one in logits]
    entropies = np.column_stack([-(p.exp() * p).sum(1).numpy() for p in log_p])
    coefficients = model_coefficients(entropies, offset=offset_for(store, own))
    cluster = [None] * len(rows)
    if method == CLUSTERED:
        components = read_components(store, source)
        cluster = assign(components.weights, components.concentration, coefficients).assignment.tolist()
        coefficients = components.coefficients[cluster]
    if method == BINNED:
        bins = bins_for(store, source)
        cluster = bins.assign(coefficients).tolist()
        coefficients = bins.coefficients[cluster]
    np.testing.assert_allclose(rows.select("entropy_base", "entropy_tuned").to_numpy(), entropies, atol=1e-5)
    np.testing.assert_allclose(np.stack(rows["coefficients"].to_list()), coefficients, atol=1e-5)
    assert rows["cluster"].to_list() == cluster
    merged = [combine([states[o] for o in fitted.outputs], row.tolist()) for row in coefficients]
    p = torch.cat([build_classifier(one, "", None)(images[i : i + 1]) for i, one in enumerate(merged)]).softmax(1)
    assert rows["prediction"].to_list() == p.argmax(1).tolist()
    np.testing.assert_allclose(rows["confidence"].to_numpy(), p.max(1).values.numpy(), atol=1e-5)
    assert rows["class"].to_list() == [f"class{k}" for k in p.argmax(1).tolist()]
    assert rows["sample_index"].to_list() == list(range(40))


def images_of(fitted, folder):
    """Return images as the models take them, in the order of their paths."""
    found = Datasets().unlabelled(str(folder), fitted.dataset, name="new", limit=None)
    found = replace(found, shard=1000)
    batches = Images(found, Reading(batch_size=1000, workers=0), "cpu").batches(found.spans)
    return normalized(torch.cat([batch.images for batch in batches]), found.preprocessing)


def test_a_second_time_nothing_is_computed_again(place):
    """Another file of the same predictions is written from the tables of the store."""
    first = predict(place, CLUSTERED)
    before = written(place[2])
    assert predict(place, CLUSTERED, name="again").equals(first)
    assert written(place[2]) == before


def test_predictions_interrupted_at_every_object_are_completed_and_nothing_is_computed_twice(place, monkeypatch):
    """Five objects for each table; the command is ended after each commit, and the last one writes the same file."""
    folder, _, store = place
    tiny.image_folder(folder / "more", 40, 8)
    monkeypatch.setattr(other_images, "Datasets", partial(Datasets, shard=8))
    write, commits = Store._write, []

    def ended_after(self, key, content, **options):
        result = write(self, key, content, **options)
        if key.startswith(("outputs/", "coefficients/", "mixtures/", "predictions/")) and key.endswith(".json"):
            commits.append(key)
            raise RuntimeError("ended here")
        return result

    out = folder / "more.parquet"
    words = ["predict", place[1], "--method", CLUSTERED, "--dataset", "one", "--images", str(folder / "more")]
    words += ["-o", str(out), "--store", store, "-q"]
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_write", ended_after)
        for _ in range(40):
            if main(words) == 0:
                break
            assert not out.exists()
    assert len(commits) == len(set(commits)) == 5 * 5  # two models' outputs, coefficients, clusters, predictions
    rows = pl.read_parquet(out)
    for key in [*Store(store).keys("")]:
        if key.rpartition("/")[0] in {one.rpartition("/")[0] for one in commits}:
            (folder / "store" / key).unlink()
    assert predict(place, CLUSTERED, images="more", name="undisturbed").equals(rows)


def test_with_adapt_everything_is_fitted_to_the_other_images(place):
    """The predictions are those of a run of which the other images are a data set."""
    folder, file, _ = place
    tiny.image_folder(folder / "labelled", 40, 7)
    rows = predict(place, CLUSTERED, "--adapt", images="labelled", name="adapted")
    alone = ("baselines=[individual]", "methods={}")
    run(file, folder / "third", f"datasets=[{{name: one, images: {folder}/labelled}}]", *alone)
    (other,) = {key.rpartition("/")[0] for key in Store(str(folder / "third")).keys("mixtures")}
    wanted = pl.read_parquet(folder / "third" / other / "*.parquet")
    np.testing.assert_allclose(
        np.stack(rows["coefficients"].to_list()), np.stack(wanted["coefficients"].to_list()), atol=1e-6
    )
    assert rows["cluster"].to_list() == wanted["component"].to_list()
    assert rows["coefficients"].to_list() != predict(place, CLUSTERED, images="labelled")["coefficients"].to_list()


def test_the_workers_of_a_pool_predict_the_same(place, monkeypatch):
    """One child runs both models and the merged ones; the file equals that of one process."""
    folder = place[0]
    rows, sent = predict(place, CLUSTERED), []

    async def elsewhere(child, ends):
        sent.append(child.name)
        await run_here(child, ends)

    use_pool_here(monkeypatch, elsewhere)
    tiny.image_folder(folder / "pooled", 40, 7, classes=5)
    assert predict(place, CLUSTERED, images="pooled").drop("name").equals(rows.drop("name"))
    assert sent == ["extract images: base, tuned and 1 merges"]


@pytest.mark.parametrize("method", ["output-ensemble/dynamic", "output-ensemble/uniform", "classifier-selection"])
def test_methods_that_average_outputs_predict_too(place, method):
    """The classes are those of the averaged probabilities, or of the surer model's."""
    rows, store = predict(place, method, name="averaged"), Store(place[2])
    fitted = fitted_method(load_experiment(place[1]), store, method, "one")
    states, images = load_states(fitted.outputs, store, "cpu"), images_of(fitted, place[0] / "new")
    p = torch.stack([build_classifier(states[o], "", None)(images).double().softmax(1) for o in fitted.outputs], 1)
    weights = torch.eye(2, dtype=torch.float64)[(-(p * p.log()).sum(2)).argmin(1)]
    if rows["coefficients"].null_count() == 0:
        weights = torch.tensor(rows["coefficients"].to_list(), dtype=torch.float64)
    averaged = (weights[:, :, None] * p).sum(1)
    assert rows["prediction"].to_list() == averaged.argmax(1).tolist()
    np.testing.assert_allclose(rows["confidence"].to_numpy(), averaged.max(1).values.numpy(), atol=1e-5)
    assert (rows["coefficients"].null_count() == 0) == (method != "classifier-selection")
    assert (rows["coefficients"].to_list() == [[0.5, 0.5]] * 40) == (method == "output-ensemble/uniform")


def test_images_may_lie_anywhere(place):
    """Pictures in the folder itself and below it are predicted in the order of their paths."""
    folder = place[0] / "mixed"
    tiny.image_folder(folder / "deep", 4, 7)
    (folder / "top.png").write_bytes(next((folder / "deep").rglob("*.png")).read_bytes())
    assert predict(place, OWN, images="mixed")["name"].to_list() == sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*.png")
    )
