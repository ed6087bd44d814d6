"""Hand-made result rows."""

import polars as pl

GROUPS = {"clean": "id", "noisy": "ood", "rotated": "ood"}


def result_rows(table, *, groups=None, labelled=(), samples=400, margin=0.02, notes=None, metric="top1"):
    """Return the rows of one experiment, with the columns that tables read.

    Args:
        table: accuracies by data set, by method.
        groups: the group of each data set.
        labelled: methods that use labels.
        samples: of every data set, or by data set.
        margin: half the width of the intervals.
        notes: notes by data set.
        metric: the metric of the values.
    """
    groups, notes = groups or GROUPS, notes or {}
    return pl.DataFrame(
        [
            {
                "experiment": "digits",
                "method": method,
                "dataset": dataset,
                "group": groups[dataset],
                "metric": metric,
                "value": value,
                "ci_low": value - margin,
                "ci_high": value + margin,
                "samples": samples if isinstance(samples, int) else samples[dataset],
                "uses_labels": method in labelled,
                "dataset_digest": f"digest-of-{dataset}",
                "published": None,
                "published_source": None,
                "note": notes.get(dataset),
            }
            for method, values in table.items()
            for dataset, value in values.items()
        ],
        schema_overrides={"published": pl.Float64, "published_source": pl.String, "note": pl.String},
    )
