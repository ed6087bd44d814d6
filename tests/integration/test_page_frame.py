"""A page with every kind of part in Chromium: what it shows, does and requests, and how hostile names fare."""

import pytest
import sample_page
from chromium import needs_chromium
from page_checks import DRAWN, check_page

from flows.pages.frame.render import render

pytestmark = [needs_chromium, pytest.mark.xdist_group("chromium")]

_COLUMN = "Array.from(document.querySelectorAll('#results tbody tr'), r => r.cells[0].firstChild.textContent.trim())"
_SORTED = "document.querySelector('#results th[aria-sort]')?.getAttribute('aria-sort') ?? null"
_INK = "getComputedStyle(document.querySelector('.plot svg text')).fill"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The page, as a file."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(render(sample_page.page()))
    return path


def test_a_page_with_every_kind_of_part_keeps_the_promises_of_all_pages(tab, file, tmp_path):
    """Charts are drawn, axe finds nothing, nothing is requested or too wide, and all of it prints."""
    page = check_page(tab, file, tmp_path, "page", charts=3)
    assert page.evaluate("document.querySelectorAll('h1').length") == 1


def test_hostile_names_are_text_everywhere(tab, file):
    """No name becomes an element, an attribute or a script; the page shows each of them as it is."""
    page = tab().open(file, until=DRAWN)
    assert page.evaluate("document.title") == f"A page {sample_page.HOSTILE}"
    assert page.evaluate("document.querySelectorAll('[onerror], main img:not(.gallery img)').length") == 0
    words = page.evaluate("document.querySelector('#results .words:nth-of-type(2)').textContent")
    assert words == f"Another one is {sample_page.HOSTILE}."
    label = page.evaluate("document.querySelector('#choices select').selectedOptions[0].textContent")
    assert label == f"Data set 0 {sample_page.HOSTILE}"


def test_no_script_can_be_added_and_no_address_is_reached(tab, file):
    """The content security policy stops a script that was injected, an image and a request."""
    page = tab().open(file, until=DRAWN)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.broken=1\">')")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.broken=2'}))")
    assert page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'read', () => 'refused')") == "refused"
    page.settle()
    assert page.evaluate("window.broken ?? null") is None
    assert any("Content Security Policy" in fault for fault in page.faults)


def test_a_table_is_sorted_from_the_keyboard(tab, file):
    """Better values first, then worse ones, then the original order; a missing value stays last."""
    page = tab().open(file, until=DRAWN)
    original = page.evaluate(_COLUMN)
    page.evaluate("document.querySelector('#results thead th:nth-child(2) button').focus()")
    page.press("Enter")
    assert page.evaluate(_SORTED) == "descending"
    assert page.evaluate(_COLUMN)[:2] == ["oracle/samples", "dawin/clusters-3"]
    assert page.evaluate("document.getElementById('status').textContent") == "Sorted by clean %, descending"
    page.press("Space")
    assert page.evaluate(_SORTED) == "ascending"
    assert page.evaluate(_COLUMN)[-2:] == ["dawin/clusters-3", "oracle/samples"]
    page.press("Enter")
    assert page.evaluate(_SORTED) is None
    assert page.evaluate(_COLUMN) == original
    page.press("Tab", times=2)
    for direction in ("ascending", "descending"):
        page.press("Enter")
        assert page.evaluate(_SORTED) == direction
        assert page.evaluate(_COLUMN)[:2] == ["wise-ft/0.50", "oracle/samples"]  # a stable order; the rest have none


def test_the_button_changes_a_page_between_light_and_dark_with_its_charts(tab, file):
    """The page follows the system until the button is pressed; texts in charts change with it; paper is light."""
    page = tab(dark=True).open(file, until=DRAWN)
    dark = page.evaluate(_INK)
    pressed = "document.querySelector('.theme').getAttribute('aria-pressed')"
    assert page.evaluate(pressed) == "true"
    page.evaluate("document.querySelector('.theme').click()")
    light = page.evaluate(_INK)
    assert light != dark
    assert page.evaluate(pressed) == "false"
    page.evaluate("document.querySelector('.theme').click()")
    assert page.evaluate(_INK) == dark
    page.emulate(dark=True, media="print")
    assert page.evaluate(_INK) == light


def test_a_choice_shows_one_view_and_paper_all_of_them(tab, file):
    """Radio buttons for a few views, a list for many; each is under a heading of its own where all are shown."""
    page = tab().open(file, until=DRAWN)
    shown = "Array.from(document.querySelectorAll('#choices .option'), o => o.getClientRects().length > 0)"
    assert page.evaluate(shown) == [True, False, True, *[False] * 7]
    page.evaluate("document.querySelector('#choices input:checked').focus()")
    page.press("ArrowRight")
    assert page.evaluate(shown)[:2] == [False, True]
    page.evaluate(
        "{const s = document.querySelector('#choices select'); s.value = 3; s.dispatchEvent(new Event("
        "'change', {bubbles: true}))}"
    )
    assert page.evaluate(shown)[2:] == [i == 3 for i in range(8)]
    page.emulate(media="print")
    assert all(page.evaluate(shown))


def test_a_sentence_about_a_cell_is_reached_from_the_keyboard(tab, file):
    """It appears on the focus and goes with Escape; a screen reader reads it as a part of the cell."""
    page = tab().open(file, until=DRAWN)
    page.evaluate("document.querySelector('button.hint').focus()")
    assert page.evaluate("document.getElementById('hint-text').checkVisibility()")
    assert page.evaluate("document.getElementById('hint-text').textContent") == "Measured on one core."
    page.press("Escape")
    assert not page.evaluate("document.getElementById('hint-text').checkVisibility()")
    assert "Measured on one core." in page.evaluate("document.querySelector('button.hint').textContent")
