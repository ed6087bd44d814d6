"""Comparisons as lines of words and numbers, which the text table and Markdown share."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from tabulate import tabulate

from flows.comparison.comparison import LEVEL, Against, ComparedDataset, Comparison, against
from flows.reports.summary import significant
from tasks.numerics.metrics.metric import Metric
from tasks.references.results import is_mean

NONE, TIED = "–", "≈"
_TESTS = {"mcnemar": "McNemar's exact test", "bootstrap": "paired bootstrap"}
HEAD = ("method", "value", "other", "difference", "95 % interval", "p", "corrected", "detectable")
"""Names of the columns; `other` is the value of the same method in another run."""


class Line(NamedTuple):
    """A method, as text in the columns of `HEAD`."""

    method: str
    value: str
    other: str
    difference: str
    interval: str
    p_value: str
    p_corrected: str
    detectable: str
    mark: str = ""
    """`≈` where the samples do not tell the method from the one that it is compared with."""
    is_reference: bool = False
    """Whether the lines below it are compared with this one."""
    uses_labels: bool = False


def lines_of(column: ComparedDataset, found: Comparison) -> Iterator[Line]:
    """Yield the lines of a data set or a mean: references, each above the methods that are compared with it.

    Args:
        column: one of the comparison's.
        found: the comparison.
    """
    if found.against_best:
        blocks = [column.with_best]
    elif _is_by_name(column, found):
        yield from (_line(against(row), column) for row in column.rows)
        return
    else:
        pairs = [against(row) for row in column.rows]
        references = [member for member in column.values if any(one.reference == member for one in pairs)]
        blocks = [[one for one in pairs if one.reference == member] for member in references]
    for block in blocks:
        if block:
            yield _reference(block[0], column, "best" if found.against_best else "reference", found)
        yield from (_line(one, column)._replace(other="") for one in block)


def _is_by_name(column: ComparedDataset, found: Comparison) -> bool:
    """Return whether each method is compared with the one of its name in another run, and with no other."""
    return found.other is not None and all(row["method_a"] == row["method_b"] for row in column.rows)


def has_other(found: Comparison) -> bool:
    """Return whether the lines have a value of the same method in another run."""
    return any(_is_by_name(column, found) for column in found.columns())


def _reference(one: Against, column: ComparedDataset, word: str, found: Comparison) -> Line:
    run = " (other)" if found.other else ""
    value = value_text(one.reference_value, column.metric)
    uses_labels = one.reference.method in column.labelled
    return Line(f"{one.reference.method}{run}", value, "", word, "", "", "", "", "", True, uses_labels)


def _line(one: Against, column: ComparedDataset) -> Line:
    metric = column.metric
    difference, interval = _numbers(one, metric)
    return Line(
        method=one.method.method,
        value=value_text(one.value, metric),
        other=value_text(one.reference_value, metric),
        difference=difference,
        interval=interval,
        p_value=p_text(one.p_value),
        p_corrected=p_text(one.p_corrected),
        detectable=NONE if one.detectable is None else significant(_scaled(one.detectable, metric)),
        mark=TIED if one.is_tied else "",
        uses_labels=one.method.method in column.labelled,
    )


def value_text(value: float, metric: Metric) -> str:
    """Return a value of a metric in three significant digits, fractions in percent."""
    return significant(_scaled(value, metric))


def p_text(p: float) -> str:
    """Return a p-value in three significant digits, and tiny ones as a bound.

    Example:
        >>> [p_text(p) for p in (1.0, 0.25, 0.01234, 0.000567, 1e-9)]
        ['1.00', '0.250', '0.0123', '0.000567', '<0.0001']
    """
    return "<0.0001" if p < 1e-4 else significant(p)


def unit_text(metric: Metric) -> str:
    """Return the unit of a metric's differences, in words; empty for a plain number."""
    return "percentage points" if metric.unit == "%" else metric.unit


def _scaled(value: float, metric: Metric) -> float:
    return 100.0 * value if metric.unit == "%" else value


def _decimals(number: float, metric: Metric) -> int:
    """Return the decimals with which a number has three significant digits; of percentage points two at most."""
    size = abs(_scaled(number, metric))
    wanted = 2 - math.floor(math.log10(size)) if size else 2
    return min(max(wanted, 0), 2 if metric.unit == "%" else 6)


def _signed(value: float | None, metric: Metric, digits: int) -> str:
    if value is None:
        return NONE
    text = f"{_scaled(value, metric):+.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("+-")


def _numbers(one: Against, metric: Metric) -> tuple[str, str]:
    """Return the difference and its interval: points with digits of their own, others with the decimals of all."""
    numbers = (one.difference, one.low, one.high)
    largest = max((abs(number) for number in numbers if number is not None), default=0.0)
    own = metric.unit == "%"
    texts = [_signed(number, metric, _decimals((number or 0.0) if own else largest, metric)) for number in numbers]
    return texts[0], NONE if one.low is None else f"{texts[1]} to {texts[2]}"


def title_of(column: ComparedDataset) -> str:
    """Return a data set or a mean in words, with its number of samples and its test."""
    name = column.dataset.replace("/", " ") if is_mean(column.dataset) else column.dataset
    return f"{name}: n = {column.samples:,}, {_TESTS[column.test]}"


def metric_text(metric: Metric) -> str:
    """Return a metric, its unit and its direction in words."""
    unit = f", {metric.unit}" if metric.unit else ""
    direction = "; lower is better" if metric.better == "lower" else ""
    points = f"; differences in {unit_text(metric)}" if metric.unit == "%" else ""
    return f"{metric.title}{unit}{direction}{points}"


def notes_of(found: Comparison) -> Iterator[str]:
    """Yield the sentences that explain a table, each short enough for a line of 100 columns."""
    count, run = len(found.rows), found.run
    if found.against_best:
        yield "difference: the method minus the best one of its data set, methods that use labels aside"
    elif found.other:
        yield f"difference: the method of {run} minus that of {found.other}"
    else:
        yield "difference: the method minus the reference above it"
    pairs = "all pairs of methods" if found.against_best else "all comparisons"
    yield f"corrected: p after Holm's correction over {pairs}, {count:,} in all"
    whom = "the best" if found.against_best else "the other"
    yield f"{TIED}: not distinguishable from {whom} (corrected p ≥ {LEVEL})"
    yield "detectable: the difference that so many samples show in 80 % of cases, before the correction"


def markdown_of(found: Comparison) -> str:
    """Return a comparison as Markdown: a table for each data set and metric, and notes."""
    parts, names = [], [name for name in HEAD if name != "other" or has_other(found)]
    for column in found.columns():
        rows = []
        for line in lines_of(column, found):
            cells = dict(zip(HEAD, line, strict=False))
            label = f"{cells['method']}{' (labels)' * line.uses_labels}"
            cells["method"] = f"**{label}**" if line.is_reference else label
            cells["corrected"] = f"{cells['corrected']} {line.mark}".strip()
            rows.append([cells[name] for name in names])
        align = ["left", *["right"] * (len(names) - 1)]
        table = tabulate(rows, headers=names, tablefmt="github", colalign=align, disable_numparse=True)
        parts.append(f"**{title_of(column)}**, {metric_text(column.metric)}\n\n{table}")
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in notes_of(found))])
