"""The quickstart as a stranger meets it: in a terminal, piped, again, and as README shows it. It trains for real."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from embedded import environment
from terminals import in_terminal, screen

from flows.reports.tables import results_of
from storage.store import Store

pytestmark = [pytest.mark.xdist_group("quickstart"), pytest.mark.slow]

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "flows.cli", "quickstart"]
PREFECTS = re.compile(r"prefect\.|Flow run|Task run|subflow|Finished in state|127\.0\.0\.1|runs/flow-run|4200")
ANOTHER_PROCESSOR = 1.0  # points; other processors round otherwise, and a few of 797 predictions change


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An empty folder, in which the quickstart will build its example."""
    return tmp_path_factory.mktemp("quickstart")


@pytest.fixture(scope="module")
def own(folder):
    """The environment of a user in a terminal of many colours."""
    kept = {name: value for name, value in environment(folder / "prefect").items() if name != "NO_COLOR"}
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}


@pytest.fixture(scope="module")
def lines(folder, own):
    """The screen that a first run in a terminal of 100 columns leaves."""
    output, status = in_terminal(COMMAND, env=own, cwd=folder, width=100)
    assert status == 0, output
    assert not PREFECTS.search(output)
    return screen(output)


def test_a_first_run_fits_on_a_screen(lines):
    """At most 40 lines, from the first image to the next command."""
    assert 20 < len([line for line in lines if line]) <= len(lines) <= 40, "\n".join(lines)
    assert lines[0].startswith("example: rendering digits and training two small models")
    assert any(line.startswith("calibrated on held-out images, temperatures: zeroshot ") for line in lines)
    assert lines[-2].split()[-1] == "ui" or lines[-1].split()[-1] == "ui"


def test_the_example_is_in_the_regime_of_robust_fine_tuning(lines, folder):
    """Fine-tuning gains at least 8 points on clean, and loses at most 5 on the mean of at least eight shifts."""
    top1 = results_of(Store(str(folder / "dawin-store")), "digits").filter(metric="top1")
    assert top1["samples"].min() >= 797
    base, tuned = (top1.filter(method=f"individual/{name}") for name in ("zeroshot", "finetuned"))
    clean = [rows.filter(dataset="clean")["value"].item() for rows in (base, tuned)]
    shifts = [rows.filter(group="ood")["value"] for rows in (base, tuned)]
    assert len(shifts[0]) >= 8
    assert clean[1] - clean[0] >= 0.08
    assert shifts[0].mean() - shifts[1].mean() <= 0.05


def test_readme_shows_the_table_of_this_run(lines, folder):
    """Each number of README's table is that of the results."""
    top1 = results_of(Store(str(folder / "dawin-store")), "digits").filter(metric="top1")
    text = (ROOT / "README.md").read_text()
    table = re.search(r"<!-- table:quickstart -->\n```text\n(.*?)\n─+\n(.*?)\n```", text, re.DOTALL)
    names = re.split(r" {2,}", table[1])[1:]
    rows = [re.split(r" {2,}", row) for row in table[2].splitlines()]
    assert len(rows) == 8
    for method, *shown in rows:
        mine = top1.filter(method=method.split(" ")[0])
        for name, value in zip(names, shown, strict=True):
            chosen = mine.filter(group="ood") if name == "mean ood" else mine.filter(dataset=name)
            wanted = 100 * chosen["value"].mean()
            assert float(value) == pytest.approx(wanted, abs=ANOTHER_PROCESSOR), (method, name)


def test_a_second_run_trains_and_computes_nothing_and_is_plain_text_in_a_pipe(lines, folder, own):
    """No escape code, no bar, the same numbers."""
    ended = subprocess.run(COMMAND, env=own, cwd=folder, capture_output=True, text=True, check=True)
    shown = ended.stdout + ended.stderr
    assert "dawin-quickstart is complete, nothing to train" in shown
    assert "to run  nothing: the store holds all of it" in shown
    assert not re.search("\x1b|━", shown)
    first = next(line for line in lines if line.startswith("dawin/samples"))
    again = next(line for line in shown.splitlines() if line.startswith("dawin/samples"))
    assert first.split()[1:4] == [part.rstrip("*~") for part in again.split()[1:4]]
