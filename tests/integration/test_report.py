"""`dawin report`: one page about a finished run, made from its store without any forward pass."""

import json
import logging
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import runs
from left_out import unlabelled

from flows.cli import main
from flows.pages import report
from flows.pages.parts import Chart, Choice, Gallery, Note, Table
from flows.pages.report import report_page, run_data, write_report
from flows.pages.run_plan import RunPlan
from flows.pages.sample_facts import sample_facts
from storage import keys
from storage.pointers import latest_run
from storage.store import Store

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]

TWO_MODELS = ["outcome", "results", "shift", "datasets", "cost", "coefficients", "clusters", "calibration"]


def parts_of(page, section):
    """All parts of a section, those of a choice among them."""
    found = []
    for part in next(one for one in page.sections if one.id == section).parts:
        found += [p for option in part.options for p in option.parts] if isinstance(part, Choice) else [part]
    return found


def ids(page):
    return [section.id for section in page.sections]


def test_the_command_writes_one_file_that_requests_nothing(example, tmp_path, capsys):
    """The file exists, is small, holds every section and names no address that a browser would fetch."""
    file = tmp_path / "report.html"
    assert main(["report", "tiny", "-o", str(file), "--store", example[2]]) == 0
    assert re.fullmatch(rf"{re.escape(str(file))}: [\d.]+ \w+, report of tiny, run \w+\n", capsys.readouterr().out)
    text = file.read_text()
    assert len(text) < 5 * 2**20
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert all(f'id="{name}"' in text for name in [*TWO_MODELS, "provenance"])


def test_the_facts_of_the_file_are_printed_for_programs(example, tmp_path, capsys):
    """`--json` prints the file, its size and the run; `-q` prints nothing; an existing report is replaced."""
    file = tmp_path / "report.html"
    file.write_text("older")
    words = ["report", "tiny", "-o", str(file), "--store", example[2]]
    assert main([*words, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    run_id = latest_run(Store(example[2]), "tiny")
    assert facts == {"experiment": "tiny", "run_id": run_id, "file": str(file), "bytes": file.stat().st_size}
    assert main([*words, "-q"]) == 0
    assert capsys.readouterr().out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_report_loads_no_torch_and_no_prefect(example, tmp_path):
    """No model can run in a process that has no torch."""
    words = ["report", "tiny", "-o", str(tmp_path / "report.html"), "--store", example[2]]
    program = (
        f"import sys; from flows.cli import main; status = main({words!r}); "
        "print(status, sorted({'torch', 'open_clip', 'prefect', 'altair'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report", "tini", "-o", "{tmp}/x.html"], "did you mean tiny"),
        (["report", "tiny", "--run", "r0", "-o", "{tmp}/x.html"], "no such run; known: r"),
        (["report", "tiny", "-o", "{tmp}/none/x.html"], "no such folder {tmp}/none"),
        (["report", "tiny", "-o", "{tmp}"], "a folder; wanted the name of a file"),
        (["report", "tiny", "-o", "/dev/null/x.html"], "no such folder /dev/null"),
        (["report", "tiny", "-o", "{tmp}/" + 300 * "x"], "cannot be written (File name too long)"),
    ],
)
def test_a_wrong_request_is_one_line_and_writes_nothing(example, tmp_path, capsys, words, message):
    """An unknown experiment or run and a missing folder are refused with status 2 and the names that exist."""
    asked = [word.format(tmp=tmp_path) for word in words]
    assert main([*asked, "--store", example[2]]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message.format(tmp=tmp_path) in line
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_the_file_is_required(capsys):
    """Without -o the command says what is missing."""
    with pytest.raises(SystemExit) as ended:
        main(["report", "tiny"])
    assert ended.value.code == 2
    assert "-o" in capsys.readouterr().err


def test_the_tables_have_the_numbers_of_the_results(example):
    """Every accuracy of the results is in the table of the page."""
    page = report_page(Store(example[2]), "tiny")
    table = next(part for part in parts_of(page, "results") if isinstance(part, Table))
    columns = [column.name for column in table.columns]
    shown = {(row[0].text, name): cell.value for row in table.rows for name, cell in zip(columns, row, strict=True)}
    for row in example[3].filter(metric="top1", dataset="two").iter_rows(named=True):
        assert shown[row["method"], "two"] == pytest.approx(100 * row["value"])


def test_aggregated_samples_add_up_to_the_results(example):
    """Bins, clusters and classes count every sample once: each of them sums to the accuracy of the results."""
    run = report.run_data(Store(example[2]), "tiny")
    for dataset in run.datasets:
        facts = sample_facts(run, dataset, "dawin/clusters-2")
        right = {m: round(run.estimate(m, dataset).value * run.samples[dataset]) for m in facts.bins}
        assert {m: int(bins.right.sum()) for m, bins in facts.bins.items()} == right
        assert all(bins.samples.sum() == run.samples[dataset] for bins in facts.bins.values())
        assert sum(cluster.samples for cluster in facts.clusters) == run.samples[dataset]
        assert {m: sum(cluster.right[m] for cluster in facts.clusters) for m in right} == right
        for other, changes in facts.changes.items():
            assert sum(change.samples for change in changes) == run.samples[dataset]
            assert sum(change.before for change in changes) == right[other]
            assert sum(change.after for change in changes) == right["dawin/clusters-2"]
        assert facts.fit.counts.sum(axis=1) == pytest.approx([run.samples[dataset]] * 2)
        assert facts.fit.mean.sum() == pytest.approx(1)


def test_charts_are_described_and_galleries_show_pictures(example):
    """Each chart has a description for a reader who does not see it, and samples are shown with every prediction."""
    page = report_page(Store(example[2]), "tiny")
    charts = [part for one in TWO_MODELS for part in parts_of(page, one) if isinstance(part, Chart)]
    assert len(charts) >= 6
    assert all(len(chart.description) > 40 for chart in charts)
    galleries = [part for part in parts_of(page, "samples") if isinstance(part, Gallery)]
    pictures = [picture for gallery in galleries for picture in gallery.pictures]
    assert 0 < len(pictures) <= 40
    assert all(picture.content[8:12] == b"WEBP" and max(picture.width, picture.height) <= 96 for picture in pictures)
    assert all({line.label for line in picture.lines} >= {"base", "tuned"} for picture in pictures)


def test_a_picture_is_won_only_if_the_merge_is_right(example):
    """Of a won sample the merge is right and the fine-tuned model wrong; of a lost one the merge is wrong."""
    page = report_page(Store(example[2]), "tiny")
    for gallery in (part for part in parts_of(page, "samples") if isinstance(part, Gallery)):
        is_won = gallery.title.endswith("won")
        for picture in gallery.pictures:
            marks = {line.label: line.mark for line in picture.lines}
            merge = next(mark for label, mark in marks.items() if label.startswith("dawin"))
            assert merge == ("right" if is_won else "wrong")
            assert marks["tuned"] == "wrong" if is_won else "right" in marks.values()


def test_images_that_are_gone_or_changed_cost_the_pictures_alone(example, copied):
    """A note says why the pictures are missing; the rest of the page is as before."""
    folder, _, store, _ = copied
    for plan in Path(store).glob("plans/*.json"):
        plan.write_text(plan.read_text().replace(str(example[0]), str(folder)))
    before = report_page(Store(store), "tiny")
    assert [part for part in parts_of(before, "samples") if isinstance(part, Gallery)]
    next((folder / "one").rglob("*.png")).unlink()
    shutil.rmtree(folder / "two")
    page = report_page(Store(store), "tiny")
    assert ids(page) == ids(before)
    notes = [part.text for part in parts_of(page, "samples") if isinstance(part, Note)]
    assert any("`one` cannot be shown" in text and "have changed since the run" in text for text in notes)
    assert any("`two` cannot be shown" in text for text in notes)
    assert not [part for part in parts_of(page, "samples") if isinstance(part, Gallery)]


def test_a_run_without_its_plan_still_has_a_report(copied):
    """Results and costs come from the rows; a note names the command that writes the plan again."""
    _, _, store, _ = copied
    shutil.rmtree(Path(store) / "plans")
    page = report_page(Store(store), "tiny")
    assert {"outcome", "results", "shift", "datasets", "cost", "provenance"} <= set(ids(page))
    assert {"samples", "clusters", "coefficients"}.isdisjoint(ids(page))
    assert any("no longer holds the plan" in part.text for part in parts_of(page, "outcome") if isinstance(part, Note))


def test_a_run_of_single_models_knows_each_of_them(example):
    """Where no method combines models, the plan's outputs are those of every model, the base first."""
    plan = run_data(Store(example[2]), "tiny").plan
    single = RunPlan(tuple(cell for cell in plan.cells if cell.method.startswith("individual/")))
    assert [outputs.model.name for outputs in single.outputs("one")] == ["base", "tuned"]
    assert single.outputs("one") == plan.outputs("one")


def test_damaged_predictions_leave_out_their_data_set(copied, caplog):
    """One damaged table costs its data set's part of the sections about samples, with a warning and a note."""
    _, _, store, _ = copied
    for path in Path(store).glob("mixtures/**/*.parquet"):
        path.write_bytes(b"no table")
    with caplog.at_level(logging.WARNING, "dawin.report"):
        page = report_page(Store(store), "tiny")
    assert "clusters" not in ids(page)
    assert "report: data set one" in caplog.text
    notes = [part.text for part in parts_of(page, "outcome") if isinstance(part, Note)]
    assert any("leave out `one`" in note and "damaged" in note for note in notes)


def test_a_fault_of_the_report_never_fails_a_run(example, monkeypatch, caplog):
    """The run goes on without a page, and the log has a warning with the reason."""

    def fails(*_, **__):
        raise RuntimeError("no such luck\nand a second line")

    monkeypatch.setattr(report, "report_html", fails)
    with caplog.at_level(logging.WARNING, "dawin.report"):
        assert write_report(Store(example[2]), "tiny", "r0123", plan="plans/0.json") is None
    assert caplog.messages == ["no report of tiny, run r0123: no such luck"]


def test_the_report_beside_the_results_disturbs_nobody(copied, capsys):
    """A report in the store is no result: lists, scans and the latest run are as before."""
    _, _, store, rows = copied
    opened = Store(store)
    run_id = latest_run(opened, "tiny")
    address = write_report(opened, "tiny", run_id, plan=next(opened.keys("plans")))
    assert address == opened.address(keys.report("tiny", run_id))
    assert opened.read(keys.report("tiny", run_id)).startswith(b"<!")
    assert main(["store", "list", "--store", store]) == 0
    assert run_id in capsys.readouterr().out
    assert main(["results", "tiny", "--json", "--store", store]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(rows)


def test_a_data_set_without_labels_has_coefficients_and_no_accuracy(tmp_path):
    """The words name it, and no section shows an accuracy of it."""
    store = tmp_path / "store"
    runs.run(unlabelled(tmp_path), store)
    page = report_page(Store(str(store)), "tiny")
    notes = [part.text for part in parts_of(page, "outcome") if isinstance(part, Note)]
    assert any("`loose` has no labels" in text for text in notes)
    assert "shift" not in ids(page)
    [chart] = [part for part in parts_of(page, "coefficients") if isinstance(part, Chart)]
    assert "loose: mean" in chart.description
    assert not [p for p in parts_of(page, "calibration") if isinstance(p, Chart) and "loose" in p.title]


def test_several_models_have_a_heat_map_of_their_weights(table):
    """The report of merged tasks shows the mean weight of each model on each task, and clusters of all models."""
    page = report_page(Store(table[1]), "multi")
    charts = [part for part in parts_of(page, "coefficients") if isinstance(part, Chart)]
    assert charts[0].title == "Mean weight of each model"
    assert {row[0].text for row in charts[0].table.rows} == {"a", "b", "c"}
    assert all(sum(cell.value for cell in row[1:]) == pytest.approx(1, abs=1e-6) for row in charts[0].table.rows)
    assert "shift" not in ids(page)
