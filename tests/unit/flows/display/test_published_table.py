"""The table of published numbers as text, on consoles of several widths."""

import io

import pytest
from result_rows import result_rows, with_published
from rich.console import Console

from flows.display.published_table import print_published

ROWS = result_rows({"uniform-soup": {"clean": 0.80, "noisy": 0.47}, "ties/0.30": {"clean": 0.9, "noisy": 0.5}})
PUBLISHED = with_published(ROWS, {("uniform-soup", "clean"): 0.79, ("uniform-soup", "noisy"): 0.7})


def printed(rows, width=100, metric="top1"):
    stream = io.StringIO()
    print_published(Console(file=stream, width=width), rows, metric)
    return stream.getvalue().splitlines()


def test_the_table_names_methods_data_sets_and_both_numbers():
    """A title, a header, a rule, a row for each number, the caveat and the source."""
    blank, title, header, _, first, second, caveat, source = printed(PUBLISHED)
    assert blank == ""
    assert title == "published and measured top-1 accuracy, %"
    assert header.split()[:4] == ["method", "data", "set", "published"]
    assert first.split() == ["uniform-soup", "clean", "79.00", "80.00", "+1.00", "−1.00", "to", "+3.00", "yes"]
    assert second.split()[-1] == "no"
    assert caveat.startswith("difference: measured − published")
    assert source == "published: a paper"


@pytest.mark.parametrize(
    ("width", "left_out"), [(100, []), (70, ["95 % interval"]), (60, ["95 % interval", "difference"])]
)
def test_columns_that_do_not_fit_are_left_out(width, left_out):
    """The interval first, then the difference; both numbers and the verdict stay on every console."""
    lines = printed(PUBLISHED, width)
    assert max(map(len, lines)) <= width
    header = lines[2]
    assert [name for name in ("95 % interval", "difference") if name not in header] == left_out
    assert all(name in header for name in ("published", "measured", "inside"))


def test_nothing_is_printed_without_published_numbers():
    """Not even an empty line."""
    assert printed(PUBLISHED.filter(method="ties/0.30")) == []


def test_numbers_of_another_metric_are_pointed_to():
    """The table above shows one metric; the option for the other one is named."""
    assert printed(PUBLISHED, metric="top5") == ["--metric top1 shows published numbers of other metrics"]
