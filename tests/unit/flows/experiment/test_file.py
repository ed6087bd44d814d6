"""The experiment file: what is accepted, every fault at once, overrides, addresses."""

from pathlib import Path

import pytest
import tiny
import yaml

from flows.errors import ExperimentError
from flows.experiment.file import load_experiment


def write(folder, **changes):
    content = yaml.safe_load(Path(tiny.experiment(folder)).read_text())
    content.update(changes)
    file = folder / "changed.yaml"
    file.write_text(yaml.safe_dump(content))
    return str(file)


def test_addresses_count_from_the_files_folder(tmp_path, monkeypatch):
    """Absolute ones and those of other schemes stay."""
    models = [{"name": "a", "checkpoint": "../a.pt"}, {"name": "b", "checkpoint": "s3://bucket/b.pt"}]
    file = write(tmp_path, models=models, heads={"one": "/abs/head.pt"})
    monkeypatch.chdir("/")
    experiment = load_experiment(file)
    assert [m.checkpoint for m in experiment.models] == [f"file://{tmp_path.parent}/a.pt", "s3://bucket/b.pt"]
    assert experiment.heads == {"one": "file:///abs/head.pt"}


def test_overrides_reach_every_setting(tmp_path, monkeypatch):
    """Values are YAML; numbers pick items of lists; paths count from where the command is typed."""
    monkeypatch.chdir(tmp_path)
    overrides = (
        "merge.clusters=5",
        "models.1.checkpoint=other.pt",
        "preprocess.size=64",
        "baselines=[oracle]",
        "merge.offset=false",
    )
    experiment = load_experiment(write(tmp_path), overrides)
    assert (experiment.merge.clusters, experiment.merge.offset, experiment.preprocess.size) == (5, False, 64)
    assert experiment.models[1].checkpoint == f"file://{tmp_path}/other.pt"
    assert experiment.baselines == ("oracle",)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("merge.clusters", "wanted key=value"),
        ("models.7.name=x", "wanted a number from 0 to 1, got '7'"),
        ("models.one.name=x", "wanted a number from 0 to 1, got 'one'"),
        ("name.first=x", "holds no settings"),
        ("merge.cluster=5", "merge.cluster: no such setting"),
        ("merge.clusters=[1", "'\\[1' is not YAML"),
        ("models.².name=x", "wanted a number from 0 to 1, got '²'"),
        ("merge.clusters=0", "merge.clusters: wanted a whole number of at least 1 or auto, got 0"),
    ],
)
def test_overrides_that_make_no_sense_are_refused(tmp_path, override, message):
    """Each message names the override or the setting."""
    with pytest.raises(ExperimentError, match=message):
        load_experiment(write(tmp_path), (override,))


def test_all_faults_are_told_at_once(tmp_path):
    """Not one by one."""
    file = write(
        tmp_path,
        colour="blue",
        precision="fp8",
        models=[{"name": "Ä", "checkpoint": "a.pt"}],
        merge={"granularity": ["slices"], "expertise": "vibes"},
    )
    with pytest.raises(ExperimentError) as caught:
        load_experiment(file)
    for part in (
        "colour: no such setting",
        "precision:",
        "fp8",
        "models",
        "merge.granularity.0",
        "merge.expertise",
        "vibes",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baselines": ["mean"]}, "no method 'mean'; known: individual, wise-ft, weight-average"),
        ({"baselines": ["individual/other"]}, "no method 'individual/other'"),
        ({"heads": {"three": "x"}}, "heads: no data set 'three'; known: one, two"),
        ({"datasets": [{"name": "one", "images": "a"}] * 2}, "datasets: 2 have the name 'one'"),
        ({"name": "2024"}, "name: wanted a name of lower-case letters, .* got '2024'"),
        ({"models": None}, "models: "),
        ({"datasets": "one"}, "datasets: "),
        ({"batch_size": 0}, "batch_size: wanted a whole number of at least 1, got 0"),
        (
            {"models": [{"name": "a", "checkpoint": "x", "temperature": -1}] * 2},
            "models.0.temperature: wanted a number from 0.01 to 100, got -1",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, changes, message):
    """Each message names the setting and what there is."""
    with pytest.raises(ExperimentError, match=message):
        load_experiment(write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": 5}, "models: wanted a list of at least two models, got 5"),
        ({"preprocess": {"std": [0, 1, 1]}}, "preprocess.std.0: wanted a number above 0, got 0"),
        ({"preprocess": {"mean": [float("nan"), 0, 0]}}, "preprocess.mean.0: wanted a number, got nan"),
        ({"merge": {"granularity": ["samples", "samples"]}}, "merge.granularity: each at most once"),
        ({"merge": {"granularity": []}, "baselines": []}, "so nothing would be evaluated"),
        ({"merge": {"clusters": True}}, "merge.clusters: "),
        ({"datasets": [{"name": "one", "images": ""}]}, "datasets.0.images: wanted an address .*, got an empty text"),
    ],
)
def test_values_of_the_wrong_kind_are_refused(tmp_path, changes, message):
    """Nothing is coerced, nothing crashes later."""
    with pytest.raises(ExperimentError, match=message) as caught:
        load_experiment(write(tmp_path, **changes))
    assert "at least two models" not in str(caught.value) or "models" in changes


def test_a_setting_that_is_there_twice_is_refused(tmp_path):
    """Plain YAML would take the last without a word."""
    file = tmp_path / "twice.yaml"
    file.write_text("name: a\nseed: 1\nseed: 2\n")
    with pytest.raises(ExperimentError, match="seed is set twice"):
        load_experiment(str(file))


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words", "a: [1", "\x00"])
def test_files_that_hold_no_settings_are_refused(tmp_path, text):
    """With the file's name."""
    file = tmp_path / "odd.yaml"
    file.write_text(text)
    with pytest.raises(ExperimentError, match=r"odd\.yaml: "):
        load_experiment(str(file))


def test_a_missing_file_says_what_is_there(tmp_path):
    """The neighbours may be what was meant."""
    tiny.experiment(tmp_path)
    with pytest.raises(
        ExperimentError, match=r"tinny.yaml: no such file; did you mean tiny.yaml\? there are: .*tiny.yaml"
    ):
        load_experiment(str(tmp_path / "tinny.yaml"))
