"""Numbers on the command line: a wrong one is named, with the argument, in the last line of the usage."""

import pytest

from flows.cli import main
from flows.cli.numbers_given import number, whole_number
from flows.errors import ExperimentError
from flows.upkeep.chosen_runs import RunChoice


@pytest.mark.parametrize(
    ("read", "text", "value"), [(whole_number, "0", 0), (whole_number, "12", 12), (number, "1e3", 1000.0)]
)
def test_numbers_are_read(read, text, value):
    """Zero counts, and so does a fraction where one may stand."""
    assert read(text) == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["store", "prune", "--keep-last", "x"], "argument --keep-last: wanted a whole number of at least 0, got 'x'"),
        (
            ["store", "prune", "--keep-last", "-1"],
            "argument --keep-last: wanted a whole number of at least 0, got '-1'",
        ),
        (["store", "prune", "--keep-last", "²"], "argument --keep-last: wanted a whole number of at least 0, got '²'"),
        (["store", "prune", "--older-than", "nan"], "argument --older-than: wanted a number of at least 0, got 'nan'"),
        (["watch", "any.yaml", "--every", "-3"], "argument --every: wanted a number of at least 0, got '-3'"),
        (["watch", "any.yaml", "--every", "inf"], "argument --every: wanted a number of at least 0, got 'inf'"),
    ],
)
def test_wrong_numbers_are_refused(arguments, message, capsys):
    """The status is 2, and nothing is looked at."""
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert capsys.readouterr().err.splitlines()[-1].endswith(message)


@pytest.mark.parametrize("choice", [RunChoice(keep_last=-1), RunChoice(older_than=-2.0)])
def test_programs_get_the_same_refusal(choice):
    """Callers in Python have no parser before them."""
    with pytest.raises(ExperimentError, match="wanted 0 or more, got -"):
        choice.check()
