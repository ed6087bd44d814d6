"""What a file of predictions holds: the document of `dawin predict --json`, and the same in words."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from flows.planning.other_images import OtherImages
from flows.reports.prediction_models import PredictDocument
from tasks.references.outputs import OutputsReference

_MOST = 5  # classes that are shown in words


def prediction_document(file: Path, found: OtherImages) -> PredictDocument:
    """Return the contents of a file of predictions; it is read in pieces.

    Args:
        file: the file.
        found: the method and the images.
    """
    rows = pl.scan_parquet(file)
    predictions = found.predictions
    merged = (predictions,) if isinstance(predictions, OutputsReference) else predictions.outputs
    names = [outputs.model.name for outputs in merged]
    width = rows.select(pl.col("coefficients").list.len().first()).collect().item()
    means = [pl.col("coefficients").list.get(i).mean() for i in range(width or 0)]
    mean = rows.select(one.alias(f"{i}") for i, one in enumerate(means)).collect().row(0) if means else ()
    clusters = rows.group_by("cluster").len().sort("cluster").drop_nulls("cluster").collect()
    counted = rows.group_by("prediction", "class").len().sort("len", "prediction", descending=[True, False]).collect()
    return PredictDocument(
        file=str(file),
        images=rows.select(pl.len()).collect().item(),
        method=found.plan.cells[0].method,
        fitted_on=found.fitted_on.name,
        adapted=found.is_refitted,
        coefficients=dict(zip(names, mean, strict=True)) if mean else None,
        clusters={f"{number}": count for number, count in clusters.iter_rows()} or None,
        classes=_by_name(counted),
        store=found.plan.store.url,
        predictions=found.predictions.prefix,
    )


def _by_name(counted: pl.DataFrame) -> dict[str, int]:
    """Return counts by the names of classes; classes that share a name have their numbers too, as two of ImageNet's."""
    names = counted["class"].to_list()
    found = dict[str, int]()
    for number, name, count in counted.iter_rows():
        key = str(number) if name is None else name if names.count(name) == 1 else f"{name} ({number})"
        found[key] = count
    return found


def summary_lines(document: PredictDocument) -> Iterator[str]:
    """Yield the contents of a file of predictions in words.

    Args:
        document: the contents.
    """
    fit = "fitted to these images" if document.adapted else f"as fitted on {document.fitted_on}"
    yield f"{document.file}: {document.images:,} images, {document.method} {fit}"
    if document.coefficients:
        yield f"mean coefficients: {_listed([f'{name} {mean:.2f}' for name, mean in document.coefficients.items()])}"
    if document.clusters:
        yield f"images of each cluster: {_listed([f'{count:,}' for count in document.clusters.values()])}"
    most = list(document.classes.items())[:_MOST]
    few = "predicted classes" if len(most) == len(document.classes) else "most predicted classes"
    yield f"{few}: {_listed([f'{name} ({count:,})' for name, count in most])}"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)
