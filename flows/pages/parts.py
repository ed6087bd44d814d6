"""The parts of a page: what the contents of a report produce, and the frame turns into HTML.

All texts are plain text, which the frame escapes. In `words`, `Note.text` and `Picture.caption`, a text between
backticks is shown as code and a text between two pairs of asterisks in bold; no other markup exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Mark = Literal["best", "tied"]
"""The best value of its column, or one that is not distinguishable from the best."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table."""

    name: str
    """As its heading shows it."""
    kind: Literal["text", "number"] = "text"
    """Numbers are aligned on the right and sorted by value, texts on the left and by their letters."""
    unit: str = ""
    """Of all numbers of the column, such as `%`; empty where they have none."""
    digits: int | None = None
    """Decimal places of `Cell.low` and `Cell.high` where the frame shows them; None: three significant digits."""
    better: Literal["higher", "lower"] | None = None
    """The first direction in which the column is sorted: the better values come first."""
    help: str = ""
    """A sentence that explains the column."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table."""

    text: str
    """As it is shown; empty for a value that does not exist."""
    value: float | str | None = None
    """By which the column is sorted, in the column's unit; None: by the text. Cells without any come last."""
    mark: Mark | None = None
    low: float | None = None
    """Lower end of the value's 95 % interval, in the column's unit."""
    high: float | None = None
    """Upper end of the value's 95 % interval, in the column's unit."""
    detail: str = ""
    """A small text behind the text, such as `± 0.4` or `uses labels`."""
    title: str = ""
    """A sentence about the cell, for a tooltip that also a screen reader and a keyboard reach."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose columns can be sorted."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    """Of as many cells as there are columns; the first cell is the heading of its row."""
    highlighted: frozenset[int] = frozenset()
    """The positions of rows that stand out, such as those of DaWin."""
    is_sortable: bool = True


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A Vega-Lite chart.

    The specification sets no colour of background or text and no font: the frame's configuration does, once for light
    and once for dark. It is at most 880 pixels wide. It may name these styles, which the configuration defines for
    either: `label` (a text inside the chart), `quiet` (a text of less weight) and `reference` (a line that helps the
    eye, such as a diagonal). Colours of marks are in the specification, and readable on light and on dark.
    """

    title: str
    description: str
    """A sentence or more that says what the chart shows to somebody who does not see it."""
    spec: Mapping[str, Any]
    table: Table | None = None
    """The same numbers as text, for a reader who does not see the chart; the frame folds it away."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line below a picture."""

    label: str
    text: str
    mark: Literal["right", "wrong"] | None = None
    """Whether a prediction is right; the frame shows it by more than a colour."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A small picture with its caption."""

    content: bytes
    media_type: Literal["image/png", "image/jpeg", "image/webp"]
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    alternative: str
    """A text in place of the picture."""
    caption: str
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures side by side, under a heading of their own."""

    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Pairs of a name and a text, in the order of reading."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Code:
    """Lines that somebody may copy, such as commands or settings."""

    text: str
    title: str = ""
    is_folded: bool = False
    """Whether a reader opens it first; for long ones."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """A sentence that stands out."""

    text: str
    kind: Literal["information", "warning"] = "information"


@dataclass(frozen=True, kw_only=True)
class Option:
    """One of several views of which a reader sees one at a time."""

    title: str
    parts: tuple["Part", ...]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Several views, such as one for each metric, of which a reader chooses one; the first one is shown at first.

    On paper and without scripts all of them are shown, each below its title.
    """

    label: str
    """Names the choice, such as `Metric`."""
    options: tuple[Option, ...]


Part = Chart | Table | Gallery | Facts | Code | Note | Choice


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of a page, which has an entry in the page's list of contents."""

    id: str
    """Unique in the page: lower-case letters, digits and hyphens."""
    title: str
    words: tuple[str, ...] = ()
    """Paragraphs before the parts."""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    footer: str
