"""The folder of an example: complete or rebuilt, and never somebody else's."""

import pytest
import yaml

from flows.errors import ExperimentError
from flows.experiment.file import load_experiment
from flows.quickstart import multi_task, one_task
from flows.quickstart.example import Example


def example(folder, fill=lambda folder: (folder / "checkpoints").mkdir()):
    """Return an example without images and models."""
    return Example(folder, "no models", {"name": "empty"}, fill)


def test_a_built_example_is_complete_and_described(tmp_path):
    """Its experiment file has its name, and open_clip's configuration is beside the checkpoints."""
    one = example(tmp_path / "example")
    assert not one.is_built
    one.build()
    assert one.is_built
    assert yaml.safe_load((tmp_path / "example" / "empty.yaml").read_text()) == {"name": "empty"}
    assert (tmp_path / "example" / "checkpoints" / "open_clip_config.json").is_file()


def test_an_interrupted_build_is_not_complete_and_starts_again(tmp_path):
    """The experiment file is written last, and a second build removes the files of the first."""
    folder = tmp_path / "example"

    def interrupted(folder):
        (folder / "left").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        example(folder, interrupted).build()
    assert not example(folder).is_built
    example(folder).build()
    assert example(folder).is_built
    assert not (folder / "left").exists()


def test_a_folder_that_holds_something_else_is_refused_and_stays(tmp_path):
    """An example never deletes files that it has not written."""
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ExperimentError, match="was not made by dawin quickstart; move it away"):
        example(tmp_path).build()
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize("built_in", [one_task.EXAMPLE, multi_task.EXAMPLE], ids=["one-task", "multi-task"])
def test_the_experiments_of_the_examples_are_valid(built_in, tmp_path):
    """Their settings pass the checks of an experiment file."""
    file = tmp_path / built_in.file.name
    file.write_text(yaml.safe_dump(dict(built_in.experiment)))
    assert load_experiment(str(file)).name == built_in.experiment["name"]
