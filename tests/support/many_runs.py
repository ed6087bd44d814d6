"""Cheap results of many runs: rows made by hand, which differ in their run, time, weights and values."""

from datetime import UTC, datetime, timedelta

from storage import keys
from storage.catalogue import commit_results
from storage.schemas import RESULTS
from storage.tables import TableWriter

START = datetime(2026, 1, 1, tzinfo=UTC)
METHODS = ("individual/base", "individual/tuned", "wise-ft/0.50", "dawin/samples")


def run_columns(number, *, methods=METHODS, datasets=("clean", "noisy"), metrics=("top1", "nll"), base="w-base"):
    """Return the columns of one run's results: every method on each data set by each metric.

    Args:
        number: of the run, from 0; a run is an hour after the one before.
        methods: names of the methods.
        datasets: names of the data sets; all are of one group.
        metrics: names of the metrics.
        base: digest of the base model.
    """
    cells = [(method, dataset, metric) for method in methods for dataset in datasets for metric in metrics]
    count = len(cells)
    same = {
        "group": "id",
        "samples": 400,
        "uses_labels": False,
        "forward_passes": 1.0,
        "merged_models": 0,
        "extra_parameters": 0,
        "precision": "fp32",
        "settings": "{}",
        "software": "dawin, by hand",
        "created_at": START + timedelta(hours=number),
        "models": ["base", "tuned"],
        "weights": [base, f"w-{number}"],
        "checkpoints": ["models/base.pt", f"models/step-{number}.pt"],
        "samples_table": "predictions",
        "samples_id": f"{number:04x}",
    }
    values = [0.5 + 0.001 * (7 * number + 13 * i) % 0.4 for i in range(count)]
    own = {
        "method": [method for method, _, _ in cells],
        "dataset": [dataset for _, dataset, _ in cells],
        "datasets": [[dataset] for _, dataset, _ in cells],
        "metric": [metric for _, _, metric in cells],
        "value": values,
        "ci_low": [value - 0.02 for value in values],
        "ci_high": [value + 0.02 for value in values],
        "dataset_digest": [f"d-{dataset}" for _, dataset, _ in cells],
    }
    nothing = dict.fromkeys(("seconds", "images_per_second", "device", "published", "published_source", "note"))
    return own | {name: [value] * count for name, value in (same | nothing).items()}


def writer_of(store, number, *, experiment="digits", run_id=None, **options):
    """Return a writer that holds the results of one run."""
    key = keys.results(experiment, run_id or f"r{number:06d}")
    writer = TableWriter(store, key, RESULTS, identity={"experiment": experiment, "number": number})
    writer.append(run_columns(number, **options))
    return writer


def commit_run(store, number, **options):
    """Commit the results of one run, as aggregation does; return their key."""
    writer = writer_of(store, number, **options)
    commit_results(store, writer)
    return writer.key


def commit_bare(store, number, **options):
    """Commit the results of one run behind the catalogue's back; return their key."""
    writer = writer_of(store, number, **options)
    writer.commit()
    return writer.key
