"""Costs in results: passes and parameters of each method, seconds of every forward pass, means over groups."""

import polars as pl
import pytest
import tiny

from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from storage.manifests import committed, read_manifest
from storage.store import Store

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]

COLUMNS = ["forward_passes", "merged_models", "extra_parameters", "seconds", "images_per_second", "device"]


@pytest.fixture(scope="module")
def costs(example):
    """The costs of each method on the data set `one`, by the method's name."""
    rows = example[-1].filter(dataset="one", metric="top1")
    return {row["method"]: tuple(row[name] for name in COLUMNS) for row in rows.iter_rows(named=True)}


def test_results_say_what_each_method_needs(example, costs):
    """Two models and 30 images: passes, merged models, and the parameters of the second model where both are kept."""
    kept = sum(tensor.numel() for tensor in tiny.classifier(1).state_dict().values())
    assert {method: cost[:3] for method, cost in costs.items() if not method.startswith("wise-ft")} == {
        "individual/base": (1.0, 0, 0),
        "individual/tuned": (1.0, 0, 0),
        "output-ensemble/uniform": (2.0, 0, kept),
        "output-ensemble/dynamic": (2.0, 0, kept),
        "classifier-selection": (2.0, 0, kept),
        "oracle/samples": (4.0, 30, kept),
        "dawin/clusters-2": (3.0, 2, kept),
        "dawin/samples": (4.0, 30, kept),
    }
    assert costs["wise-ft/0.50"][:3] == (1.0, 1, 0)
    assert costs["wise-ft/1.00"] == costs["individual/tuned"]  # it is the tuned model itself
    model = checked_plan(load_experiment(example[1]), Store(example[2])).outputs[0][0].model
    assert model.parameters + model.head_parameters == kept
    assert model.head_parameters == 3 * 16 + 3


def test_every_method_was_measured(costs):
    """Seconds are positive, and the rate is that of all images in these seconds."""
    for method, (*_, seconds, rate, device) in costs.items():
        assert seconds > 0, method
        assert rate == pytest.approx(30 / seconds), method
        assert device == "cpu", method


def test_methods_that_need_outputs_are_charged_for_their_computing(costs):
    """An ensemble takes at least the seconds of its models; so does DaWin, with those of its merged models."""
    models = costs["individual/base"][3] + costs["individual/tuned"][3]
    for method in ("output-ensemble/uniform", "classifier-selection", "dawin/clusters-2", "dawin/samples"):
        assert costs[method][3] > models, method


def test_seconds_are_those_of_the_manifests(example, costs):
    """A row of one model's outputs has the seconds that the manifests of exactly these outputs hold."""
    row = example[-1].filter(dataset="one", metric="top1", method="individual/base").row(0, named=True)
    store = Store(example[2])
    prefix = f"outputs/dataset={row['dataset_digest']}/weights={row['weights'][0][:16]}/id={row['samples_id']}"
    found = [read_manifest(store, key).measured for key in committed(store, prefix)]
    assert sum(one["samples"] for one in found) == 30
    assert sum(one["seconds"] for one in found) == costs["individual/base"][3]


def test_means_add_up_the_seconds_of_their_data_sets(example):
    """Of two data sets a mean has all seconds and merged models, the mean passes, and the parameters once."""
    rows = example[-1].filter(metric="top1", method="dawin/samples")
    parts = rows.filter(pl.col("dataset").is_in(["one", "two"]))
    mean = rows.filter(dataset="mean/all").row(0, named=True)
    assert mean["seconds"] == pytest.approx(parts["seconds"].sum())
    assert mean["images_per_second"] == pytest.approx(60 / mean["seconds"])
    assert (mean["forward_passes"], mean["merged_models"]) == (4.0, 60)
    assert mean["extra_parameters"] == parts["extra_parameters"][0]
