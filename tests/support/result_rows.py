"""Hand-made result rows."""

import polars as pl

GROUPS = {"clean": "id", "noisy": "ood", "rotated": "ood"}


def result_rows(table, *, groups=None, labelled=(), samples=400, margin=0.02, notes=None, metric="top1"):
    """Return the rows of one experiment and their means by group, with the columns that tables read.

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
    size = samples if isinstance(samples, dict) else dict.fromkeys(groups, samples)

    def row(method, dataset, group, names, *, value, half):
        return {
            "experiment": "digits",
            "run_id": "r0123",
            "method": method,
            "dataset": dataset,
            "group": group,
            "datasets": names,
            "metric": metric,
            "value": value,
            "ci_low": value - half,
            "ci_high": value + half,
            "samples": sum(size[name] for name in names),
            "uses_labels": method in labelled,
            "dataset_digest": f"digest-of-{dataset}" if len(names) == 1 else None,
            "published": None,
            "published_source": None,
            "note": notes.get(dataset),
        }

    rows = [
        row(method, dataset, groups[dataset], [dataset], value=value, half=margin)
        for method, values in table.items()
        for dataset, value in values.items()
    ]
    found = {dataset: groups[dataset] for values in table.values() for dataset in values}
    for group in [*dict.fromkeys(found.values()), *(["all"] if len(set(found.values())) > 1 else [])]:
        names = [name for name, own in found.items() if group in (own, "all")]
        means = {m: sum(v[n] for n in names) / len(names) for m, v in table.items() if set(names) <= set(v)}
        rows += [
            row(method, f"mean/{group}", group, names, value=value, half=margin / 2) for method, value in means.items()
        ]
    return pl.DataFrame(
        rows, schema_overrides={"published": pl.Float64, "published_source": pl.String, "note": pl.String}
    )


def with_published(rows, numbers, source="a paper"):
    """Return result rows with published numbers, by method and data set, and the source of all of them."""
    values = [numbers.get(key) for key in rows.select("method", "dataset").iter_rows()]
    return rows.with_columns(
        published=pl.Series(values, dtype=pl.Float64),
        published_source=pl.Series([None if value is None else source for value in values], dtype=pl.String),
    )
