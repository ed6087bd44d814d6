"""`dawin watch`: looks that fail, and the API that every look needs."""

import pytest
import tiny

from flows.cli import main
from flows.cli.watch import look_and_report
from flows.errors import OrchestrationError
from flows.workers.embedded_api import prefect_api

MODELS = [{"name": "base", "checkpoint": "base.pt"}, {"name": "tuned", "checkpoint": "finetuned/*"}]


def test_a_look_prints_the_checkpoints_whose_runs_it_started(capsys):
    """Their number, then one address on each line."""
    look_and_report(lambda: ["s3://bucket/a.pt", "s3://bucket/b.pt"], 300)
    assert capsys.readouterr().out == "2 runs started\n  s3://bucket/a.pt\n  s3://bucket/b.pt\n"


@pytest.mark.parametrize("error", [OrchestrationError("no\nroom"), RuntimeError("no room"), OSError("no room")])
def test_a_look_that_fails_is_one_line_and_does_not_end_the_watch(error, capsys):
    """The line has the reason and the time of the next look."""

    def look():
        raise error

    look_and_report(look, 300)
    assert capsys.readouterr().err == "dawin: no room; the next look is in 300 s\n"


def test_a_watch_revives_its_api_at_every_look(monkeypatch, tmp_path, capsys):
    """A look whose API does not start is one line, the next look tries again, and an interrupt ends the watch."""
    looks = []

    def revive():
        looks.append("look")
        if len(looks) == 3:
            raise KeyboardInterrupt
        raise OrchestrationError("no room")

    monkeypatch.setattr("flows.workers.embedded_api.keep_errors_short", lambda verbose: None)
    for name in ("start", "wait"):
        monkeypatch.setattr(prefect_api, name, lambda: None)
    monkeypatch.setattr(prefect_api, "revive", revive)
    assert (
        main(
            [
                "watch",
                tiny.experiment(tmp_path / "example", models=MODELS),
                "--every",
                "0",
                "--store",
                str(tmp_path / "store"),
            ]
        )
        == 1
    )
    assert capsys.readouterr().err.count("dawin: no room; the next look is in 0 s\n") == 2
