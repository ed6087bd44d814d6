"""The report of a finished run in Chromium: every chart is drawn, nothing is requested, and everybody can read it."""

from pathlib import Path

import pytest
from chromium import needs_chromium
from page_checks import DRAWN, check_page

from flows.cli import main

pytestmark = [
    needs_chromium,
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("prefect_api"),
    pytest.mark.slow,
]

_NUMBERS = "Array.from({table}.tBodies[0].rows, r => Number(r.cells[1].dataset.value))"
_RESULTS = "document.querySelector('#results table')"
_MOST = 5_000_000  # bytes


@pytest.fixture(scope="module")
def report(example, tmp_path_factory):
    """The report of the example, as a file."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert main(["report", "tiny", "--store", example[2], "-o", str(path)]) == 0
    return path


def test_the_report_keeps_the_promises_of_all_pages(tab, report, tmp_path):
    """Light and dark, wide and narrow: every chart drawn, axe without a violation, no request, all of it on paper."""
    page = check_page(tab, report, tmp_path, "report", charts=8)
    titles = page.evaluate("Array.from(document.querySelectorAll('main h2'), h => h.textContent)")
    assert len(titles) == len(set(titles)) >= 8
    assert report.stat().st_size < _MOST


def test_every_chart_has_a_title_and_a_text_that_describes_it(tab, report):
    """A reader who does not see the charts gets a name and a description for each."""
    page = tab().open(report, until=DRAWN)
    named = page.evaluate(
        "Array.from(document.querySelectorAll('.plot'), p => ['labelledby', 'describedby'].map(name =>"
        " document.getElementById(p.getAttribute(`aria-${name}`)).textContent.trim().length))"
    )
    assert all(title > 0 and description > 20 for title, description in named)


def test_the_table_of_results_is_sorted_from_the_keyboard(tab, report):
    """The first press puts the best method first."""
    page = tab().open(report, until=DRAWN)
    page.evaluate(f"{_RESULTS}.tHead.rows[0].cells[1].querySelector('button').focus()")
    page.press("Enter")
    numbers = page.evaluate(_NUMBERS.format(table=_RESULTS))
    assert len(set(numbers)) > 1
    assert numbers == sorted(numbers, reverse=True)
    assert page.faults == []


def test_the_report_beside_the_results_is_the_same_page(tab, example, report):
    """The page that every run writes into the store opens alike."""
    (stored,) = Path(example[2]).glob("results/experiment=tiny/run_id=*/report.html")
    page = tab().open(stored, until=DRAWN)
    other = tab().open(report, until=DRAWN)
    charts = "document.querySelectorAll('.plot svg').length"
    assert page.evaluate(charts) == other.evaluate(charts) > 0
    assert (page.faults, page.requests) == ([], [])
