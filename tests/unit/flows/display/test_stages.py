"""Progress by stage: counts of several data sets in one bar, lines on a terminal and without one."""

import io
import re

import pytest
from rich.console import Console
from rich.text import Text

from flows.display import stages as module
from flows.display.live_block import LiveBlock
from flows.display.plain_lines import PlainLines
from flows.display.stages import Stage, Stages
from tasks.progress import listening, work

PASSES = "images × models"


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set: `clock.now = 12.0`."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    found = Clock()
    monkeypatch.setattr(module, "time", found)
    monkeypatch.setattr("flows.display.plain_lines.time", found)
    return found


def run(stages, clock, total=100, planned=200):
    """Two data sets through the stage `extract`, then one through `fit`."""
    stages.plan([Stage("extract", PASSES, planned), Stage("fit", "tables", 2), Stage("evaluate", PASSES, 0)])
    with listening(stages):
        for name in ("one", "two"):
            with work(f"extract {name}", total, stage="extract", unit=PASSES) as progress:
                for _ in range(2):
                    clock.now += 10
                    progress.advance(total // 2)
        with work("fit one", 2, stage="fit", unit="tables") as progress:
            clock.now += 1
            progress.advance(2)


def test_data_sets_of_a_stage_are_counted_together_up_to_the_planned_total(clock):
    """Stages without planned work do not exist; times do not overlap."""
    stages = Stages()
    run(stages, clock)
    extract, fit = stages.all
    assert (extract.name, extract.done, extract.total, extract.seconds) == ("extract", 200, 200, 40.0)
    assert (fit.name, fit.done, fit.total, fit.seconds) == ("fit", 2, 2, 1.0)
    assert extract.is_finished
    assert fit.is_finished


@pytest.mark.parametrize(("planned", "is_finished"), [(50, True), (200, True), (1000, False)])
def test_a_stage_is_finished_when_all_of_its_planned_work_is_done(clock, planned, is_finished):
    """The next data set continues a stage after others have begun, and a repair may add to the plan."""
    stages = Stages()
    run(stages, clock, planned=planned)
    assert [stage.is_finished for stage in stages.all] == [is_finished, True]


def test_a_stage_that_goes_on_with_another_data_set_counts_its_own_time_only(clock):
    """Fits between two extractions are no part of their time, and each stage has one first and one last line."""
    stream = io.StringIO()
    lines = PlainLines(Console(file=stream, width=10_000, force_terminal=False))
    stages = Stages(lines)
    stages.plan([Stage("extract", PASSES, 20), Stage("fit", "tables", 2)])
    with listening(stages):
        for name in ("one", "two"):
            with work(f"extract {name}", 10, stage="extract", unit=PASSES) as progress:
                clock.now += 5
                progress.advance(10)
            with work(f"fit {name}", 1, stage="fit", unit="tables") as progress:
                clock.now += 1
                progress.advance(1)
    lines.close(is_done=True)
    assert stream.getvalue().splitlines() == [
        "extract: 20 images × models",
        "fit: 2 tables",
        "extract: done in 10 s, 2.00/s",
        "fit: done in 2.0 s, 1.00/s",
    ]


def test_a_run_that_found_less_to_do_than_planned_is_done(clock):
    """Another run computed the rest: the last line of a run that completed says so, that of a failed one the counts."""
    shown = []
    for is_done in (True, False):
        stream = io.StringIO()
        lines = PlainLines(Console(file=stream, width=10_000, force_terminal=False))
        run(Stages(lines), clock, planned=1000)
        lines.close(is_done=is_done)
        shown.append(stream.getvalue().splitlines()[-1])
    assert shown == ["extract: done in 40 s, 5.00/s", "extract: 200 of 1,000 in 40 s, 5.00/s"]


def test_runs_of_workers_are_counted_in_place_of_their_images(clock):
    """The parent sees its children end, and not their images."""
    stages = Stages()
    stages.plan([Stage("extract", PASSES, 5000)])
    number = stages.started("extract-outputs", 3, stage="extract", unit="runs")
    stages.advanced(number, 1)
    (stage,) = stages.all
    assert (stage.done, stage.total, stage.unit) == (1, 3, "runs")


def test_work_without_a_stage_is_a_stage_of_its_own():
    """Its description names it."""
    stages = Stages()
    with listening(stages), work("something", 5) as progress:
        progress.advance(5)
    assert [(stage.name, stage.unit, stage.done) for stage in stages.all] == [("something", "images", 5)]


def test_stages_are_listed_in_the_order_of_a_run_and_others_before():
    """The plan announces them in any order, and an example is built before its run."""
    stages = Stages()
    stages.plan([Stage(name, "images", 1) for name in ("evaluate", "extract")])
    for name in ("render images", "train"):
        stages.ended(stages.started(name, 1, stage=name, unit="images"))
    assert [stage.name for stage in stages.all] == ["render images", "train", "extract", "evaluate"]


def test_plain_lines_are_one_at_the_begin_one_at_the_end_and_one_every_15_seconds(clock):
    """Without control characters."""
    stream = io.StringIO()
    lines = PlainLines(Console(file=stream, width=10_000, force_terminal=False))
    stages = Stages(lines)
    run(stages, clock)
    lines.close()
    assert stream.getvalue().splitlines() == [
        "extract: 200 images × models",
        "extract: 100 of 200, 5.00/s, 20 s left",
        "extract: 200 of 200, 5.00/s, 0.0 s left",
        "extract: done in 40 s, 5.00/s",
        "fit: 2 tables",
        "fit: done in 1.0 s, 2.00/s",
    ]


def drawn(console):
    """Return what a console has drawn, line by line, without styles and cursor movements."""
    text = re.sub(r"\x1b\[[0-9;]*[A-HJKSTfhl]|\x1b\[\?25[lh]", "", console.file.getvalue())
    return [Text.from_ansi(line).plain.rstrip() for line in re.split(r"\r?\n|\r", text)]


def test_a_live_block_has_a_bar_for_what_runs_and_leaves_a_line_for_each_stage(clock):
    """Finished stages have a mark, a count, a time and a rate; stages to come have their name."""
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    stages = Stages()
    stages.plan([Stage("extract", PASSES, 200), Stage("fit", "tables", 2)])
    with LiveBlock(stages, console, "starting") as block, listening(stages):
        with work("extract one", 200, stage="extract", unit=PASSES) as progress:
            clock.now += 10
            progress.advance(50)
            console.print(block._block())
            progress.advance(150)
        console.print(block._block())
    lines = drawn(console)
    running = next(line for line in lines if "50 of 200" in line)
    assert running.endswith("5.00/s  30 s left  extract one")
    assert "━" in running
    assert "⠋ fit" in lines or "  fit" in lines
    assert [line.split() for line in lines if line][-1] == [
        "✓",
        "extract",
        "200",
        "images",
        "×",
        "models",
        "10",
        "s",
        "20.0/s",
    ]


def test_a_stage_that_failed_says_how_far_it_came(clock):
    """It has another mark."""
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    stages = Stages()

    def fail():
        with LiveBlock(stages, console, "starting"), listening(stages), work("extract", 9, unit="steps") as progress:
            clock.now += 2
            progress.advance(3)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert drawn(console)[-2].split() == ["✗", "extract", "3", "of", "9", "steps", "2.0", "s", "1.50/s"]
