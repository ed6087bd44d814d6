"""The best method of each column, the methods that may be as good, and their forms as text, Markdown and documents."""

import csv
import io
import json

import numpy as np
import pytest
from compared import column_of, comparison, correlated_errors
from rich.console import Console

from flows.comparison.comparison import against
from flows.comparison.comparison_document import compare_document, csv_of
from flows.comparison.comparison_lines import markdown_of
from flows.display.comparison_table import print_comparison
from flows.reports.json_models import DOCUMENTS
from storage.schemas import COMPARISONS
from tasks.evidence.compared import means_of

NAMES = ["individual/base", "individual/tuned", "wise-ft/0.50", "dawin/samples", "oracle/samples"]


def right_samples(samples=1500):
    """Return five methods: the first bad, the fourth slightly above the third, the fifth with labels."""
    right = correlated_errors(np.random.default_rng(3), 5, samples)
    right[0, :200], right[1, 200:320] = False, False
    right[3] = right[2]
    right[3, np.flatnonzero(~right[3])[:4]] = True
    right[4] |= right[3] | right[1]
    return right


RIGHT = right_samples()
COLUMNS = [
    column_of(RIGHT, names=NAMES, dataset=name, group=group, resamples=200)
    for name, group in (("clean", "id"), ("noisy", "ood"), ("rotated", "ood"))
]
FOUND = comparison([*COLUMNS, *means_of(COLUMNS)], labelled=NAMES[4:])


def printed(found, *, width=100, terminal=False):
    """Return the lines of the text table."""
    stream = io.StringIO()
    color = "standard" if terminal else None
    print_comparison(Console(file=stream, width=width, force_terminal=terminal, color_system=color), found)
    return stream.getvalue().splitlines()


def test_a_method_that_uses_labels_is_never_the_best_and_never_tied_with_it():
    """It is compared all the same."""
    column = next(FOUND.columns())
    assert max(column.values.values()) == column.values["oracle/samples", "digits/r0123"]
    assert column.best.method == "dawin/samples"
    assert "wise-ft/0.50" in column.tied
    assert "oracle/samples" not in column.tied
    assert any(one.method.method == "oracle/samples" for one in column.with_best)


def test_the_best_by_a_metric_of_which_less_is_better_has_the_lowest_value():
    """The direction is the metric's."""
    loss = column_of(1.0 - RIGHT.astype(float), names=NAMES, metric="nll", resamples=100)
    (column,) = comparison([loss], labelled=NAMES[4:], metrics=("nll",)).columns()
    assert column.best.method == "dawin/samples"


def test_a_row_can_be_read_from_either_side():
    """The sign, the interval and the values turn with it; p stays."""
    row = FOUND.rows[0]
    one, other = against(row), against(row, against(row).method)
    assert (one.method, one.value) == (other.reference, other.reference_value)
    assert (one.difference, one.low, one.high) == (-other.difference, -other.high, -other.low)
    assert one.p_corrected == other.p_corrected


def test_the_document_names_the_best_and_holds_all_pairs():
    """It is that of the command's schema, in JSON without NaN."""
    document = compare_document(FOUND)
    found = DOCUMENTS["compare"].model_validate(json.loads(document.model_dump_json()))
    assert found.tests == len(found.comparisons) == 5 * 10
    assert [column.dataset for column in found.columns] == ["clean", "noisy", "rotated", "mean/ood", "mean/all"]
    assert {column.best for column in found.columns} == {"dawin/samples"}


def test_csv_has_the_columns_of_the_table_in_the_store():
    """One row for each pair, all digits."""
    rows = list(csv.DictReader(io.StringIO(csv_of(FOUND))))
    assert list(rows[0]) == COMPARISONS.arrow({}).names
    assert [float(row["p_corrected"]) for row in rows] == [row["p_corrected"] for row in FOUND.rows]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_text_is_no_wider_than_a_hundred_columns_or_the_terminal(width):
    """Every line but the address of the table, also with long names."""
    long = [f"adamerging/layer-wise-of-a-long-name-{i}" for i in range(5)]
    for found in (FOUND, comparison([column_of(RIGHT, names=long)], against_best=False)):
        assert max(map(len, printed(found, width=width)[:-1])) <= min(width, 100)


def test_a_narrow_terminal_has_fewer_columns_and_no_note_on_those_that_it_has_not():
    """The smallest difference goes first; names and differences stay."""
    for width, is_shown in ((70, False), (100, True)):
        assert any("detectable" in line for line in printed(FOUND, width=width)) is is_shown
        assert any("difference" in line and "corrected" in line for line in printed(FOUND, width=width))


def test_the_text_has_the_best_above_the_others_with_their_differences_to_it():
    """The closest comes first; ties are marked and explained."""
    lines = printed(FOUND)
    assert lines[0] == "top-1 accuracy, %; differences in percentage points"
    assert lines[2] == "clean: n = 1,500, McNemar's exact test"
    assert lines[3].split()[0] == "dawin/samples"
    assert lines[3].split()[-1] == "best"
    tied = next(line for line in lines if line.startswith("  wise-ft/0.50"))
    value, difference, low, _, high = tied.split()[1:6]
    assert float(low.replace("−", "-")) < float(difference.replace("−", "-")) < float(high.replace("−", "-"))
    assert float(value) == pytest.approx(100 * RIGHT[2].mean(), abs=0.05)
    assert tied.endswith("≈")
    assert not next(line for line in lines if line.startswith("  individual/base")).endswith("≈")
    assert any(line.startswith("≈: not distinguishable from the best") for line in lines)
    assert any("all pairs of methods, 50 in all" in line for line in lines)
    assert lines[-1] == "table: memory://store/comparisons.parquet"


def test_named_methods_are_compared_in_pairs_below_their_references():
    """Each reference has a line of its own; the difference has the sign of the stored row."""
    found = comparison([column_of(RIGHT[:3], names=NAMES[:3])], against_best=False)
    lines = printed(found)[2:8]
    assert [line.split()[0] for line in lines[1:]] == [NAMES[1], NAMES[0], NAMES[2], NAMES[0], NAMES[1]]
    assert ["reference" in line for line in lines[1:]] == [True, False, True, False, False]
    assert lines[2].split()[2].startswith("−")


def test_a_table_that_was_not_kept_says_so():
    """A store that cannot be written still gives the comparison."""
    from dataclasses import replace

    assert printed(replace(FOUND, table=None))[-1] == "the store cannot be written, so the table was not kept"


def test_on_a_terminal_the_reference_is_bold_and_elsewhere_no_line_has_a_control_character():
    """Lines with labels are dim."""
    terminal = printed(FOUND, terminal=True)
    assert any("\x1b[1m" in line and "dawin/samples" in line for line in terminal)
    assert any("\x1b[2m" in line and "oracle/samples (labels)" in line for line in terminal)
    assert "\x1b" not in "".join(printed(FOUND))


def test_markdown_has_a_table_for_each_column_with_the_best_in_bold():
    """Every row has as many cells as the header."""
    text = markdown_of(FOUND)
    assert text.count("**dawin/samples**") == 5
    tables = [part for part in text.split("\n\n") if part.startswith("|")]
    assert all(len({line.count("|") for line in table.splitlines()}) == 1 for table in tables)
    assert "**clean: n = 1,500, McNemar's exact test**" in text
