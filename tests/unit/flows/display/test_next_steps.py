"""The next commands after a run: a command line that takes them, and remarks where they fit."""

import shlex
import sys
from types import SimpleNamespace

import pytest

from flows.cli.entry import parser
from flows.display.next_steps import next_steps, program, samples_command_of


def plan(granularity=("clusters",), clusters=3):
    settings = {"merge": {"granularity": list(granularity), "clusters": clusters}}
    return SimpleNamespace(record=SimpleNamespace(experiment="digits", settings=settings))


def commands(width=200, **options):
    given = {"file": "my file.yaml", "store": None, "hides": True, **options}
    return [line.plain for line in next_steps(given.pop("plan", plan()), width=width, **given)]


def test_three_commands_follow_and_the_command_line_takes_those_that_exist(monkeypatch):
    """Names with spaces and a store of one's own are part of them."""
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/dawin")
    lines = commands(store="s3://bucket/my store")
    assert [line[:8].strip() for line in lines] == ["next", "", ""]
    results, run, ui = [line[8:].partition("  ")[0] for line in lines]
    assert results == "dawin results digits --all --store 's3://bucket/my store'"
    assert run == "dawin run 'my file.yaml' --set merge.clusters=5 --store 's3://bucket/my store'"
    assert ui == "dawin ui"
    assert parser().parse_args(shlex.split(run)[1:]).set == ["merge.clusters=5"]


@pytest.mark.parametrize(
    ("granularity", "clusters", "change"),
    [(("clusters",), 5, "merge.clusters=3"), (("samples",), 3, "merge.granularity=[clusters]")],
)
def test_the_change_is_one_that_the_run_did_not_have(granularity, clusters, change):
    """The suggested run computes something."""
    assert f"--set {change}" in commands(plan=plan(granularity, clusters))[1]


def test_without_a_shortened_table_another_format_is_suggested():
    """`--all` would show the same table again."""
    assert "--format markdown" in commands(hides=False)[0]


def test_remarks_are_left_out_where_they_do_not_fit():
    """A command is never cut."""
    assert all("  " in line[8:] for line in commands(200))
    assert not any("  " in line[8:] for line in commands(60))


@pytest.mark.parametrize(
    ("which", "called", "name"),
    [
        ("/usr/bin/dawin", "anything", "dawin"),
        (None, ".venv/bin/dawin", ".venv/bin/dawin"),
        (None, "/somewhere/flows/cli/__main__.py", "python -m flows.cli"),
    ],
)
def test_the_program_is_called_as_the_shell_finds_it_here(monkeypatch, which, called, name):
    """By name, by path, or as a module."""
    monkeypatch.setattr("shutil.which", lambda _: which)
    monkeypatch.setattr(sys, "argv", [called])
    assert program() == name
    assert samples_command_of("digits") == f"{name} results digits --samples -o predictions.parquet"
