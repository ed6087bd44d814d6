"""The files in `examples/` are whole experiments, and plan on inputs that lie where they expect them."""

import re
import shutil
from pathlib import Path

import pytest
import stand_ins
import tiny

from flows.experiment.file import load_experiment
from flows.experiment.schema import schema_text
from flows.planning.check import checked_plan
from storage.store import open_store

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES = sorted(path.name for path in EXAMPLES.glob("*.yaml"))
SCHEMA = "# yaml-language-server: $schema=dawin.schema.json"
"""The first line of each file, by which an editor finds the schema beside it."""


def _write_own_pictures(folder):
    """Write two checkpoints, labelled images, and images without labels in folders of any name."""
    for seed, name in enumerate(("zeroshot", "finetuned"), 1):
        tiny.checkpoint(folder / "checkpoints" / f"{name}.pt", seed)
    tiny.image_folder(folder / "images" / "labelled", 9, 0)
    tiny.image_folder(folder / "unsorted", 6, 1, classes=1)
    (folder / "unsorted" / "class0").rename(folder / "images" / "unlabelled")


@pytest.fixture
def placed(tmp_path, monkeypatch):
    """A copy of the examples, with all their inputs; the folder."""
    for name in FILES:
        shutil.copy(EXAMPLES / name, tmp_path / name)
    monkeypatch.setenv("DAWIN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("DAWIN_DATA", str(tmp_path / "data"))
    stand_ins.imagenet_shifts(tmp_path / "models", tmp_path / "data")
    stand_ins.eight_tasks(tmp_path / "models", tmp_path / "data")
    _write_own_pictures(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_an_example_is_an_experiment_of_its_own_name(name, monkeypatch):
    """The file begins with the line of the schema, and loads under the name that it bears."""
    monkeypatch.setenv("DAWIN_MODELS", "/models")
    monkeypatch.setenv("DAWIN_DATA", "/data")
    path = EXAMPLES / name
    assert path.read_text().splitlines()[0] == SCHEMA
    assert load_experiment(str(path)).name == path.stem


@pytest.mark.parametrize(
    ("name", "models", "data_sets"),
    [("eight-tasks.yaml", 9, 8), ("robust-fine-tuning.yaml", 2, 4), ("unlabelled-images.yaml", 2, 2)],
)
def test_an_example_plans_on_inputs_in_their_places(placed, name, models, data_sets):
    """Every model is to be run on every data set, nothing is refused, and every method of the file has steps."""
    experiment = load_experiment(str(placed / name))
    plan = checked_plan(experiment, open_store(str(placed / "store")), remember=False)
    assert len(experiment.models) == models
    assert len(experiment.datasets) == data_sets
    assert not plan.is_done
    planned = {cell.method for cell in plan.cells}
    wanted = {re.sub(r"/.*", "", baseline) for baseline in experiment.baselines} | {"dawin"}
    assert {method.split("/")[0] for method in planned} == wanted


def test_unlabelled_pictures_have_no_labels(placed):
    """The folder of pictures without class folders counts as a data set without labels, the other as one with three."""
    plan = checked_plan(
        load_experiment(str(placed / "unlabelled-images.yaml")), open_store(str(placed / "store")), remember=False
    )
    assert {dataset.name: dataset.classes for dataset in plan.datasets} == {"labelled": 3, "unlabelled": None}


def test_every_example_is_in_the_table():
    """The table of `examples/README.md` lists every file, and no other."""
    listed = re.findall(r"^\| \[`([\w.-]+)`\]\(\1\)", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == FILES


def test_the_schema_beside_the_examples_is_that_of_this_version():
    """`examples/dawin.schema.json` is what `dawin schema` prints; print it there again after a change of a setting."""
    assert (EXAMPLES / "dawin.schema.json").read_text() == schema_text()
