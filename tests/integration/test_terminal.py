"""What a person sees of `dawin run`: in a terminal, without one, quiet and verbose."""

import re
import shutil
import sqlite3
import subprocess
import sys

import pytest
import tiny
from embedded import environment
from terminals import in_terminal, screen

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.slow]

PREFECTS = re.compile(r"prefect\.|Flow run|Task run|subflow|Finished in state|127\.0\.0\.1|runs/flow-run")
RUN = [sys.executable, "-m", "flows.cli", "run"]


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """An experiment on three data sets, one of them without labels, and its folder and environment."""
    folder = tmp_path_factory.mktemp("terminal")
    photos = folder / "photos"
    file = tiny.experiment(
        folder,
        samples=12,
        datasets=[
            {"name": "one", "images": "one", "group": "id"},
            {"name": "two", "images": "two", "group": "ood"},
            {"name": "photos", "images": "photos", "group": "ood"},
        ],
        baselines=["individual", "wise-ft", "output-ensemble"],
    )
    photos.mkdir()
    for number, image in enumerate(sorted((folder / "two").rglob("*.png"))):
        shutil.copy(image, photos / f"{number}.png")
    (folder / "two" / "class0" / "copy.png").write_bytes((folder / "two" / "class0" / "00000.png").read_bytes())
    own = {n: v for n, v in environment(folder / "prefect").items() if n not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return folder, file, {**own, "TERM": "xterm-256color"}


@pytest.fixture(scope="module")
def shown(example):
    """The output of a first run in a terminal of 100 columns, and its screen at the end."""
    folder, file, env = example
    output, status = in_terminal([*RUN, file, "--store", str(folder / "store")], env=env, cwd=folder)
    assert status == 0, output
    return output, screen(output)


def test_a_run_in_a_terminal_fits_on_a_screen_and_shows_nothing_of_prefect(shown):
    """At most 40 lines of 100 columns stay, and bars were drawn meanwhile."""
    output, lines = shown
    short = [re.sub(r"/\S+/terminal\d+", "/data", line) for line in lines]  # pytest's folders have names of any length
    assert sum(max(1, -(-len(line) // 100)) for line in short) <= 40, "\n".join(short)
    assert not PREFECTS.search(output)
    assert "━" in output
    assert "━" not in "\n".join(lines)


def test_the_header_says_what_runs_where_and_on_what(shown):
    """The experiment, the store, the inputs, the forward passes and the device, in this order."""
    _, lines = shown
    assert re.fullmatch(r"tiny    run r[0-9a-f]{12}", lines[0])
    assert lines[1] == "store   store"
    assert lines[2] == "inputs  3 data sets (37 images) × 2 models (base, tuned)"
    assert re.fullmatch(r"to run  [0-9]+ forward passes, 17 methods", lines[3])
    assert next(line for line in lines if line.startswith("device")).startswith(("device  cpu, ", "device  cuda"))


def test_each_stage_leaves_one_line_with_its_count_its_time_and_its_rate(shown):
    """All data sets of a stage are counted together."""
    _, lines = shown
    stages = [line.split()[1] for line in lines if line.startswith("✓")]
    assert stages == ["extract", "fit", "evaluate", "mix", "aggregate"]
    extract = next(line for line in lines if line.startswith("✓ extract"))
    assert re.fullmatch(r"✓ extract +74 images × models +[0-9.]+ s +[0-9.,]+/s", extract)


def test_warnings_are_shown_once(shown):
    """The plan has the warning, and the run logs it again."""
    _, lines = shown
    assert "\n".join(lines).count("architecture: 1 head of 64") == 1
    assert len([line for line in lines if line.startswith("warning ")]) == 1


def test_the_results_the_unlabelled_set_and_three_next_commands_follow(shown):
    """The commands name the experiment, its file and its store."""
    _, lines = shown
    text = "\n".join(lines)
    assert re.search(r"^wise-ft/0\.\d0 \(best on one\)", text, re.MULTILINE)
    assert "photos has no labels, so no accuracies; the predictions are in" in lines
    assert "dawin results tiny" in text.replace("python -m flows.cli", "dawin")
    following = text.partition("\nnext ")[2].splitlines()
    assert len(following) == 3
    assert "results tiny --all --store" in following[0]
    assert "tiny.yaml --set merge.clusters=5 --store" in following[1]
    assert following[2].split()[-1] == "ui" or " ui " in following[2]


def test_prefects_api_has_the_log_lines_that_the_terminal_has_not(shown, example):
    """The log of a run in the UI is complete: Prefect's lines and the warning."""
    database = sqlite3.connect(example[0] / "prefect" / "prefect.db")
    messages = [message for (message,) in database.execute("SELECT message FROM log")]
    database.close()
    assert "Finished in state Completed()" in messages
    assert any("architecture: 1 head of 64" in message for message in messages)


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "TERM=dumb"])
def test_a_terminal_that_takes_no_styles_gets_plain_lines(shown, example, variables):
    """Neither bars nor escape codes; the table is no wider than the terminal."""
    folder, file, env = example
    command = [*RUN, file, "--store", str(folder / "store")]
    output, status = in_terminal(command, env={**env, **variables}, cwd=folder)
    assert status == 0
    assert not re.search("\x1b|━", output)
    assert "to run  nothing: the store holds all of it" in output
    assert "*: best of these rows" in output


def test_without_a_terminal_a_run_is_plain_lines(example, tmp_path):
    """A line when a stage begins, and one when it ends."""
    _, file, env = example
    command = [*RUN, file, "--store", str(tmp_path / "store")]
    ended = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    assert not re.search("\x1b|━", ended.stdout)
    assert not PREFECTS.search(ended.stdout)
    lines = ended.stdout.splitlines()
    assert lines.count("extract: 74 images × models") == 1
    assert len([line for line in lines if line.startswith("extract: ")]) == 2
    assert len([line for line in lines if line.startswith("warning architecture")]) == 1


def test_a_quiet_run_prints_the_table_alone(shown, example):
    """On standard output; standard error is empty."""
    folder, file, env = example
    command = [*RUN, "-q", file, "--store", str(folder / "store"), "--set", "merge.clusters=3"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    lines = ended.stdout.splitlines()
    assert lines[0].split() == ["method", "one", "two", "photos"]
    assert any(line.startswith("dawin/clusters-3 ") for line in lines)
    assert not [line for line in lines if line.startswith(("store", "results", "next"))]


def test_a_verbose_run_prints_prefects_lines_too(shown, example):
    """And those of this program, as they go to Prefect's API."""
    folder, file, env = example
    command = [*RUN, "-v", file, "--store", str(folder / "store"), "--set", "merge.clusters=4"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert "Flow run 'tiny: tuned.pt' - Finished in state Completed()" in ended.stderr
    assert "dawin.run - skipped: extract one: base, tuned (in the store)" in ended.stderr
    assert "fit: 3 tables" in ended.stderr


def test_a_failed_run_says_how_far_its_stages_came_and_why_it_failed(example, tmp_path):
    """The last line is the reason; no line has a traceback; the other two data sets are computed to their end."""
    folder, _, env = example
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken, ignore=shutil.ignore_patterns("store", "prefect"))
    (broken / "two" / "class1" / "00004.png").write_bytes(b"no picture")
    output, status = in_terminal([*RUN, "tiny.yaml", "--store", str(tmp_path / "store")], env=env, cwd=broken)
    assert status == 1
    lines = [line for line in screen(output) if line]
    assert re.search(r"✗ extract +48 of 74 images × models", "\n".join(lines))
    assert "broken image" in " ".join(lines[-2:])
    assert "Traceback" not in output
