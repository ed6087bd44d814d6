"""No text of the validator reaches a user: every setting, with values of every wrong kind, has words of ours."""

import math
import re
from datetime import date

import pytest
from pydantic import ValidationError

from flows.experiment.draft import faults_of
from flows.experiment.schema_words import Schema
from flows.experiment.settings import Experiment
from flows.experiment.wording import faults_in

SCHEMA = Schema(Experiment.model_json_schema())
RIGHT = {
    "name": "tiny",
    "architecture": "ViT-B-32",
    "models": [
        {"name": name, "checkpoint": f"{name}.pt", "temperature": 1.0, "source": "here"} for name in ("base", "tuned")
    ],
    "heads": {
        "one": {"text": "clip.pt", "classes": ["cat", "dog"], "templates": ["a photo of a {}."]},
        "two": "zero-shot",
        "*": "head.pt",
    },
    "datasets": [
        {
            "name": "one",
            "images": "one",
            "catalogue": "mnist",
            "group": "id",
            "label_space": "own",
            "limit": 5,
            "tuned_model": "tuned",
        },
        {"name": "two", "images": "two", "source": "there"},
    ],
    "preprocess": {
        "size": 224,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        "fill": 0,
        "tag": "openai",
    },
    "merge": {
        "kind": "interpolation",
        "expertise": "entropy",
        "offset": True,
        "granularity": ["clusters"],
        "clusters": 3,
        "m_step": "mle",
        "scale": [0.3],
        "bins": 64,
    },
    "methods": {
        "ties": {"keep": 0.2, "combine": "sum"},
        "greedy-soup": {"held_out": "one"},
        "adamerging": {"steps": 5, "batch_size": 16, "rate": 0.001, "start": 0.3, "keep": 0.2},
    },
    "baselines": ["ties", "greedy-soup", "adamerging"],
    "published": [
        {"method": "greedy-soup", "dataset": "one", "metric": "top1", "value": "79.97 %", "source": "a paper"},
        {"method": "ties/0.30", "dataset": "mean/all", "value": 0.5, "source": "a paper"},
    ],
    "precision": "fp32",
    "logits": "fp32",
    "batch_size": 256,
    "samples_per_run": 100,
    "workers": 4,
    "image_cache_gib": 0,
    "seed": 1,
}
WRONG = [
    None,
    True,
    "",
    "x",
    "X y",
    "1" * 5000,
    "\ud800",
    5,
    -1,
    0,
    10**30,
    1.5,
    math.nan,
    math.inf,
    date(2020, 2, 2),
    [],
    ["x"],
    [1, 2, 3, 4],
    [[]],
    [{}],
    {},
    {"x": 1},
    {5: 1, None: 2},
    {"x" * 2000: "a"},
    [0.5] * 2000,
    {str(n): "a" for n in range(2000)},
]
"""Values of every kind; most settings take none, and none takes all."""
VALIDATORS = re.compile(
    r"Input should|should (be|have|match|not)|[Ff]ield required|not permitted|valid (string|tuple|number|integer|list|"
    r"dictionary|boolean|date)|Value error|Assertion|Extra inputs|Keys should|unable to (parse|interpret)|greater than|"
    r"less than|type=|https?://|input_|index out of range|unicode string|<class|NoneType|pydantic"
)


def paths(value, path=()):
    """Yield the path of every value in the settings, and of the items in lists and mappings."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield from paths(inside, (*path, key))


def changed(path, value):
    """Return the settings with one of them replaced."""

    def replaced(content, rest):
        if not rest:
            return value
        key, *rest = rest
        copy = dict(content) if isinstance(content, dict) else list(content)
        copy[key] = replaced(content[key], rest)
        return copy

    return replaced(RIGHT, list(path))


def errors_of(content):
    try:
        Experiment.model_validate(content)
    except ValidationError as error:
        return error
    return None


def test_the_example_has_every_setting_and_no_fault():
    """The values that the other tests replace are all right, and no setting is without one."""
    assert errors_of(RIGHT) is None
    given = {tuple(part for part in path if isinstance(part, str)) for path in paths(RIGHT)}
    sections = [(), ("models", 0), ("datasets", 0), ("heads", "one"), ("preprocess",), ("merge",), ("methods",)]
    for section in (*sections, ("published", 0)):
        names = {(*(part for part in section if isinstance(part, str)), name) for name in SCHEMA.settings(section)}
        assert names
        assert names <= given, names - given


@pytest.mark.parametrize("path", [path for path in paths(RIGHT) if path], ids=lambda path: ".".join(map(str, path)))
def test_a_wrong_value_of_any_kind_is_reported_in_our_words(path):
    """The message names the setting or one inside it, says what was wanted, and holds no text of the validator."""
    refusals = 0
    for value in WRONG:
        content = changed(path, value)
        if (error := errors_of(content)) is None:
            continue
        refusals += 1
        faults = faults_of(content, error)
        assert faults, value
        for fault in faults:
            assert not VALIDATORS.search(fault.text), fault.text
            assert fault.text.isprintable(), fault.text
            assert len(fault.text) < 2500
        if [detail for detail in error.errors() if detail["loc"]]:
            place = ".".join(str(part) for part in path if not isinstance(part, int))
            assert any(re.sub(r"\.\d+", "", fault.text).startswith(place.split(".")[0]) for fault in faults), faults
            assert any(re.search("wanted|no such|no method|no options|not set|no data", f.text) for f in faults), faults
    assert refusals > 5


def test_every_kind_of_finding_of_the_validator_is_among_the_wrong_values():
    """The wrong values of the test above reach each error type that the settings' constraints can raise."""
    found = set()
    for path in paths(RIGHT):
        for value in WRONG if path else []:
            error = errors_of(changed(path, value))
            found |= {detail["type"] for detail in error.errors()} if error else set()
    assert found >= {
        "bool_parsing", "bool_type", "dict_type", "extra_forbidden", "finite_number", "float_parsing", "float_type",
        "greater_than", "greater_than_equal", "int_from_float", "int_parsing", "int_type", "invalid_key",
        "less_than_equal", "literal_error", "missing", "model_type", "string_pattern_mismatch", "string_too_long",
        "string_too_short", "string_type", "string_unicode", "too_long", "too_short", "tuple_type", "value_error",
    }  # fmt: skip


@pytest.mark.parametrize("missing", ["name", "models", "datasets"])
def test_a_missing_setting_says_what_is_wanted(missing):
    """`not set`, and the kind of value."""
    content = {name: value for name, value in RIGHT.items() if name != missing}
    (text,) = {fault.text for fault in faults_of(content, errors_of(content)) if fault.path == (missing,)}
    assert re.match(rf"{missing}: not set, wanted a (name of|list of at least)", text), text


def test_a_finding_of_a_kind_that_nobody_foresaw_still_has_our_words():
    """A later version of the validator may have error types that this one has not."""
    detail = {"type": "from_the_future", "loc": ("batch_size",), "input": "x", "msg": "Input should be nice"}
    (fault,) = faults_in([detail], SCHEMA, {"batch_size": "x"})
    assert fault.text == "batch_size: wanted a whole number of at least 1, got 'x'"


def test_faults_of_names_are_found_beside_faults_of_settings():
    """Models and data sets with another fault keep their names, so that methods and heads that name them are right."""
    content = changed(("models", 1, "temperature"), -1)
    content |= {"baselines": ["individual/tuned", "individual/base", "wise-fit"], "methods": {}}
    texts = [fault.text for fault in faults_of(content, errors_of(content))]
    assert texts == [
        "models.1.temperature: wanted a number from 0.01 to 100, got -1",
        "baselines: no method 'wise-fit'; did you mean wise-ft?",
    ]


@pytest.mark.parametrize("models", [5, [], [5, 6], [{"checkpoint": "a"}, {"checkpoint": "b"}]])
def test_without_names_of_models_no_member_of_a_method_is_doubted(models):
    """Only families are checked: a message about `individual/tuned` would follow from the fault of the models."""
    content = RIGHT | {"models": models, "baselines": ["individual/tuned", "oracel"], "methods": {}}
    texts = [fault.text for fault in faults_of(content, errors_of(content))]
    assert "baselines: no method 'oracel'; did you mean oracle?" in texts
    assert not [text for text in texts if "individual" in text]
