"""The promises of every page that the project writes, checked in a browser."""

import os
from pathlib import Path

import pypdf

DRAWN = "document.documentElement.dataset.charts === 'drawn'"
_CHARTS = "Array.from(document.querySelectorAll('.plot'), p => p.querySelectorAll('svg path, svg rect').length)"
_OUTSIDE = """Array.from(document.querySelectorAll('body *'), e => [e, e.getBoundingClientRect()])
    .filter(([e, r]) => r.right > innerWidth + 1 && r.width > 1 && !e.closest('.scroll') && !e.closest('.unseen'))
    .map(([e]) => e.outerHTML.slice(0, 80))"""
_LONG = r"""Array.from(document.querySelectorAll('main :is(th, td, p, dd, figcaption, text)'), e => e.textContent)
    .filter(text => /(^|\s)[-−+]?\d*\.\d{7,}(\s|%|$)/.test(text))"""


def check_page(tab, path, folder, name, *, charts):
    """Open a page light and dark, wide and narrow; check it, keep pictures of it and its PDF, return the wide tab.

    Args:
        tab: the fixture of that name.
        path: the page.
        folder: for pictures, unless DAWIN_SCREENSHOTS names another one.
        name: of the pictures.
        charts: how many charts the page holds at least.
    """
    kept = Path(os.environ.get("DAWIN_SCREENSHOTS", folder))
    wide = None
    for dark in (True, False):
        for width in (360, 1400):
            page = tab(width=width, dark=dark).open(path, until=DRAWN)
            drawn = page.evaluate(_CHARTS)
            assert len(drawn) >= charts
            assert all(marks > 0 for marks in drawn)
            if dark == (width > 1000):  # axe takes seconds: both themes, and both widths
                assert page.violations() == []
            assert page.evaluate(_OUTSIDE) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(_LONG) == []
            page.picture(kept / f"{name}-{'dark' if dark else 'light'}-{width}.png")
            assert (page.faults, page.requests) == ([], [])
            wide = page
    wide.pdf(kept / f"{name}.pdf")
    sheets = pypdf.PdfReader(kept / f"{name}.pdf").pages
    assert wide.evaluate("document.querySelector('h1').textContent") in " ".join(sheets[0].extract_text().split())
    assert all(sheet.extract_text().strip() or sheet.images for sheet in sheets)
    return wide
