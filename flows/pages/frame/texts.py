"""Texts inside a page: words with code and bold type, and intervals in the unit of their column."""

import re

from markupsafe import Markup, escape

from flows.pages.parts import Cell, Column
from flows.reports.summary import significant

_MARKED = re.compile(r"\*\*(.+?)\*\*|`([^`]+)`")
_LONGEST = 24  # characters of a word that no line breaks
_WORDS = re.compile(r" +|[^ /]+/?|/")


def marked_up(text: str) -> Markup:
    """Return a text as HTML: escaped, with code between backticks and bold type between pairs of asterisks.

    Example:
        >>> str(marked_up("**2** runs of `a<b`"))
        '<strong>2</strong> runs of <code class="whole">a&lt;b</code>'
    """
    parts, end = [], 0
    for found in _MARKED.finditer(text):
        bold, code = found.groups()
        wanted = Markup("<strong>{}</strong>").format(marked_up(bold)) if bold else _code(code)
        parts += [escape(text[end : found.start()]), wanted]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])]).replace(" %", "\N{NO-BREAK SPACE}%")


def _code(text: str) -> Markup:
    return Markup('<code class="whole">{}</code>' if len(text) <= _LONGEST else "<code>{}</code>").format(text)


def breakable(text: str) -> Markup:
    """Return a name as HTML that a browser breaks at blanks and after slashes, and nowhere else.

    Example:
        >>> str(breakable("wise-ft/0.50"))
        '<span class="whole">wise-ft/</span><wbr><span class="whole">0.50</span>'
    """
    words = [escape(word) if word.isspace() else _whole(word) for word in _WORDS.findall(text)]
    return Markup("<wbr>").join(words)


def _whole(word: str) -> Markup:
    return Markup('<span class="whole">{}</span>').format(word) if len(word) <= _LONGEST else escape(word)


def interval(cell: Cell, column: Column) -> str:
    """Return the 95 % interval of a cell as text; empty without one.

    Example:
        >>> interval(Cell(text="80.1", low=78.26, high=82), Column(name="top-1", unit="%"))
        '78.3–82.0'
        >>> interval(Cell(text="-1.2", low=-2.5, high=0.76), Column(name="difference", digits=1))
        '−2.5 to 0.8'
    """
    if cell.low is None or cell.high is None:
        return ""
    low, high = (_number(end, column.digits) for end in (cell.low, cell.high))
    return f"{low} to {high}" if cell.low < 0 else f"{low}–{high}"


def _number(value: float, digits: int | None) -> str:
    text = significant(value) if digits is None else f"{value:.{digits}f}"
    return text.replace("-", "−")
