"""Messages of wrong requests: one line where a program reads them, one for each fault on a terminal."""

import pickle

import pytest

from flows.cli.terminal import Parser, refusal
from flows.errors import ExperimentError, Fault, faults_of
from storage.errors import ObjectMissing

TWO = ExperimentError(faults=[Fault("seed: wanted a number"), Fault("name: not set")], title="experiment my.yaml")


def test_faults_are_joined_on_one_line_for_programs():
    """The title comes first, then each fault in order."""
    assert refusal(TWO) == "dawin: experiment my.yaml: seed: wanted a number; name: not set"


def test_each_fault_has_a_line_on_a_terminal():
    """The first line counts them."""
    assert refusal(TWO, 80).splitlines() == [
        "dawin: experiment my.yaml: 2 faults",
        "  seed: wanted a number",
        "  name: not set",
    ]


@pytest.mark.parametrize("error", [ExperimentError("no such tag"), ObjectMissing("s3://b/x: not found")])
def test_a_single_fault_is_one_line_on_a_terminal(error):
    """It has no heading, whatever class reports it."""
    assert refusal(error, 80) == f"dawin: {error}"


def test_a_long_fault_goes_on_below_itself_and_an_address_stays_whole():
    """A word that is longer than the terminal can be copied in one piece."""
    address = f"s3://bucket/{'x' * 100}/tuned.pt"
    error = ExperimentError(faults=[Fault(f"model tuned: checkpoint {address}: no such file"), Fault("b")])
    lines = refusal(error, 60).splitlines()
    assert lines[0] == "dawin: wrong request: 2 faults"
    assert f"      {address}:" in lines
    assert all(len(line) <= 60 for line in lines if address not in line)


def test_no_fault_shows_a_secret_or_a_control_character_on_a_terminal():
    """Each is masked and escaped on its own line, so that a fault cannot pretend to be several."""
    error = ExperimentError(faults=[Fault("a s3://K:P4SS@b/x"), Fault("b\x1b[2J\nfake: line")])
    assert refusal(error, 200).splitlines()[1:] == ["  a s3://…@b/x", "  b\\x1b[2J fake: line"]


def test_an_error_keeps_its_faults_between_processes():
    """A flow run's error is pickled."""
    again = pickle.loads(pickle.dumps(TWO))
    assert (str(again), again.faults, again.title) == (str(TWO), TWO.faults, TWO.title)
    assert [fault.text for fault in faults_of(ObjectMissing("gone"))] == ["gone"]


def parser():
    made = Parser(prog="dawin run")
    made.add_argument("--store")
    made.add_argument("--format", choices=["table", "json"])
    return made


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stroe", "x"], "dawin: run: no such option --stroe; did you mean --store?"),
        (["--stroe=s3://K:P4SS@b/x"], "dawin: run: no such option --stroe; did you mean --store?"),
        (["--xyz"], "dawin: run: no such option --xyz; known: --help, --store, --format"),
        (
            ["--format", "jsn"],
            "dawin: run: argument --format: wanted one of table, json, got 'jsn'; did you mean json?",
        ),
    ],
)
def test_a_wrong_word_of_a_command_line_is_named_with_those_close_to_it(words, message, capsys):
    """The usage comes first, the message is the last line, and the exit status is 2."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(words)
    assert ended.value.code == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("usage: dawin run")
    assert last == message
