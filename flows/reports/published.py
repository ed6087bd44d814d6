"""Published numbers beside measured ones: data for tables, pages and charts."""

from typing import Any

import polars as pl
from tabulate import tabulate

from tasks.numerics.metrics.registry import metric_of

CAVEAT = "difference: measured − published; inside: in the measured interval; published errors are unknown"
"""The sentence that belongs below every table of these rows."""

NUMBERS = ("published", "measured", "difference", "95 % interval")
"""Columns of the table for readers that hold numbers, which belong to the right."""

_NONE = "–"


def published_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each published number, with the value measured for the same method, data set and metric.

    Args:
        rows: results, as from `flows.reports.tables.results_of`.

    Returns:
        Columns `method`, `dataset`, `metric`, `published`, `measured`, `difference` (measured − published), `ci_low`
        and `ci_high` (95 % interval of the difference: that of the measured value, less the published one; the sampling
        error of a published number is unknown), `inside` (whether the published value lies in the measured interval;
        null without one) and `source`, method by method. Shares of samples are fractions.
    """
    found = rows.filter(pl.col("published").is_not_null())
    published, methods = pl.col("published"), pl.Enum(found["method"].unique(maintain_order=True))
    return found.sort(pl.col("method").cast(methods), maintain_order=True).select(
        "method",
        "dataset",
        "metric",
        published,
        measured=pl.col("value"),
        difference=pl.col("value") - published,
        ci_low=pl.col("ci_low") - published,
        ci_high=pl.col("ci_high") - published,
        inside=(pl.col("ci_low") <= published) & (published <= pl.col("ci_high")),
        source=pl.col("published_source"),
    )


def published_table(rows: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return the published numbers of one metric as a table for readers: shares in percent, intervals in words.

    Args:
        rows: as from `published_rows`.
        metric: name of the metric.

    Returns:
        Columns `method`, `data set`, `published`, `measured`, `difference`, `95 % interval` and `inside`, all of them
        text.
    """
    chosen = [_words(row, metric) for row in rows.filter(metric=metric).iter_rows(named=True)]
    return pl.DataFrame(chosen, schema=dict.fromkeys(("method", "data set", *NUMBERS, "inside"), pl.String))


def _words(row: dict[str, Any], metric: str) -> dict[str, str]:
    """Return a row of the table for readers."""
    low, high = (published_figure(row[end], metric, signed=True) for end in ("ci_low", "ci_high"))
    return {
        "method": row["method"],
        "data set": row["dataset"],
        "published": published_figure(row["published"], metric),
        "measured": published_figure(row["measured"], metric),
        "difference": published_figure(row["difference"], metric, signed=True),
        "95 % interval": _NONE if row["ci_low"] is None else f"{low} to {high}",
        "inside": {True: "yes", False: "no", None: _NONE}[row["inside"]],
    }


def published_figure(value: float | None, metric: str, *, signed: bool = False) -> str:
    """Return a value as papers print it: a share in percent with two decimals, others with four; a dash for None.

    Args:
        value: as results store it.
        metric: name of the metric.
        signed: whether a positive value has its sign, as differences do.

    Example:
        >>> published_figure(0.7997, "top1"), published_figure(-0.007, "top1", signed=True)
        ('79.97', '−0.70')
    """
    if value is None:
        return _NONE
    text = f"{abs(100 * value):.2f}" if metric_of(metric).unit == "%" else f"{abs(value):.4f}"
    sign = "" if not float(text) else "−" if value < 0 else "+" if signed else ""
    return f"{sign}{text}"


def sources(rows: pl.DataFrame) -> list[str]:
    """Return where the numbers were published, each source once, with the methods it is of where there are several.

    Args:
        rows: as from `published_rows`.
    """
    found: dict[str, list[str]] = {}
    for method, source in rows.select("method", "source").unique(maintain_order=True).iter_rows():
        found.setdefault(source, []).append(method)
    if len(found) == 1:
        return list(found)
    return [f"{', '.join(methods)}: {source}" for source, methods in found.items()]


def published_texts(rows: pl.DataFrame, layout: str) -> list[str]:
    """Return the parts of a text about published numbers: a table, the caveat and the sources; empty without any.

    Args:
        rows: results of one metric, as from `flows.reports.tables.results_of`.
        layout: a table format of tabulate; in LaTeX the sentences are comments.
    """
    found = published_rows(rows)
    if not len(found):
        return []
    table = published_table(found, found["metric"][0])
    sides = ["right" if name in NUMBERS else "left" for name in table.columns]
    text = tabulate(table.rows(), headers=table.columns, tablefmt=layout, disable_numparse=True, colalign=sides)
    sentences = [CAVEAT, *(f"published: {source}" for source in sources(found))]
    if not layout.startswith("latex"):
        return [text, *sentences]
    plain = text.replace("−", "-").replace("–", "--")
    return [plain, "\n".join(f"% {sentence.replace('−', '-')}" for sentence in sentences)]
