"""A page as one HTML file, which a browser opens from disk and which requests nothing from any network."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib import resources
from itertools import count

from jinja2 import Environment, FunctionLoader, StrictUndefined

from flows.pages.frame.inlined import as_data, as_image, hash_of, vega_runtime
from flows.pages.frame.texts import breakable, interval, marked_up
from flows.pages.parts import Chart, Choice, Page, Part, Table


def render(page: Page) -> str:
    """Return a page as HTML.

    The file holds everything that it shows: style, script, pictures, and the Vega runtime (0.9 MB) where a chart needs
    it. Its content security policy forbids requests, and scripts other than these two. All texts of the page are
    escaped.

    Args:
        page: the parts of the page.

    Example:
        >>> text = render(Page(title="A <page>", subtitle="", sections=(), footer=""))
        >>> "<title>A &lt;page&gt;</title>" in text
        True
    """
    charts = any(_has_chart(part) for section in page.sections for part in section.parts)
    script, runtime = package_text("page.js"), vega_runtime() if charts else ""
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            style=package_text("style.css"),
            script=script,
            runtime=runtime,
            hashes=[hash_of(text) for text in (script, runtime) if text],
            number=count(1).__next__,
            unique=_unique_labels(),
        )
    )


def package_text(name: str) -> str:
    """Return a file of this package: `page.html`, `parts.html`, `style.css` or `page.js`.

    Raises:
        FileNotFoundError: the package holds no such file.
    """
    return resources.files("flows.pages.frame").joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(package_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"marked_up": marked_up, "as_data": as_data, "as_image": as_image, "interval": interval}
    made.filters |= {"breakable": breakable, "kind": lambda part: type(part).__name__, "marks": _marks}
    return made


def _unique_labels() -> Callable[[str], str]:
    """Return a function that numbers the labels that it has returned before: regions of a page have different ones."""
    seen = Counter[str]()

    def unique(label: str) -> str:
        seen[label] += 1
        return label if seen[label] == 1 else f"{label} ({seen[label]})"

    return unique


def _has_chart(part: Part) -> bool:
    if isinstance(part, Choice):
        return any(_has_chart(inner) for option in part.options for inner in option.parts)
    return isinstance(part, Chart)


def _marks(table: Table) -> set[str]:
    """Return the marks that occur in a table, for its legend; `interval` where a cell has one."""
    cells = [cell for row in table.rows for cell in row]
    return {cell.mark for cell in cells if cell.mark} | {"interval" for cell in cells if cell.low is not None}
