"""Published numbers in settings: a percentage needs its sign, a fraction has none, and names are those of results."""

import pytest
from pydantic import ValidationError

from flows.errors import ExperimentError
from flows.experiment.file import load_experiment, parse_experiment
from flows.experiment.published_names import result_methods
from flows.experiment.published_settings import PublishedSettings
from flows.experiment.settings import Experiment
from tasks.references.results import PublishedNumber

CONTENT = {
    "name": "small",
    "models": [{"name": name, "checkpoint": f"{name}.pt"} for name in ("base", "one", "two")],
    "datasets": [{"name": "clean", "images": "clean", "group": "id"}, {"name": "noisy", "images": "noisy"}],
    "merge": {"kind": "task-vectors", "granularity": ["clusters", "samples"], "clusters": 2},
    "baselines": ["ties/0.30", "output-ensemble"],
}


def number(**changes):
    return {"method": "ties/0.30", "dataset": "clean", "value": "79.97 %", "source": "a paper", **changes}


def experiment(*published, **changes):
    return parse_experiment({**CONTENT, **changes, "published": list(published)}, "small")


@pytest.mark.parametrize("value", ["79.97 %", "79.97%", 0.7997])
def test_a_percentage_and_its_fraction_are_the_same_number(value):
    """Results store 0.7997 for each of the three, exactly."""
    assert PublishedSettings(**number(value=value)).number.value == 0.7997


@pytest.mark.parametrize("value", ["0 %", "100 %", 0, 1])
def test_the_ends_of_the_range_are_values(value):
    """A share of nothing and a share of everything."""
    assert PublishedSettings(**number(value=value)).number.value in (0, 1)


@pytest.mark.parametrize("value", [1.5, 79.97, "100.1 %", -0.1, "-3 %", "seventy", "79.97", float("nan"), None, True])
def test_a_value_that_could_be_misread_is_refused(value):
    """A percentage needs its sign, a fraction is at most 1, and a text without a sign is neither."""
    with pytest.raises(ValidationError):
        PublishedSettings(**number(value=value))


def test_a_metric_that_is_no_share_takes_a_plain_number():
    """A percentage of it is refused, and a number above 1 is not."""
    metric = "coefficient_error_max"
    assert PublishedSettings(**number(metric=metric, value=1.25)).number.value == 1.25
    with pytest.raises(ValidationError, match="coefficient_error_max is no share, wanted a plain number, got '3 %'"):
        PublishedSettings(**number(metric=metric, value="3 %"))


@pytest.mark.parametrize("dataset", ["clean", "noisy", "mean/id", "mean/ood", "mean/all"])
def test_a_number_belongs_to_a_data_set_or_to_a_mean(dataset):
    """Means are named as results name them."""
    assert experiment(number(dataset=dataset)).published[0].dataset == dataset


@pytest.mark.parametrize("method", ["ties/0.30", "output-ensemble/uniform", "dawin/clusters-2", "dawin/samples"])
def test_a_number_belongs_to_a_method_of_the_experiment(method):
    """Baselines, members of a family that is named whole, and DaWin's own granularities."""
    assert experiment(number(method=method)).published[0].method == method


def test_methods_of_several_scales_have_a_suffix():
    """With two scales, rows with coefficients of samples exist for each, and only under these names."""
    merge = {**CONTENT["merge"], "scale": [0.2, 0.3]}
    found = experiment(number(method="dawin/samples/scale-0.20"), merge=merge)
    names = result_methods(found, found.setup)
    assert {"ties/0.30", "dawin/clusters-2/scale-0.30", "dawin/samples/scale-0.20"} <= set(names)
    with pytest.raises(ExperimentError, match="no method 'dawin/samples'; did you mean dawin/samples/scale-0"):
        experiment(number(method="dawin/samples"), merge=merge)


def test_the_method_of_a_number_is_not_doubted_where_a_baseline_is_misspelt():
    """The misspelt baseline is one fault; the number that belongs to it is not a second one."""
    with pytest.raises(ExperimentError) as caught:
        experiment(number(), baselines=["tise/0.30"])
    assert str(caught.value) == "experiment small: baselines: no method 'tise/0.30'; did you mean ties?"


def test_all_faults_of_published_numbers_are_in_one_message():
    """Of a name, of a value and of two numbers for one row, beside a fault of another setting."""
    with pytest.raises(ExperimentError) as caught:
        experiment(number(dataset="cleen"), number(value=40), number(), seed=-1)
    message = str(caught.value)
    for part in ("seed: wanted", "published.0.dataset: this", "published.1.value: wanted", "published: 2 numbers for"):
        assert part in message


def test_an_experiment_with_numbers_is_read_again_from_its_own_json():
    """Prefect passes settings to runs as JSON."""
    found = experiment(number(), number(dataset="noisy", value=0.5))
    assert Experiment.model_validate(found.model_dump(mode="json")) == found


def test_one_data_set_by_itself_has_no_published_numbers():
    """Calibration runs models alone, so that no method with a number exists."""
    assert experiment(number()).models_on("clean").published == ()


@pytest.mark.parametrize(("setting", "model"), [(None, None), ("two", "two")])
def test_the_model_tuned_on_a_data_set_is_the_one_that_the_setting_names(setting, model):
    """Without the setting, no model bears the name of this data set."""
    datasets = [{"name": "clean", "images": "clean", "tuned_model": setting}]
    assert experiment(datasets=datasets).tuned_on("clean") == model


def test_the_model_tuned_on_a_data_set_is_by_default_the_one_of_its_name():
    """The base was fine-tuned on nothing, whatever its name."""
    datasets = [{"name": name, "images": name} for name in ("base", "one", "other")]
    found = experiment(datasets=datasets)
    assert [found.tuned_on(name) for name in ("base", "one", "other")] == [None, "one", None]


@pytest.mark.parametrize(
    ("name", "count", "one"),
    [
        ("model-soups-vit-b32", 12, ("greedy-soup", "imagenet-v2", 0.6955)),
        ("eight-tasks-vit-b32", 4, ("adamerging/layer-wise++", "mean/tasks", 0.812)),
    ],
)
def test_named_experiments_carry_published_numbers_with_a_source(name, count, one, monkeypatch):
    """Each number names the place where it was published; one of them is known here."""
    monkeypatch.setenv("DAWIN_MODELS", "/models")
    monkeypatch.setenv("DAWIN_DATA", "/data")
    numbers = [published.number for published in load_experiment(name).published]
    assert len(numbers) == count
    assert all(published.source.startswith("github.com/") for published in numbers)
    assert one in [(published.method, published.dataset, published.value) for published in numbers]
    assert all(isinstance(published, PublishedNumber) for published in numbers)
