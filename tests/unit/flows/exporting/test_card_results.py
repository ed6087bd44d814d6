"""The numbers of a model card: rows of the store alone, exact, and marked where they are no measurement."""

from datetime import UTC, datetime
from pathlib import Path

import exported
import pytest
from huggingface_hub import ModelCard

from flows.exporting.model_card import card_content
from storage.errors import StorageError
from storage.store import Store

ROWS = [
    exported.row(),
    exported.row("nll", 1.2345678901234567),
    exported.row("coefficient_error_mean", 0.0312345, ci_low=None, ci_high=None),
    exported.row("top1", 0.25, method="wise-ft/0.50", samples_id="f" * 16),
]
STATIC = {"method": "wise-ft/0.50", "kind": "static", "coefficients": [[0.5, 0.5]], "predictions_id": "f" * 16}


@pytest.fixture
def store(memory):
    return Store(memory)


def card_of(store, **changes):
    """Return a card as the Hub's library reads it."""
    return ModelCard(card_content(Path(), exported.record(**changes), store))


def by_metric(card):
    """Return the entries of the model-index by data set and the name that results give the metric."""
    return {(one.dataset_name, one.metric_args["metric"]): one for one in card.data.eval_results or []}


def test_the_metadata_hold_every_measured_metric_of_the_method_exactly(store):
    """Values, intervals and numbers of samples are the stored ones, to the last digit; other methods are absent."""
    exported.commit(store, ROWS)
    found = by_metric(card_of(store))
    assert found.keys() == {("clean", "top1"), ("clean", "nll"), ("clean", "coefficient_error_mean")}
    for wanted in ROWS[:3]:
        one = found["clean", wanted["metric"]]
        assert one.metric_value == wanted["value"]
        assert one.metric_args.get("ci_low") == wanted["ci_low"]
        assert one.metric_args.get("ci_high") == wanted["ci_high"]
        assert one.metric_args["samples"] == wanted["samples"]
        assert (one.metric_args["run_id"], one.dataset_revision) == ("r1", "d-clean")
    assert found["clean", "top1"].metric_type == "accuracy"
    assert "95 % interval 0.7806 to 0.8406, n = 797" in found["clean", "top1"].metric_name


def test_without_results_the_card_says_so_and_has_no_model_index(store):
    """An empty store is no error, and nor are results of other predictions."""
    for _ in range(2):
        card = card_of(store)
        assert "model-index" not in card.data.to_dict()
        assert "Nothing was measured" in card.text
        assert "%" not in card.text.partition("## Results")[2].partition("## How")[0]
        exported.commit(store, [exported.row(samples_id="another")])


def test_rows_are_those_of_the_recorded_run_else_of_the_latest_run_with_the_same_predictions(store):
    """The card names the run; a later run with other predictions is passed over."""
    for number, (run, changes) in enumerate({"r1": {}, "r2": {}, "r3": {"samples_id": "other"}}.items(), 1):
        at = datetime(2026, 1, number, tzinfo=UTC)
        exported.commit(store, [exported.row(value=number / 10, created_at=at, **changes)], run)
    for recorded, run, value in (("r1", "r1", 0.1), (None, "r2", 0.2), ("r3", "r2", 0.2), ("gone", "r2", 0.2)):
        card = card_of(store, run_id=recorded)
        assert by_metric(card)["clean", "top1"].metric_value == value
        assert f"from run `{run}` of experiment `digits`" in card.text
    exported.commit(store, [exported.row(value=0.4)], "r4")
    assert by_metric(card_of(store))["clean", "top1"].metric_value == 0.4


def test_numbers_of_weights_fitted_elsewhere_are_in_the_text_alone(store):
    """A mixture is fitted to each data set; the card marks the others, and a mean over both is one of them."""
    other = {"dataset": "sketch", "samples_id": "e" * 16, "dataset_digest": "d-sketch"}
    mean = {"dataset": "mean/all", "samples_id": None, "dataset_digest": None, "group": "all"}
    rows = [
        exported.row(value=0.4, **other),
        exported.row(),
        exported.row(value=0.6, **{**mean, "datasets": ["clean", "sketch"]}),
        exported.row(value=0.81, **{**mean, "dataset": "mean/id", "datasets": ["clean"]}),
    ]
    exported.commit(store, rows)
    card = card_of(store)
    assert {name for name, _ in by_metric(card)} == {"clean"}
    own, _, elsewhere = card.text.partition("### The same method elsewhere")
    assert "`mean/id`" not in card.text  # the mean of one data set
    assert "81.18" in own
    assert "`sketch`" not in own
    assert "`mean/all`" in elsewhere
    assert "40.00" in elsewhere
    assert "were not measured there" in elsewhere


def test_weights_without_a_data_set_have_the_numbers_of_all_data_sets_that_they_met(store):
    """They are exported without a head, which the card says; the recorded run alone vouches for them."""
    ids = {"method": "wise-ft/0.50"}
    other = {"dataset": "sketch", "samples_id": "e" * 16, "dataset_digest": "d-sketch"}
    rows = [
        exported.row(value=0.4, **ids, samples_id="f" * 16),
        exported.row(value=0.5, **ids, **other),
        exported.row(value=0.6, **ids, **{**other, "dataset": "odd", "weights": ["c" * 64]}),
    ]
    exported.commit(store, rows)
    free = {**STATIC, "dataset": None, "dataset_digest": None, "predictions_id": None, "classes": []}
    card = card_of(store, run_id="r1", **free)
    assert {name: one.metric_value for (name, _), one in by_metric(card).items()} == {"clean": 0.4, "sketch": 0.5}
    assert "together with such a head**" in card.text
    assert "60.00" in card.text.partition("### The same method elsewhere")[2]
    for run in (None, "gone"):
        empty = card_of(store, run_id=run, **free)
        assert "Nothing was measured" in empty.text
        assert "exported for no data set in particular" in empty.text


def test_estimates_are_marked_and_apart(store):
    """Their names say it in the metadata, and they have a table of their own, after the measured numbers."""
    exported.commit(store, [exported.row("top1_estimated", 0.9), exported.row()])
    card = card_of(store)
    first, second = card.data.eval_results
    assert (first.metric_type, second.metric_type) == ("accuracy", "top1_estimated")
    assert "estimated without labels" in second.metric_name
    assert second.metric_args["is_estimated"] is True
    assert "is_estimated" not in first.metric_args
    measured, _, estimated = card.text.partition("### Estimates without labels")
    assert "90.00" not in measured
    assert "90.00" in estimated


def test_a_method_that_uses_labels_is_marked_in_the_metadata_and_in_the_text(store):
    """So that nobody compares an oracle with a method."""
    exported.commit(store, [exported.row(uses_labels=True)])
    card = card_of(store)
    (one,) = card.data.eval_results
    assert "uses labels" in one.metric_name
    assert one.metric_args["uses_labels"] is True
    assert "(uses labels)" in card.text
    assert "This method uses the true labels" in card.text


def test_a_doubt_about_a_data_set_stands_below_the_table(store):
    """Results carry it as a note."""
    exported.commit(store, [exported.row(note="3 samples, the catalogue says 4")])
    assert "`clean`: 3 samples, the catalogue says 4." in card_of(store).text


@pytest.mark.parametrize("run", ["missing", "damaged"])
def test_damaged_results_are_an_error_and_missing_ones_are_not(tmp_path, run):
    """A card never leaves out numbers because of a disk."""
    store = Store(str(tmp_path / "store"))
    exported.commit(store, ROWS)
    (file,) = (tmp_path / "store" / "results").rglob("*.parquet")
    if run == "damaged":
        file.write_bytes(b"x" * file.stat().st_size)
        with pytest.raises(StorageError, match="damaged"):
            card_content(Path(), exported.record(run_id="r1"), store)
    else:
        assert "Nothing was measured" in card_content(Path(), exported.record(experiment="another"), store)
