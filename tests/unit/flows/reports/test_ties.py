"""Ties: which values of the short table the samples do not tell from the best one, and how they are marked."""

import io

import numpy as np
import pytest
from compared import column_of
from result_rows import result_rows
from rich.console import Console
from statsmodels.stats.multitest import multipletests

from flows.display.results_table import print_results
from flows.reports.summary import summary_of
from flows.reports.ties import PairTests, pair_tests
from storage.store import Store
from tasks.evidence.compared import means_of
from tasks.evidence.comparisons import compare, request_of, write_comparisons

NAMES = ["individual/base", "individual/tuned", "wise-ft/0.50", "dawin/samples", "oracle/samples"]
GROUPS = {"clean": "id", "noisy": "ood", "rotated": "ood"}
SAMPLES = 400


def column(dataset, hits):
    """Return methods of nested right samples: the first so many are right."""
    right = np.arange(SAMPLES) < np.array(hits)[:, None]
    return column_of(right, names=NAMES, dataset=dataset, group=GROUPS[dataset], resamples=200)


# clean: the third is a tie of the second; noisy: the fourth is far ahead; rotated: all show the same number
HITS = {"clean": (300, 380, 378, 340, 390), "noisy": (300, 310, 312, 350, 390), "rotated": (360,) * 5}
COLUMNS = [column(dataset, hits) for dataset, hits in HITS.items()]
ROWS = result_rows(
    {name: {dataset: hits[i] / SAMPLES for dataset, hits in HITS.items()} for i, name in enumerate(NAMES)},
    groups=GROUPS,
    samples=SAMPLES,
    labelled=NAMES[4:],
)


@pytest.fixture
def store(memory):
    """A store with the comparisons of the run whose rows these are."""
    opened = Store(memory)
    rows = compare([*COLUMNS, *means_of(COLUMNS)])
    write_comparisons(opened, "digits", "r0123", request_of(), rows)
    return opened


def marks(store, **options):
    """Return the methods that are best and those that are tied, by column."""
    tests = pair_tests(store, "digits", "r0123", "top1")
    summary = summary_of(ROWS, all_rows=True, tests=tests, **options)
    return summary, {
        column.name: [
            {row.method for row in summary.rows if row.figures[i] and getattr(row.figures[i], word)}
            for word in ("is_best", "is_tied")
        ]
        for i, column in enumerate(summary.columns)
    }


def test_a_value_that_the_samples_do_not_tell_from_the_best_is_tied(store):
    """On each data set by its own best; methods with labels have no marks."""
    _, found = marks(store)
    assert found["clean"] == [{"individual/tuned"}, {"wise-ft/0.50"}]
    assert found["noisy"] == [{"dawin/samples"}, set()]


def test_where_all_rows_show_the_same_number_no_value_is_marked(store):
    """No row is better than another."""
    assert marks(store)[1]["rotated"] == [set(), set()]


def test_means_have_ties_of_their_own(store):
    """Their rows of results have the name of the mean."""
    assert marks(store)[1]["mean ood"] == [{"dawin/samples"}, set()]


def test_the_correction_counts_the_pairs_of_the_rows_without_labels_in_all_columns(store):
    """Four methods have six pairs, in four columns."""
    assert marks(store)[0].tests == 6 * 4
    rows = compare(COLUMNS)
    pairs = PairTests({(frozenset((r["method_a"], r["method_b"])), r["dataset"]): r["p_value"] for r in rows})
    ties = pairs.ties(NAMES[:3], ["clean", "noisy"])
    mine = [r for r in rows if {r["method_a"], r["method_b"]} <= {*NAMES[:3]} and r["dataset"] != "rotated"]
    corrected = multipletests([r["p_value"] for r in mine], method="holm")[1]
    assert ties.tests == len(mine) == 6
    for row, p in zip(mine, corrected, strict=True):
        assert ties.are_tied(row["method_b"], row["method_a"], row["dataset"]) == (p >= 0.05)


def test_a_pair_that_was_not_tested_is_no_tie(store):
    """Nothing is known about it."""
    ties = pair_tests(store, "digits", "r0123", "top1").ties(NAMES, ["clean"])
    assert not ties.are_tied("individual/tuned", "uniform-soup", "clean")
    assert not ties.are_tied("individual/tuned", "wise-ft/0.50", "noisy")


def test_a_run_without_comparisons_has_a_table_without_ties(memory):
    """A store of an earlier run, or another metric."""
    assert pair_tests(Store(memory), "digits", "r0123", "top1") is None
    summary = summary_of(ROWS)
    assert summary.tests == 0
    assert not any(figure and figure.is_tied for row in summary.rows for figure in row.figures)


def test_damaged_comparisons_count_as_none(store):
    """The table of results is shown all the same."""
    (key,) = (key for key in store.keys("comparisons") if key.endswith(".parquet"))
    store.replace(key, b"torn")
    assert pair_tests(store, "digits", "r0123", "top1") is None


def printed(store, *, terminal):
    """Return the lines of the table of results."""
    stream = io.StringIO()
    color = "standard" if terminal else None
    print_results(Console(file=stream, width=100, force_terminal=terminal, color_system=color), ROWS, store)
    return stream.getvalue().splitlines()


def test_ties_are_underlined_on_a_terminal_and_have_a_tilde_elsewhere(store):
    """The line below names the tests and the correction."""
    assert any("\x1b[4m94.5\x1b[0m" in line for line in printed(store, terminal=True))
    lines = printed(store, terminal=False)
    (row,) = (line for line in lines if line.startswith("wise-ft/0.50"))
    assert "±2.0~" in row
    assert "~: not distinguishable from the best (exact McNemar, means: bootstrap; Holm, 24 pairs)" in lines
    assert not any("~" in line for line in lines if line.startswith("oracle/"))
    assert "\x1b" not in "".join(lines)
