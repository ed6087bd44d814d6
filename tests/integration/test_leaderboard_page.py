"""`dawin leaderboard -o`: the page of a store's runs in Chromium, beside its results, and requests that are refused."""

import asyncio
import json
import logging
from pathlib import Path

import pytest
import runs
import tiny
from chromium import needs_chromium
from page_checks import check_page

from flows.cli import main
from flows.pages.leaderboard_file import write_leaderboard
from storage import keys, scan
from storage.store import Store

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


@needs_chromium
@pytest.mark.slow
def test_the_page_of_two_experiments_keeps_the_promises_of_all_pages(tab, copied, tmp_path, capsys):
    """Two checkpoints of one experiment and one of another: a chart and tables for each mean, in a browser."""
    folder, file, store, _ = copied
    tiny.checkpoint(folder / "later.pt", 7)
    quick = ["baselines=[individual, wise-ft]", "merge.granularity=[samples]"]
    runs.run(file, store, *quick, "name=other")
    Path(file).write_text(Path(file).read_text().replace("tuned.pt", "later.pt"))
    runs.run(file, store, *quick)
    path = tmp_path / "leaderboard.html"
    capsys.readouterr()
    assert main(["leaderboard", "--store", store, "-o", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{path}: ")
    page = check_page(tab, path, tmp_path, "leaderboard", charts=6)
    assert page.evaluate("document.querySelector('.subtitle').textContent").startswith("3 runs in ")
    shown = "document.querySelector('#checkpoints').innerText.includes('later.pt')"
    assert not page.evaluate(shown)  # the first experiment is `other`
    page.evaluate("document.querySelectorAll('#checkpoints input')[1].click()")
    assert page.evaluate(shown)


def test_the_page_of_one_experiment_names_no_other(copied, tmp_path):
    """The store's other experiments are left out."""
    _, file, store, _ = copied
    runs.run(file, store, "baselines=[individual]", "merge.granularity=[samples]", "name=other")
    path = tmp_path / "leaderboard.html"
    assert main(["leaderboard", "other", "--store", store, "-o", str(path)]) == 0
    text = path.read_text()
    assert "Every checkpoint of other" in text
    assert "Every checkpoint of tiny" not in text


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tini", "-o", "board.html"], "no results of experiment 'tini' in {store}; did you mean tiny?"),
        (["-o", "none/board.html"], "-o none/board.html: no such folder {here}/none"),
        (["-o", "."], "-o .: a folder; wanted the name of a file such as page.html"),
        (["-o", "board.html", "--json"], "-o writes a page; it takes neither --format nor --json nor --all"),
        (["-o", "board.html", "--format", "csv"], "-o writes a page; it takes neither --format nor --json nor --all"),
    ],
)
def test_a_wrong_request_is_refused_on_one_line(example, words, message, empty, capsys):
    """Exit status 2, the reason, and no file."""
    assert main(["leaderboard", *words, "--store", example[2]]) == 2
    out, err = capsys.readouterr()
    wanted = message.format(store=Store(example[2]).url, here=empty)
    assert wanted in err
    assert err.count("\n") == 1
    assert out == ""
    assert list(empty.iterdir()) == []


def test_a_page_beside_the_results_disturbs_no_reader_of_the_store(copied, capsys):
    """Scans, lists, checks, results and the leaderboard are as before, and another run is not held up."""
    _, file, store, rows = copied
    opened = Store(store)
    before = {name: scan(name, store=opened).collect() for name in ("results", "predictions")}

    def printed(*words):
        capsys.readouterr()
        assert main([*words, "--store", store]) == 0
        return capsys.readouterr().out

    commands = [("results", "--json"), ("leaderboard", "--json"), ("results", "tiny", "--all")]
    answers = [printed(*words) for words in commands]
    listed = json.loads(printed("store", "list", "--json"))
    assert write_leaderboard(opened) == opened.address(keys.LEADERBOARD)
    assert [printed(*words) for words in commands] == answers
    again = json.loads(printed("store", "list", "--json"))
    assert again["experiments"] == listed["experiments"]
    for name, frame in before.items():
        assert scan(name, store=opened).collect().equals(frame)
    assert runs.run(file, store).height == rows.height


def test_the_page_is_written_again_where_the_runs_differ(copied):
    """Another look at the same runs leaves the file as it is; a further run changes it."""
    _, file, store, _ = copied
    path = Path(store) / keys.LEADERBOARD
    write_leaderboard(Store(store))
    first = path.stat().st_mtime_ns
    write_leaderboard(Store(store))
    assert path.stat().st_mtime_ns == first
    runs.run(file, store, "baselines=[individual]", "merge.granularity=[samples]", "name=other")
    write_leaderboard(Store(store))
    assert path.stat().st_mtime_ns != first
    assert "Every checkpoint of other" in path.read_text()


def test_a_store_without_results_gets_no_page(memory):
    """Nothing is written before the first run."""
    assert write_leaderboard(Store(memory)) is None
    assert not Store(memory).exists(keys.LEADERBOARD)


def test_a_look_for_checkpoints_keeps_the_page_current(copied, monkeypatch, caplog):
    """It is written after the look; where that fails, a warning says so and the look succeeds."""
    from flows import watch_checkpoints

    folder, file, store, _ = copied
    text = Path(file).read_text().replace("tuned.pt", "new/*.pt")
    Path(file).write_text(text)
    tiny.checkpoint(folder / "new" / "a.pt", 9)
    found = asyncio.run(watch_checkpoints.watch_checkpoints(file, store))
    assert [address.rpartition("/")[2] for address in found] == ["a.pt"]
    assert "a.pt" in (Path(store) / keys.LEADERBOARD).read_text()

    def fails(store):
        raise OSError("no space left")

    monkeypatch.setattr(watch_checkpoints, "write_leaderboard", fails)
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(watch_checkpoints.watch_checkpoints(file, store)) == []
    assert "no leaderboard: no space left" in caplog.text
