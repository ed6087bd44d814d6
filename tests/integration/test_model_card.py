"""The card of a real run: each number in it is a row of the store, for a fixed merge, for clusters, for own heads."""

import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from flows.experiment.file import load_experiment
from flows.exporting.card_results import title_and_unit
from flows.exporting.card_tables import shown_value
from flows.exporting.model_card import card_content
from flows.planning.fitted_method import fitted_method
from storage.store import Store
from tasks.references.outputs import OutputsReference

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


def record_of(file, store, method, dataset, kind):
    """Return the record of an export, with every field that a card reads."""
    found = fitted_method(load_experiment(str(file), ()), store, method, dataset)
    is_single = isinstance(found.predictions, OutputsReference)
    sources = (found.predictions,) if is_single else found.predictions.outputs
    return {
        "format": 1,
        "experiment": found.plan.record.experiment,
        "run_id": None,
        "method": method,
        "dataset": dataset,
        "dataset_digest": found.dataset.digest,
        "kind": kind,
        "models": [
            {"name": o.model.name, "url": o.model.url, "digest": o.model.digest, "temperature": o.model.temperature}
            for o in sources
        ],
        "made": None,
        "coefficients": [[1.0 / len(sources)] * len(sources)],
        "scale": None,
        "architecture": "tiny",
        "preprocess": {"size": 16, "mean": [0.5] * 3, "std": [0.2] * 3, "interpolation": "bicubic"}
        | {"resize_mode": "shortest", "fill": 0},
        "classes": list(found.classes),
        "precision": "fp32",
        "predictions_id": found.predictions.id,
        "command": f"dawin export {file} --method {method} -o out",
        "software": {"dawin": "0.1.0"},
        "files": {"checkpoint.safetensors": "0" * 64},
        "bytes": 1,
    }


def cells_of(text):
    """Return the cells of all rows of result tables in a card's text."""
    part = text.partition("## Results")[2].partition("## Data sets")[0]
    rows = [re.split(r" \| ", line.strip("| ")) for line in part.splitlines() if line.startswith("| `")]
    assert rows
    return rows


def check_numbers(card, rows):
    """Assert that each number of the metadata and of the tables is one of the store's rows of the method."""
    stored = {(row["dataset"], row["metric"]): row for row in rows.iter_rows(named=True)}
    for one in card.data.eval_results:
        row = stored.pop((one.dataset_name, one.metric_args["metric"]))
        assert one.metric_value == row["value"]
        columns = ("ci_low", "ci_high", "samples", "run_id")
        assert [one.metric_args.get(name) for name in columns] == [row[name] for name in columns]
    stored = {(row["dataset"], row["metric"]): row for row in rows.iter_rows(named=True)}
    for dataset, second, value, interval, samples in cells_of(card.text):
        metric = found.group(1) if (found := re.search(r"\(`(\w+)`\)$", second)) else "top1"
        row, (_, unit) = stored[dataset.split("`")[1], metric], title_and_unit(metric)
        wanted = None if row["ci_low"] is None else [shown_value(row[end], unit) for end in ("ci_low", "ci_high")]
        assert (value, samples) == (shown_value(row["value"], unit), f"{row['samples']:,}")
        assert (None if interval == "–" else interval.split(" to ")) == wanted


@pytest.mark.parametrize(
    ("method", "kind", "measured"),
    [
        ("wise-ft/0.40", "static", {"one", "two"}),
        ("individual/tuned", "static", {"one", "two"}),
        ("dawin/clusters-2", "clusters", {"one"}),
        ("dawin/samples", "samples", {"one"}),
    ],
)
def test_every_number_of_a_card_is_in_the_store(example, hub_api, method, kind, measured):
    """All metrics of the data sets that the files were measured on are in the metadata, and all tables agree."""
    _, file, store, rows = example
    card = ModelCard(card_content(Path(), record_of(file, Store(store), method, "one", kind), Store(store)))
    mine = rows.filter(method=method)
    check_numbers(card, mine)
    assert {one.dataset_name for one in card.data.eval_results} == measured
    for dataset in measured:
        metrics = {one.metric_args["metric"] for one in card.data.eval_results if one.dataset_name == dataset}
        assert metrics == {*mine.filter(dataset=dataset)["metric"]}
    card.validate()


@pytest.mark.parametrize("method", ["task-arithmetic/0.30", "ties/0.30"])
def test_one_merged_tower_under_other_heads_is_another_model(table, multi_task, method):
    """Each task has a head, so that the accuracies on the other tasks are no metadata of these files."""
    rows, store = table
    card = ModelCard(
        card_content(Path(), record_of(multi_task / "multi.yaml", Store(store), method, "b", "static"), Store(store))
    )
    check_numbers(card, rows.filter(method=method))
    assert {one.dataset_name for one in card.data.eval_results} == {"b"}
    assert "`a`" in card.text.partition("### The same method elsewhere")[2]


def test_a_tower_without_a_head_has_the_numbers_of_every_task_and_says_so(table, multi_task):
    """Exported for no data set in particular; each accuracy belongs to the tower and a task's head."""
    rows, store = table
    record = record_of(multi_task / "multi.yaml", Store(store), "ties/0.30", "a", "static")
    record |= {"dataset": None, "dataset_digest": None, "predictions_id": None, "run_id": rows["run_id"][0]}
    card = ModelCard(card_content(Path(), record, Store(store)))
    check_numbers(card, rows.filter(method="ties/0.30"))
    assert {one.dataset_name for one in card.data.eval_results} == {"a", "b", "c"}
    assert "with a classification head for each data set" in card.text
    assert "### The same method elsewhere" not in card.text
