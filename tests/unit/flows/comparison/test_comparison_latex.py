"""Comparisons as LaTeX: the matrix of results, its marks and its footnote, and text that LaTeX can read."""

import re

import numpy as np
import pytest
from compared import column_of, comparison, correlated_errors

from flows.comparison.comparison_latex import escaped, latex_of
from tasks.evidence.compared import means_of

NAMES = ["individual/my_model", "wise-ft/0.50", "dawin/samples", "oracle/samples"]
RIGHT = correlated_errors(np.random.default_rng(3), 4, 1500)
RIGHT[0, :200] = False
RIGHT[2] = RIGHT[1]
RIGHT[2, np.flatnonzero(~RIGHT[2])[:4]] = True
RIGHT[3] |= RIGHT[2]
COLUMNS = [column_of(RIGHT, names=NAMES, dataset=name, group="ood", resamples=200) for name in ("clean_1", "noisy&co")]
TEXT = latex_of(comparison([*COLUMNS, *means_of(COLUMNS)], labelled=NAMES[3:]))


def well_formed(text):
    """Assert what LaTeX needs: closed groups and environments, escaped characters, equally many cells in all rows."""
    bare = text.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    begun = re.findall(r"\\(begin|end)\{(\w+)\}", text)
    open_ = []
    for word, name in begun:
        if word == "begin":
            open_.append(name)
        else:
            assert open_.pop() == name
    assert open_ == []
    assert re.sub(r"\\\$", "", text).count("$") % 2 == 0
    assert not re.search(r"(?<!\\)[#_%~]", re.sub(r"\$[^$]*\$", "", text))
    assert text.isascii()
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    width = len(re.search(r"\{tabular\}\{(l r*|lr*)\}", text)[1])
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {width - 1}


def row_of(text, method):
    """Return the cells of a method's row."""
    line = next(line for line in text.splitlines() if line.startswith(method))
    return [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))]


def test_the_table_is_text_that_latex_can_read():
    """Groups and environments are closed, special characters escaped, and all rows have the same number of cells."""
    well_formed(TEXT)
    assert r"clean\_1" in TEXT
    assert r"noisy\&co" in TEXT
    assert r"individual/my\_model" in TEXT


def test_the_best_is_bold_and_those_not_distinguishable_from_it_are_underlined():
    """The method with labels has a dagger, and neither mark."""
    assert all(cell.startswith(r"\textbf{") for cell in row_of(TEXT, "dawin/samples")[1:])
    assert all(cell.startswith(r"\underline{") for cell in row_of(TEXT, "wise-ft")[1:])
    assert all(re.fullmatch(r"[\d.]+", cell) for cell in row_of(TEXT, r"individual/my\_model")[1:])
    oracle = row_of(TEXT, "oracle")
    assert oracle[0].endswith(r"$^{\dagger}$")
    assert all(re.fullmatch(r"[\d.]+", cell) for cell in oracle[1:])


def test_the_footnote_says_tests_sizes_and_correction():
    """A reader of the paper needs no other source."""
    for part in (
        "McNemar's exact test",
        "paired bootstrap",
        "Samples: $1{,}500$ in each data set",
        "Holm's correction over 18 ",
    ):
        assert part in TEXT


def test_a_method_without_a_value_has_a_dash():
    """Columns may have different methods."""
    text = latex_of(comparison([COLUMNS[0], column_of(RIGHT[:2], names=NAMES[:2], dataset="small")]))
    assert row_of(text, "dawin/samples")[2] == "--"
    well_formed(text)


def test_two_runs_have_a_matrix_of_differences_with_the_clear_ones_in_bold():
    """Signs are part of the number, and the caption names both runs."""
    other = column_of(RIGHT[[1, 0]], names=["dawin/samples", "wise-ft/0.50"])
    mine = column_of(RIGHT[[2, 1]], names=["dawin/samples", "wise-ft/0.50"])
    from dataclasses import replace

    methods = [*mine.methods, *(replace(one, run="letters/r4567") for one in other.methods)]
    found = comparison(
        [replace(mine, methods=methods)], other="letters/r4567", pairs_of=lambda _: [(0, 2), (1, 3)], against_best=False
    )
    text = latex_of(found)
    well_formed(text)
    assert "digits/r0123 minus letters/r4567 (percentage points)" in text
    assert re.fullmatch(r"\$\+0\.\d+\$", row_of(text, "dawin")[1])
    assert re.fullmatch(r"\$\\mathbf\{\+\d+\.\d+\}\$", row_of(text, "wise-ft")[1])


@pytest.mark.parametrize("character", list("&%$#_{}~^\\<>|"))
def test_characters_with_a_meaning_are_escaped(character):
    """Each one alone, and beside others."""
    assert escaped(f"a{character}b") != f"a{character}b"
    assert escaped(character).startswith("\\")
