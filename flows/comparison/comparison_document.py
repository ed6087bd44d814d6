"""Comparisons for programs: the document of `--json`, and the rows as CSV."""

import polars as pl

from flows.comparison.comparison import Comparison
from flows.reports.compare_models import ComparedColumnDocument, CompareDocument, ComparisonRow
from storage.schemas import COMPARISONS


def compare_document(found: Comparison) -> CompareDocument:
    """Return a comparison as the document of `dawin compare --json`."""
    columns = [
        ComparedColumnDocument(
            dataset=column.dataset,
            metric=column.metric.name,
            better=column.metric.better or "higher",
            samples=column.samples,
            best=column.best.method if column.best and found.other is None else None,
            not_distinguishable=column.tied if found.other is None else [],
        )
        for column in found.columns()
    ]
    return CompareDocument(
        run=found.run,
        other=found.other,
        correction="holm",
        tests=len(found.rows),
        columns=columns,
        comparisons=[ComparisonRow(**row) for row in found.rows],
        table=found.table,
    )


def csv_of(found: Comparison) -> str:
    """Return all rows of a comparison as CSV, with the columns of the table `comparisons`."""
    names = COMPARISONS.arrow({}).names
    return pl.DataFrame(list(found.rows), infer_schema_length=None).select(names).write_csv().rstrip()
