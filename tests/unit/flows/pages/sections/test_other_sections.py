"""The sections that are made of results alone."""

from dataclasses import replace

import drawn
import pytest
from reported import TABLE, compared, plain, run_of, words_of
from result_rows import with_published

from flows.pages.parts import Chart, Choice, Table
from flows.pages.sections.costs import costs
from flows.pages.sections.dataset_accuracies import dataset_accuracies
from flows.pages.sections.provenance import provenance
from flows.pages.sections.published_numbers import published_numbers
from flows.pages.sections.result_tables import result_table, result_tables
from flows.pages.sections.shift_tradeoff import shift_tradeoff
from flows.pages.shown_methods import curve_of
from tasks.numerics.metrics.registry import metric_of


def cells(table, column):
    """The cells of a column by method."""
    place = [c.name for c in table.columns].index(column)
    return {row[0].text: row[place] for row in table.rows}


def table_of(run):
    return result_table(run, metric_of("top1"), ["mean/all", "clean", "mean/ood", "noisy"])


def test_the_table_marks_the_best_and_the_ties_of_each_column():
    """The best value is marked, a tied one differently, and the oracle's never."""
    run = run_of(comparisons=compared(("dawin/clusters-3", "dawin/samples", "noisy", 0.01, 0.4)))
    marks = {method: cell.mark for method, cell in cells(table_of(run), "noisy").items()}
    assert marks["dawin/clusters-3"] == "best"
    assert marks["dawin/samples"] == "tied"
    assert marks["oracle/samples"] is None
    assert marks["individual/base"] is None


def test_values_and_intervals_are_in_the_unit_of_the_column():
    """A fraction is shown in percent, in three digits, with the ends of its interval."""
    table = table_of(run_of())
    cell = cells(table, "noisy")["dawin/clusters-3"]
    assert (cell.text, cell.value, cell.low, cell.high) == ("66.0", *(pytest.approx(x) for x in (66.0, 64.0, 68.0)))
    assert {column.unit for column in table.columns[1:]} == {"%"}


def test_the_columns_of_one_group_stand_together():
    """The mean over all comes first, then each group's mean and its data sets; a single data set has no mean."""
    table = result_tables(run_of()).parts[0]
    assert [column.name for column in table.columns] == ["method", "mean all", "clean", "mean ood", "noisy", "rotated"]


def test_dawin_stands_out_and_labels_are_said():
    """The rows of DaWin are highlighted, and a method that uses labels says so."""
    table = table_of(run_of())
    names = [row[0].text for row in table.rows]
    assert {names[i] for i in table.highlighted} == {"dawin/clusters-3", "dawin/samples"}
    assert cells(table, "method")["oracle/samples"].detail == "uses labels"


def test_several_metrics_are_chosen_from():
    """A run with several metrics has a table for each, the accuracy first."""
    run = run_of()
    both = run.rows.vstack(run.rows.with_columns(metric=run.rows["metric"].str.replace("top1", "nll")))
    section = result_tables(replace(run, rows=both))
    [choice] = section.parts
    assert isinstance(choice, Choice)
    assert [option.title for option in choice.options] == [metric_of("top1").title, metric_of("nll").title]


def test_the_scatter_needs_a_group_of_each_kind():
    """Without data sets of the group `id` or of another one, no such section is shown."""
    assert shift_tradeoff(run_of(groups=dict.fromkeys(("clean", "noisy", "rotated"), "tasks"))) is None
    section = shift_tradeoff(run_of())
    [chart] = section.parts
    assert isinstance(chart, Chart)
    found = drawn.texts(chart.spec)
    assert "accuracy on clean" in found
    assert "mean accuracy on 2 data sets (ood)" in found


def test_the_curve_runs_from_the_base_to_the_tuned_model():
    """Interpolations are ordered by their coefficient, with the models at the ends; several models have no curve."""
    table = {f"wise-ft/{alpha}": {"clean": 0.5} for alpha in ("0.90", "0.10", "0.50")}
    models = {"individual/tuned": {"clean": 0.5}, "individual/base": {"clean": 0.5}}
    assert curve_of(run_of(table | models)) == [
        "individual/base",
        "wise-ft/0.10",
        "wise-ft/0.50",
        "wise-ft/0.90",
        "individual/tuned",
    ]
    assert curve_of(run_of(TABLE | models, models=("base", "tuned", "other"))) == []
    assert curve_of(run_of(models)) == []


def test_accuracies_by_data_set_need_labels():
    """Without accuracies the section is left out; with them its description names the best of each data set."""
    assert dataset_accuracies(run_of(metric="entropy")) is None
    [chart] = dataset_accuracies(run_of()).parts
    assert "noisy: best dawin/clusters-3, 66.0 %" in plain(chart.description)


def test_costs_are_those_of_the_rows():
    """The table of costs has each method's passes, and merged models over all data sets: one that serves all is one."""
    section = costs(run_of())
    chart, table = section.parts
    assert isinstance(chart, Chart)
    assert isinstance(table, Table)
    assert cells(table, "forward passes")["dawin/samples"].value == 3.0
    assert cells(table, "merged models")["dawin/clusters-3"].value == 9.0
    assert cells(table, "merged models")["wise-ft/0.50"].value == 1.0
    assert "device" not in [column.name for column in table.columns]


def test_without_labels_the_sections_promise_no_accuracy_and_no_best_value():
    """Without labels the table of costs has no column of accuracies, and no words promise marks of a best value."""
    run = run_of({"individual/base": {"clean": 0.3}, "dawin/samples": {"clean": 0.2}}, metric="entropy")
    section = costs(run)
    assert section.title == "Cost"
    assert "accuracy" not in [column.name for column in section.parts[-1].columns]
    assert "best" not in words_of(result_tables(run))
    assert "best value" in words_of(result_tables(run_of()))


def test_a_line_is_explained_only_where_it_is_drawn():
    """Without interpolations of two models' weights the words speak of no line that joins them."""
    assert "grey line" in words_of(shift_tradeoff(run_of()))
    without = {name: values for name, values in TABLE.items() if not name.startswith("wise-ft")}
    assert "line" not in words_of(shift_tradeoff(run_of(without)))


def test_published_numbers_stand_beside_the_measured_ones():
    """A difference is measured minus published, and the section exists only where numbers are published."""
    assert published_numbers(run_of()) is None
    run = run_of()
    rows = with_published(run.rows, {("individual/base", "clean"): 0.79, ("individual/tuned", "clean"): 0.95})
    section = published_numbers(replace(run, rows=rows))
    [table] = section.parts
    assert cells(table, "difference")["individual/base"].text == "+1.00"
    assert cells(table, "difference")["individual/tuned"].text == "−5.00"
    assert "1 of these lie inside" in words_of(section)


def test_provenance_says_how_to_have_the_numbers_again():
    """The commands name the experiment, the run and the store, and the settings are YAML."""
    section = provenance(run_of())
    texts = [part.text for part in section.parts if hasattr(part, "text")]
    assert any("dawin report digits --run r0123 --store memory://reported" in text for text in texts)
    assert any("expertise: entropy" in text for text in texts)
