"""The JSON Schema of the experiment file agrees with the settings about what is right and what is wrong."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from flows.cli import main
from flows.errors import ExperimentError
from flows.experiment import file
from flows.experiment.file import named_experiments, parse_experiment
from flows.experiment.schema import SCHEMA_MARK, experiment_schema, schema_text
from flows.quickstart.example import experiment_text

ROOT = Path(__file__).parents[4]
SCHEMA = experiment_schema()
SMALL = {
    "name": "small",
    "models": [{"name": "a", "checkpoint": "a.pt"}, {"name": "b", "checkpoint": "b.pt"}],
    "datasets": [{"name": "one", "images": "one"}],
}


def experiments():
    """Every experiment that comes with the project, by name."""
    folder = Path(file.__file__).parent / "named"
    named = {name: (folder / f"{name}.yaml").read_text() for name in named_experiments()}
    examples = {path.name: path.read_text() for path in (ROOT / "examples").glob("*.yaml")}
    quickstart = ROOT / "flows" / "quickstart" / "experiments"
    temperatures = {"zeroshot": 1.25, "finetuned": 0.75}
    written = {path.name: experiment_text(path.name, temperatures) for path in quickstart.glob("*.yaml")}
    return {name: yaml.safe_load(text) for name, text in {**named, **examples, **written}.items()}


def with_setting(path, value):
    """The small experiment with one setting changed."""
    changed = copy.deepcopy(SMALL)
    *parents, last = path.split(".")
    place = changed
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    place[last] = value
    return changed


def test_the_schema_is_a_schema():
    """A validator accepts it as one of its draft."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(schema_text()) == SCHEMA


@pytest.mark.parametrize("name", experiments())
def test_the_schema_accepts_every_experiment_of_the_project(name):
    """The named experiments, the examples, and those of the quickstart."""
    content = json.loads(json.dumps(experiments()[name]))
    jsonschema.validate(content, SCHEMA, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("merge.scale", 0.3),
        ("merge.scale", [0.2, 0.3]),
        ("merge.clusters", "auto"),
        ("heads", {"one": "zero-shot"}),
        ("heads", {"*": {"classes": ["cat", "dog"], "templates": ["a {}."]}}),
        ("methods", {"ties": {}}),
        ("baselines", ["wise-ft/0.50", "oracle"]),
        ("precision", "bf16"),
    ],
)
def test_the_schema_and_the_settings_accept_the_same_values(path, value):
    """A value that is written in several ways is accepted in each of them."""
    content = with_setting(path, value)
    jsonschema.validate(content, SCHEMA)
    if path != "methods":  # whose options need their method among the baselines
        parse_experiment(content, "here")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("models", [{"name": "a", "checkpoint": "a.pt"}]),
        ("models.0.temprature", 1.0),
        ("models.0.name", "Not a name"),
        ("merge.kind", "averaging"),
        ("merge.clusters", "many"),
        ("merge.scale", "large"),
        ("baselines", ["wise"]),
        ("baselines", ["dawin/samples"]),
        ("precision", "fp8"),
        ("batch_size", 0),
        ("datasets", []),
        ("colour", "red"),
    ],
)
def test_the_schema_and_the_settings_refuse_the_same_values(path, value):
    """A misspelt setting, a wrong type, a value out of bounds, and a method that does not exist."""
    content = with_setting(path, value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA)
    with pytest.raises(ExperimentError):
        parse_experiment(content, "here")


def test_the_schema_describes_every_setting():
    """An editor shows a sentence for each setting of each section."""

    def undescribed(part, path):
        for name, setting in part.get("properties", {}).items():
            if not setting.get("description") and "$ref" not in setting:
                yield f"{path}.{name}"

    parts = {SCHEMA_MARK: SCHEMA, **SCHEMA["$defs"]}
    assert [place for path, part in parts.items() for place in undescribed(part, path)] == []


def test_the_command_prints_the_schema_alone(capsys):
    """Its output is the file that an editor reads."""
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA


@pytest.mark.parametrize(
    "of", ["plan", "inspect", "results", "leaderboard", "store-list", "store-verify", "store-prune", "calibrate"]
)
def test_the_command_prints_the_schema_of_each_document(of, capsys):
    """Every document of `--json` has a schema that describes each of its fields."""
    assert main(["schema", "--of", of]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    parts = [schema, *schema.get("$defs", {}).values()]
    fields = {f"{p.get('title')}.{n}": f for p in parts for n, f in p.get("properties", {}).items()}
    assert fields
    assert [name for name, field in fields.items() if not field.get("description")] == []
