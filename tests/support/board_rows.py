"""Hand-made top-1 rows of several runs, as the leaderboard reads them."""

from datetime import UTC, datetime, timedelta

import polars as pl

from flows.reports.boards import boards_of

START = datetime(2026, 11, 1, 8, 15, tzinfo=UTC)
GROUPS = {"clean": "id", "noisy": "ood", "rotated": "ood"}
METHODS = {"individual/base": 0.0, "individual/tuned": 6.0, "wise-ft/0.50": 8.0, "dawin/samples": 9.5}
METHODS |= {"oracle/samples": 20.0}


def run_rows(
    number, *, days=0.0, experiment="digits", weights=None, checkpoint=None, groups=None, digests=None, methods=None
):
    """Return the top-1 rows of one run: every method gains one point with every run, apart from the base.

    Args:
        number: of the run, from 0.
        days: after the first run.
        experiment: its name.
        weights: digest of the fine-tuned model; None: one for each number.
        checkpoint: its file name; None: one for each number.
        groups: the group of each data set.
        digests: the digest of each data set that is not its name.
        methods: points above the base by method.
    """
    groups, methods = groups or GROUPS, methods or METHODS
    names, found = {name: [name] for name in groups}, set(groups.values())
    for group in [*dict.fromkeys(groups.values()), *(["all"] if len(found) > 1 else [])]:
        names[f"mean/{group}"] = [name for name in groups if group in (groups[name], "all")]
    digest = {name: f"d-{name}" for name in groups} | (digests or {})
    levels = {name: 70.0 - 10 * i for i, name in enumerate(groups)}
    rows = []
    for method, points in methods.items():
        gain = points + number if points else 0.0
        for name, own in names.items():
            value = sum(levels[one] + gain for one in own) / len(own)
            rows.append(
                {
                    "experiment": experiment,
                    "run_id": f"r{number:04d}",
                    "method": method,
                    "dataset": name,
                    "group": groups.get(name, name.removeprefix("mean/")),
                    "datasets": own,
                    "metric": "top1",
                    "value": value,
                    "ci_low": value - 1.25,
                    "ci_high": value + 1.0,
                    "samples": 400 * len(own),
                    "uses_labels": method.startswith("oracle"),
                    "dataset_digest": digest.get(name),
                    "note": None,
                    "models": [method.split("/")[1]] if method.startswith("individual") else ["base", "tuned"],
                    "weights": ["w-base"] if method.startswith("individual") else ["w-base", weights or f"w-{number}"],
                    "checkpoint": checkpoint or f"step-{number}.pt",
                    "at": START + timedelta(days=days),
                }
            )
    return pl.DataFrame(rows, schema_overrides={"note": pl.String, "dataset_digest": pl.String})


def rows_of(*runs):
    """Return the rows of several runs as one frame."""
    return pl.concat(runs)


def facts_of(rows):
    """Return the runs of rows, with the columns of the catalogue that leaderboards read."""
    longest = pl.col("weights").sort_by(pl.col("weights").list.len()).last()
    return rows.group_by("experiment", "run_id", maintain_order=True).agg(
        at=pl.col("at").first(),
        content=pl.when(longest.list.len() > 1).then(longest.list.slice(1)).otherwise(longest).list.join(" "),
        ranked=pl.col("method").unique(maintain_order=True),
        with_labels=pl.col("method").filter("uses_labels").unique(maintain_order=True),
    )


def boards_from(rows, newest=None):
    """Return the leaderboards of rows made by hand.

    Args:
        rows: of several runs.
        newest: the most runs of each experiment that have rows; None: all.
    """
    facts = facts_of(rows)
    if newest is not None:
        chosen = facts.sort("at", "run_id").group_by("experiment").tail(newest)
        rows = rows.join(chosen, on=["experiment", "run_id"], how="semi")
    return boards_of(rows, facts)
