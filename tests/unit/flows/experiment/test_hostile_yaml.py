"""Any text is an experiment or one error: bounded, printable, without secrets, in time that grows with the text."""

import time

import pytest
import tiny
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.cli.terminal import failure
from flows.errors import ExperimentError
from flows.experiment.file import load_experiment
from flows.experiment.settings import Experiment
from flows.experiment.strict_yaml import parse_yaml

PLAIN = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(allow_nan=False), st.text(max_size=20)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=20,
)
PIECES = st.sampled_from(
    [
        *("a: ", "- ", "? ", ": ", "&a ", "*a ", "<<: ", "!!int ", "!!set ", "!x "),
        *("[", "]", "{", "}", "|\n", '"', "'", "0x", "1:1", "1e9", ".inf", "~", "#"),
        *("2020-01-01", "name: ", "---\n", "%YAML 1.1\n", "\n", "  ", "\0", "\ufeff"),
    ]
)


@settings(max_examples=100, deadline=None)
@given(PLAIN)
def test_plain_values_come_back_as_they_were_written(value):
    """Whatever `yaml.safe_dump` writes of numbers, texts, lists and mappings."""
    assert parse_yaml(yaml.safe_dump(value)) == value


def outcome(text, folder):
    """Load a text as an experiment file; return the experiment, or the message of the error."""
    file = folder / "x.yaml"
    file.write_text(text, errors="surrogatepass")
    try:
        return load_experiment(str(file))
    except ExperimentError as error:
        return str(error)


def check(found):
    if not isinstance(found, Experiment):
        assert found.startswith("experiment ")
        assert found.isprintable()
        assert len(found) < 20_000


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=30))
def test_any_document_is_an_experiment_or_one_error(tmp_path_factory, pieces):
    """Pieces of YAML in any order, and characters of any kind between them."""
    check(outcome("".join(pieces), tmp_path_factory.getbasetemp()))


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The text of an experiment file."""
    with open(tiny.experiment(tmp_path_factory.mktemp("example"), samples=3)) as file:
        return file.read()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_change_of_an_experiment_is_an_experiment_or_one_error(tmp_path_factory, example, data):
    """Pieces put in, cut out or doubled."""
    text = example
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, min(start + 10, len(text))))
        text = (
            text[:start]
            + data.draw(st.one_of(PIECES, st.text(max_size=5), st.just(text[start:stop] * 2)))
            + text[stop:]
        )
    check(outcome(text, tmp_path_factory.getbasetemp()))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_setting_of_the_command_line_is_taken_or_one_error(tmp_path_factory, data):
    """Paths into nothing, into lists and beyond, values of every kind."""
    folder = tmp_path_factory.getbasetemp() / "settings"
    if not folder.exists():
        folder.mkdir()
        tiny.experiment(folder, samples=3)
    parts = st.sampled_from(
        ["models", "merge", "0", "1", "-1", "²", "name", "checkpoint", "clusters", "heads", "", "\x1b"]
    )
    path = ".".join(data.draw(st.lists(parts, max_size=10)))
    value = "".join(data.draw(st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=6)))
    try:
        found = load_experiment(str(folder / "tiny.yaml"), (f"{path}={value}",))
    except ExperimentError as error:
        found = str(error).replace("--set", "experiment --set", 1)
    check(found)


def test_an_alias_stands_for_its_value():
    """Used as people use them: a list of methods written once."""
    assert parse_yaml("a: &a [x, y]\nb: *a\nc: {d: *a}") == {"a": ["x", "y"], "b": ["x", "y"], "c": {"d": ["x", "y"]}}


@pytest.mark.parametrize(
    "text",
    ["- x\n" * 10_000, "".join(f"k{i}: 1\n" for i in range(10_000)), "a: " + "x " * 100_000, "#\n" * 120_000],
    ids=["items", "keys", "words", "comments"],
)
def test_what_is_accepted_is_read_in_a_time_that_grows_with_it(text):
    """Twice as much takes no four times as long, with room for a busy machine."""

    def seconds(part):
        start = time.process_time()
        parse_yaml(part)
        return time.process_time() - start

    whole, half = min(seconds(text) for _ in range(2)), min(seconds(text[: len(text) // 2]) for _ in range(2))
    assert whole < 3.5 * half + 0.05


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "the run failed: not enough memory"),
        (RecursionError("maximum\nrecursion"), "the run failed: RecursionError: maximum recursion"),
        (ValueError("\x1b[2J\r\u202e s3://K:S@b/x"), r"the run failed: ValueError: \x1b[2J \u202e s3://…@b/x"),
        (OSError("x" * 10**6), "the run failed: OSError: " + "x" * 100),
    ],
)
def test_any_error_is_one_printable_line(error, message):
    """What a hostile file makes a library raise becomes one line of bounded length."""
    line = failure(error)
    assert line.startswith(message)
    assert line.isprintable()
    assert len(line) < 20_100
