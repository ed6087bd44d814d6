"""The outputs by which accuracies are normalised: those of the model that was fine-tuned on the data set."""

from dataclasses import replace

from tasks.datasets.preprocessing import Preprocessing
from tasks.evidence.tuned_model import tuned_outputs
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.json_form import from_json, to_json
from tasks.references.models import ModelReference
from tasks.references.outputs import OutputsReference
from tasks.references.results import PublishedNumber, RunRecord

PREPROCESSING = Preprocessing(size=16, mean=(0.0,) * 3, std=(1.0,) * 3, interpolation="bicubic")


def outputs(model, dataset):
    """Return a model's outputs on a data set."""
    return OutputsReference(
        model=ModelReference(name=model, url=model, digest=model * 8, temperature=1.0, architecture=None),
        scored=ScoredDataset(
            dataset=DatasetReference(
                name=dataset, url=dataset, group="tasks", digest=dataset * 8, samples=4, classes=3, limit=None,
                preprocessing=PREPROCESSING, shard=8192,
            ),
            head=None,
            precision="fp32",
        ),
    )  # fmt: skip


RECORD = RunRecord(experiment="e", run_id="r", settings={}, tuned=(outputs("one", "first"), outputs("two", "second")))


def test_each_data_set_has_the_model_that_was_tuned_on_it():
    """The model is the record's, whichever data set is asked for first."""
    assert tuned_outputs(outputs("base", "second").dataset, RECORD) == outputs("two", "second")
    assert tuned_outputs(outputs("base", "first").dataset, RECORD) == outputs("one", "first")


def test_a_data_set_that_no_model_was_tuned_on_has_none():
    """So that its accuracy is not normalised; other images under the same name are another data set."""
    assert tuned_outputs(outputs("one", "third").dataset, RECORD) is None
    other = replace(outputs("one", "first").dataset, digest="x" * 40)
    assert tuned_outputs(other, RECORD) is None


def test_a_record_reaches_child_runs_with_its_numbers_and_tuned_models():
    """The JSON form of a plan holds both."""
    number = PublishedNumber(method="m", dataset="mean/all", metric="top1", value=0.7997, source="a paper")
    record = RunRecord(experiment="e", run_id="r", settings={}, published=(number,), tuned=RECORD.tuned)
    assert from_json(to_json({"record": record}))["record"] == record


def test_a_number_is_found_by_method_data_set_and_metric():
    """Another method, data set or metric has none."""
    number = PublishedNumber(method="m", dataset="d", metric="top1", value=0.5, source="s")
    record = RunRecord(experiment="e", run_id="r", settings={}, published=(number,))
    assert record.published_number("m", "d", "top1") == number
    assert [record.published_number(*row) for row in (("n", "d", "top1"), ("m", "e", "top1"), ("m", "d", "top5"))] == [
        None
    ] * 3
