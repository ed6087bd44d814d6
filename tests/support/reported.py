"""Made-up runs for the sections of a report."""

import polars as pl
from result_rows import result_rows

from flows.pages.run_data import RunData
from flows.pages.run_plan import RunPlan
from storage.store import Store

TABLE = {
    "individual/base": {"clean": 0.80, "noisy": 0.60, "rotated": 0.50},
    "individual/tuned": {"clean": 0.90, "noisy": 0.55, "rotated": 0.45},
    "wise-ft/0.50": {"clean": 0.88, "noisy": 0.63, "rotated": 0.52},
    "oracle/samples": {"clean": 0.95, "noisy": 0.75, "rotated": 0.70},
    "dawin/clusters-3": {"clean": 0.89, "noisy": 0.66, "rotated": 0.55},
    "dawin/samples": {"clean": 0.89, "noisy": 0.65, "rotated": 0.55},
}
COSTS = {
    "individual/base": (1.0, 0, 0),
    "wise-ft/0.50": (1.0, 1, 0),
    "dawin/clusters-3": (3.0, 3, 10_000),
    "dawin/samples": (3.0, 400, 10_000),
}


def run_of(table=None, *, models=("base", "tuned"), comparisons=None, **options):
    """Return the numbers of a run, as a report takes them.

    Args:
        table: accuracies by data set, by method.
        models: names of the models.
        comparisons: from `compared`.
        options: of `result_rows`.
    """
    rows = result_rows(TABLE if table is None else table, labelled=("oracle/samples",), **options)
    costs = [COSTS.get(method, (2.0, 0, 0)) for method in rows["method"]]
    rows = rows.with_columns(
        models=pl.Series([list(models)] * len(rows)),
        weights=pl.Series([["0" * 64] * len(models)] * len(rows)),
        checkpoints=pl.Series([[f"file:///{model}.pt" for model in models]] * len(rows)),
        software=pl.lit("dawin 0.1.0"),
        forward_passes=pl.Series([cost[0] for cost in costs]),
        merged_models=pl.Series([cost[1] for cost in costs]),
        extra_parameters=pl.Series([cost[2] for cost in costs]),
        seconds=pl.lit(None, pl.Float64),
        images_per_second=pl.lit(None, pl.Float64),
        device=pl.lit(None, pl.String),
    )
    return RunData(
        store=Store("memory://reported"),
        experiment="digits",
        run_id="r0123",
        rows=rows,
        comparisons=comparisons,
        plan=RunPlan(),
        settings={"merge": {"kind": "interpolation", "expertise": "entropy"}, "precision": "fp32"},
    )


def compared(*pairs):
    """Return comparisons: method, other method, data set, difference and corrected p-value of each pair."""
    return pl.DataFrame(
        [
            {
                "method_a": one,
                "method_b": other,
                "dataset": dataset,
                "metric": "top1",
                "difference": difference,
                "ci_low": difference - 0.01,
                "ci_high": difference + 0.01,
                "p_corrected": p,
            }
            for one, other, dataset, difference, p in pairs
        ]
    )


def words_of(section):
    """Return the paragraphs of a section as one text."""
    return plain(" ".join(section.words))


def plain(text):
    """Return a text with common spaces in place of those at which no line ends."""
    return text.replace("\u00a0", " ")
