"""The folder of an example: complete or rebuilt, and never somebody else's."""

import subprocess
import sys

import pytest

from flows.errors import ExperimentError
from flows.experiment.file import load_experiment
from flows.quickstart.example import Calibration, Example, experiment_text
from flows.quickstart.examples import MULTI_TASK, ONE_TASK
from flows.quickstart.looks import LOOKS


def example(folder, fill=lambda folder: None, calibration=None):
    """Return an example without images and models."""
    return Example(folder, "no models", "digits.yaml" if calibration else "digit-tasks.yaml", fill, calibration)


def no_fit(file, dataset):
    """Stand for a fit that the example does not ask for."""
    raise AssertionError((file, dataset))


def test_a_built_example_is_complete(tmp_path):
    """Its experiment file is there, and no temperature was fitted where none is asked for."""
    one = example(tmp_path / "example")
    assert not one.is_built
    one.build(no_fit)
    assert one.is_built
    assert load_experiment(str(one.file)).name == "digit-tasks"


def test_the_temperatures_of_a_calibrated_example_are_those_of_the_fit(tmp_path):
    """The fit is asked for on the held-out data set, before the experiment file exists, which then holds its result."""
    one = example(tmp_path / "example", calibration=Calibration("calibration.yaml", "held-out"))
    asked = []

    def fit(file, dataset):
        assert not one.is_built
        asked.append(([model.temperature for model in load_experiment(str(file)).models], dataset))
        return {"zeroshot": 1.23456, "finetuned": 0.5}

    one.build(fit)
    assert asked == [([1.0, 1.0], "held-out")]
    assert [(m.name, m.temperature) for m in load_experiment(str(one.file)).models] == [
        ("zeroshot", 1.2346),
        ("finetuned", 0.5),
    ]


def test_a_calibration_that_fails_leaves_an_unfinished_example(tmp_path):
    """The experiment file would mean that the example is complete."""

    def fit(file, dataset):
        raise ValueError("no optimum")

    one = example(tmp_path / "example", calibration=Calibration("calibration.yaml", "held-out"))
    with pytest.raises(ValueError, match="no optimum"):
        one.build(fit)
    assert not one.is_built


def test_an_interrupted_build_is_not_complete_and_starts_again(tmp_path):
    """The experiment file is written last, and a second build removes the files of the first."""
    folder = tmp_path / "example"

    def interrupted(folder):
        (folder / "left").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        example(folder, interrupted).build(no_fit)
    assert not example(folder).is_built
    example(folder).build(no_fit)
    assert example(folder).is_built
    assert not (folder / "left").exists()


def test_a_folder_that_holds_something_else_is_refused_and_stays(tmp_path):
    """An example never deletes files that it has not written."""
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ExperimentError, match="was not made by dawin quickstart; move it away"):
        example(tmp_path).build(no_fit)
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize("name", ["digits.yaml", "calibration.yaml", "digit-tasks.yaml"])
def test_the_experiment_files_are_valid_and_begin_with_a_comment(name, tmp_path):
    """Their settings pass the checks of an experiment file, and a stranger reads first what the file is."""
    text = experiment_text(name, {"zeroshot": 1.1, "finetuned": 0.9})
    (tmp_path / name).write_text(text)
    assert load_experiment(str(tmp_path / name)).datasets
    assert text.startswith("# ")
    assert "dawin quickstart" in " ".join(text.splitlines()[:3])


def test_the_experiment_names_every_look_in_order(tmp_path):
    """Clean digits are in distribution, and each shift is evaluated, out of distribution."""
    (tmp_path / "digits.yaml").write_text(experiment_text("digits.yaml", {"zeroshot": 1.1, "finetuned": 0.9}))
    datasets = load_experiment(str(tmp_path / "digits.yaml")).datasets
    assert [dataset.name for dataset in datasets] == list(LOOKS)
    assert [dataset.group for dataset in datasets] == ["id", *["ood"] * (len(LOOKS) - 1)]
    assert len(LOOKS) > 8


def test_a_complete_example_is_found_without_loading_torch():
    """A second quickstart trains nothing, so it waits for neither torch nor scikit-learn."""
    program = "import sys, flows.quickstart.examples; print({'torch', 'sklearn', 'prefect'} & sys.modules.keys())"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


def test_the_examples_have_folders_of_their_own():
    """Neither of them replaces the other."""
    assert ONE_TASK.folder != MULTI_TASK.folder
    assert ONE_TASK.calibration is not None
