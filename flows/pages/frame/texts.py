"""Texts inside a page: words with code and bold type, and intervals in the unit of their column."""

import re

from markupsafe import Markup, escape

from flows.pages.parts import Cell, Column
from flows.reports.summary import significant

_MARKED = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


def marked_up(text: str) -> Markup:
    """Return a text as HTML: escaped, with code between backticks and bold type between pairs of asterisks.

    Example:
        >>> str(marked_up("**2** runs of `a<b`"))
        '<strong>2</strong> runs of <code>a&lt;b</code>'
    """
    parts, end = [], 0
    for found in _MARKED.finditer(text):
        code, bold = found.groups()
        wanted = Markup("<code>{}</code>").format(code) if code else Markup("<strong>{}</strong>").format(bold)
        parts += [escape(text[end : found.start()]), wanted]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def breakable(text: str) -> Markup:
    """Return a name as HTML that a browser may break after each slash.

    Example:
        >>> str(breakable("wise-ft/0.50"))
        'wise-ft/<wbr>0.50'
    """
    return Markup("/<wbr>").join(escape(part) for part in text.split("/"))


def interval(cell: Cell, column: Column) -> str:
    """Return the 95 % interval of a cell as text; empty without one.

    Example:
        >>> interval(Cell(text="80.1", low=78.25, high=82), Column(name="top-1", unit="%"))
        '78.3–82.0'
        >>> interval(Cell(text="-1.2", low=-2.5, high=0.75), Column(name="difference", digits=1))
        '−2.5 to 0.8'
    """
    if cell.low is None or cell.high is None:
        return ""
    low, high = (_number(end, column.digits) for end in (cell.low, cell.high))
    return f"{low} to {high}" if cell.low < 0 else f"{low}–{high}"


def _number(value: float, digits: int | None) -> str:
    text = significant(value) if digits is None else f"{value:.{digits}f}"
    return text.replace("-", "−")
